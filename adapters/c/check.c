#include "adapters/c/check.h"

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

bool check_word(const char *text, size_t limit)
{
    size_t size = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return size > 0 && size <= limit && text[size] == '\0';
}
