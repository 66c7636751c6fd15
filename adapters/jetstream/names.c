#include "adapters/jetstream/names.h"

#include <sodium.h>
#include <stdio.h>

#define DIGEST 16

static bool word(struct span text, size_t most)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-'))
            return false;
    }
    return text.size > 0 && text.size <= most;
}

bool names_prefix_ok(const char *prefix)
{
    return word(span_str(prefix), NAMES_PREFIX_MAX);
}

bool names_bridge_ok(struct span bridge)
{
    for (size_t i = 0; i < bridge.size; i++) {
        char c = bridge.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
    }
    return bridge.size == NAMES_BRIDGE;
}

bool names_token_ok(struct span token)
{
    struct token parsed;
    return token_parse(token, &parsed) == 0;
}

void names_service(struct span service, char ret_text[NAMES_SIZE])
{
    unsigned char digest[DIGEST];
    if (word(service, NAMES_SERVICE_MAX)) {
        snprintf(ret_text, NAMES_SIZE, "%.*s", (int)service.size, service.data);
        return;
    }
    crypto_generichash(digest, sizeof digest, (const unsigned char *)service.data, service.size,
                       NULL, 0);
    ret_text[0] = '=';
    sodium_bin2hex(ret_text + 1, NAMES_SIZE - 1, digest, sizeof digest);
}

void names_query_stream(const char *prefix, struct span service, char ret_name[NAMES_SIZE])
{
    char text[NAMES_SIZE];
    names_service(service, text);
    snprintf(ret_name, NAMES_SIZE, "%.*s-q-%.*s", NAMES_PREFIX_MAX, prefix, NAMES_SERVICE_MAX,
             text);
}

void names_query_subject(const char *prefix, struct span service, char ret_subject[NAMES_SIZE])
{
    char text[NAMES_SIZE];
    names_service(service, text);
    snprintf(ret_subject, NAMES_SIZE, "%.*s.q.%.*s", NAMES_PREFIX_MAX, prefix, NAMES_SERVICE_MAX,
             text);
}

void names_reply_stream(const char *prefix, char ret_name[NAMES_SIZE])
{
    snprintf(ret_name, NAMES_SIZE, "%.*s-r", NAMES_PREFIX_MAX, prefix);
}

void names_reply_subjects(const char *prefix, char ret_subject[NAMES_SIZE])
{
    snprintf(ret_subject, NAMES_SIZE, "%.*s.r.*.*", NAMES_PREFIX_MAX, prefix);
}

static void of_bridge(const char *prefix, char kind, const char *bridge, struct span service,
                      char ret_subject[NAMES_SIZE])
{
    char text[NAMES_SIZE];
    names_service(service, text);
    snprintf(ret_subject, NAMES_SIZE, "%.*s.%c.%.*s.%.*s", NAMES_PREFIX_MAX, prefix, kind,
             NAMES_BRIDGE, bridge, NAMES_SERVICE_MAX, text);
}

void names_reply_subject(const char *prefix, const char *bridge, struct span service,
                         char ret_subject[NAMES_SIZE])
{
    of_bridge(prefix, 'r', bridge, service, ret_subject);
}

void names_part_subject(const char *prefix, const char *bridge, struct span service,
                        char ret_subject[NAMES_SIZE])
{
    of_bridge(prefix, 'p', bridge, service, ret_subject);
}

void names_reply_consumer(const char *bridge, struct span service, char ret_name[NAMES_SIZE])
{
    char text[NAMES_SIZE];
    names_service(service, text);
    snprintf(ret_name, NAMES_SIZE, "%.*s-%.*s", NAMES_BRIDGE, bridge, NAMES_SERVICE_MAX, text);
}
