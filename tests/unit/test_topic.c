#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/topic.h"

static char topic[TOPIC_SIZE];

static void becomes(enum topic_kind kind, struct span id, const char *expected)
{
    size_t size = topic_make(kind, id, topic);

    assert_string_equal(topic, expected);
    assert_int_equal(size, strlen(expected));
}

static void topic_is_kind_and_conversation(void **state)
{
    (void)state;
    becomes(TOPIC_PARTIAL, span_str("conv_0123456789abcdef"), "partial/conv_0123456789abcdef");
    becomes(TOPIC_SUPERSEDED, span_str("x"), "superseded/x");
    becomes(TOPIC_GATEWAY, span_str("undelivered"), "gateway/undelivered");
    becomes(TOPIC_QUERY, span_str(""), "query/");
    becomes(TOPIC_QUERY, span_str("a/b c \xc3\xa9"), "query/a/b c \xc3\xa9");
}

static void odd_bytes_of_a_conversation_are_escaped(void **state)
{
    (void)state;
    becomes(TOPIC_DEAD, span_of("a\0b\n%41\x7f", 8), "dead/a%00b%0A%2541%7F");
    becomes(TOPIC_DEAD, span_str("\xff\x1f"), "dead/\xff%1F");
}

static void topic_is_never_too_long(void **state)
{
    char id[1000];

    (void)state;
    memset(id, 'c', sizeof id);
    assert_int_equal(topic_make(TOPIC_SUPERSEDED, span_of(id, LIMIT_CONVERSATION_ID), topic),
                     strlen("superseded/") + LIMIT_CONVERSATION_ID); /* never cut */
    assert_int_equal(topic_make(TOPIC_SUPERSEDED, span_of(id, sizeof id), topic), LIMIT_TOPIC);
    memset(id, '\n', sizeof id);
    assert_int_equal(topic_make(TOPIC_DEAD, span_of(id, sizeof id), topic), 5 + 80 * 3);
    assert_string_equal(topic + 5 + 79 * 3, "%0A"); /* an escape is whole or not there */
    assert_int_equal(topic_make(TOPIC_QUERY, span_of(id, sizeof id), topic), 6 + 79 * 3);
}

static void every_kind_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < TOPIC_KINDS; i++) {
        assert_non_null(topic_name((enum topic_kind)i));
        for (int j = 0; j < i; j++)
            assert_string_not_equal(topic_name((enum topic_kind)i), topic_name((enum topic_kind)j));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topic_is_kind_and_conversation),
        cmocka_unit_test(odd_bytes_of_a_conversation_are_escaped),
        cmocka_unit_test(topic_is_never_too_long),
        cmocka_unit_test(every_kind_has_a_name_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
