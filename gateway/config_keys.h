/* What the files of the configuration share: the table of its keys. config.c reads and prints them,
 * config_change.c makes rules of them and compares. */
#ifndef TAILGATE_GATEWAY_CONFIG_KEYS_H
#define TAILGATE_GATEWAY_CONFIG_KEYS_H

#include "gateway/config.h"

enum type { NUMBER, DURATION, CHOICE, TEXT };

/* What a running gateway does when the key changes. */
enum change {
    AT_RESTART, /* nothing */
    LIVE,       /* it takes it over */
    RULE        /* so too; and a service may have its own */
};

struct key {
    const char *name;
    enum type type;
    enum change change;
    size_t offset; /* in struct config */
    const char *initial;
    int64_t min, max;    /* NUMBER; DURATION in microseconds; TEXT: bytes */
    const char *choices; /* CHOICE: words with '|' between them; the value is a word's place */
    const char *reason;
};

struct config_own {
    char service[LIMIT_SERVICE + 1];
    const struct key *key;
    int64_t value;
};

extern const struct key config_keys[];
extern const size_t config_key_count;

#endif
