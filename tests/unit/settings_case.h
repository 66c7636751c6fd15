/* What the tests of the settings share: one configuration, made anew for each. */
#ifndef TAILGATE_TESTS_UNIT_SETTINGS_CASE_H
#define TAILGATE_TESTS_UNIT_SETTINGS_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/config_keys.h"

#define SECOND INT64_C(1000000)

static struct config config;
static char error[CONFIG_ERROR_SIZE];

static inline int set_up(void **state)
{
    (void)state;
    config_init(&config);
    error[0] = '\0';
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    config_done(&config);
    return 0;
}

static inline void put(const char *word)
{
    if (config_set_word(&config, word, error) < 0)
        fail_msg("%s: %s", word, error);
}

/* WORD is refused, the reason has HINT in it, and nothing was changed. */
static inline void refuse(const char *word, const char *hint)
{
    struct config before = config;

    error[0] = '\0';
    if (config_set_word(&config, word, error) == 0)
        fail_msg("%s was taken", word);
    if (!strstr(error, hint))
        fail_msg("%s: \"%s\" does not say \"%s\"", word, error, hint);
    assert_true(strlen(error) < CONFIG_ERROR_SIZE);
    assert_memory_equal(&before, &config, sizeof config);
}

static inline const struct rules *rules_for(const struct rulebook *book, const char *service)
{
    return rulebook_find(book, span_str(service));
}

#endif
