#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/event.h"
#include "proto/jtext.h"

static struct buffer json;

static int set_up(void **state)
{
    (void)state;
    buffer_init(&json);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buffer_done(&json);
    return 0;
}

static struct event_head head_of(const char *conversation, const char *service)
{
    const struct event_head head = {
        .seq = 7,
        .utc_us = 1000000,
        .message_id = 17,
        .conversation_id = span_str(conversation),
        .service = span_str(service),
    };
    return head;
}

static void partial_says_what_it_belongs_to(void **state)
{
    struct event_head head = head_of("conv_1", "law");

    (void)state;
    event_partial(&head, span_str("w1"), 2, 3, span_str("a \"b\"\n"), &json);
    assert_string_equal(
        json.data, "{\"event\":\"partial\",\"seq\":7,\"time\":\"1970-01-01T00:00:01\","
                   "\"message_id\":17,\"conversation_id\":\"conv_1\",\"service\":\"law\","
                   "\"worker\":\"w1\",\"attempt\":2,\"index\":3,\"text\":\"a \\\"b\\\"\\u000a\"}");
}

static void undelivered_says_whose_reply_it_was(void **state)
{
    struct event_head head = head_of("conv_1", "law");

    (void)state;
    event_undelivered(&head, span_str("uid:1000"), span_str("its connection is closed"), &json);
    assert_string_equal(json.data,
                        "{\"event\":\"gateway/undelivered\",\"seq\":7,"
                        "\"time\":\"1970-01-01T00:00:01\",\"message_id\":17,"
                        "\"conversation_id\":\"conv_1\",\"service\":\"law\","
                        "\"principal\":\"uid:1000\",\"why\":\"its connection is closed\"}");
}

static void whatever_came_from_others_is_one_harmless_line_of_json(void **state)
{
    static const char *const odd[] = {"\x1b[2J",    "\xc2\x9b", "\xe2\x80\xae", "\xe2\x80\xa8",
                                      "\xff\xfe\"", "\\",       "\x7f\x01",     "\r\n"};

    (void)state;
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        struct event_head head = head_of(odd[i], odd[i]);
        buffer_reset(&json);
        event_partial(&head, span_str(odd[i]), 1, 1, span_str(odd[i]), &json);
        assert_int_equal(jtext_check(buffer_span(&json)), JTEXT_OBJECT);
        for (size_t at = 0; at < json.size; at++) {
            assert_in_range((unsigned char)json.data[at], 0x20, 0x7e);
        }
        buffer_reset(&json);
        event_undelivered(&head, span_str(odd[i]), span_str(odd[i]), &json);
        assert_int_equal(jtext_check(buffer_span(&json)), JTEXT_OBJECT);
    }
}

int main(void)
{
#define WITH_BUFFER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_BUFFER(partial_says_what_it_belongs_to),
        WITH_BUFFER(undelivered_says_whose_reply_it_was),
        WITH_BUFFER(whatever_came_from_others_is_one_harmless_line_of_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
