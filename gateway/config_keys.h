/* What the files of the configuration share: the table of its keys. config.c reads them,
 * config_print.c prints them, config_change.c makes rules of them and compares. */
#ifndef TAILGATE_GATEWAY_CONFIG_KEYS_H
#define TAILGATE_GATEWAY_CONFIG_KEYS_H

#include "gateway/config.h"

enum type { NUMBER, DURATION, CHOICE, TEXT, LIST };

/* What a running gateway does when the key changes. */
enum change {
    AT_RESTART, /* nothing */
    FLAG,       /* nothing; it is an option of `tailgate serve`, too, which wins */
    LIVE,       /* it takes it over */
    RULE        /* so too; and a service may have its own */
};

struct key {
    const char *name;
    enum type type;
    enum change change;
    size_t offset; /* in struct config */
    const char *initial;
    int64_t min, max;  /* NUMBER; DURATION in microseconds; TEXT and each of a LIST: bytes */
    const char *words; /* CHOICE: with '|' between them, the value is a word's place; TEXT: the
                        * same, or NULL; NUMBER: its unit */
    const char *reason;
};

struct config_own {
    char service[LIMIT_SERVICE + 1];
    const struct key *key;
    int64_t value;
};

#define CONFIG_OWN_PREFIX "service." /* in front of a service's own setting */
#define CONFIG_VALUE_SIZE 64
#define CONFIG_RANGE_SIZE 100

/* The value that KEY has in SELF as a person writes it; of TEXT what fits. */
void config_value(const struct config *self, const struct key *key,
                  char ret_text[CONFIG_VALUE_SIZE]);
/* NUMBER as a value of KEY, which is not a TEXT. */
void config_number_text(const struct key *key, int64_t number, char ret_text[CONFIG_VALUE_SIZE]);
/* What KEY's values are: "a number from 1 to 100 (percent)". */
void config_range(const struct key *key, char ret_text[CONFIG_RANGE_SIZE]);

extern const struct key config_keys[];
extern const size_t config_key_count;

#endif
