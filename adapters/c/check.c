#include "adapters/c/check.h"

#include <stdio.h>

#include "adapters/c/tailgate.h"
#include "adapters/zmq/endpoint.h"
#include "proto/utf8.h"

bool check_endpoint(const char *endpoint)
{
    return endpoint && endpoint_read(endpoint) != ENDPOINT_BAD;
}

bool check_text(const char *text, size_t limit)
{
    size_t size = text ? strlen(text) : 0;
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return false;
    }
    return size > 0 && size <= limit && utf8_valid(span_of(text, size));
}

bool check_certs(const char *cert, const char *server_cert, struct curve_client *ret_curve)
{
    char why[CERT_WHY_SIZE];
    return curve_client_load(cert, server_cert, ret_curve, why) == 0;
}

int tailgate_certificates_check(const char *cert, const char *server_cert, char *ret_why,
                                size_t room)
{
    struct curve_client curve;
    char why[CERT_WHY_SIZE];
    if (curve_client_load(cert, server_cert, &curve, why) < 0) {
        snprintf(ret_why, room, "%s", why);
        return TAILGATE_INVALID;
    }
    explicit_bzero(&curve, sizeof curve);
    return TAILGATE_OK;
}

bool check_word(const char *text, size_t limit)
{
    size_t size = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return size > 0 && size <= limit && text[size] == '\0';
}
