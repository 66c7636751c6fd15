#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

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

static const struct identity nobody;

static void partial_says_what_it_belongs_to(void **state)
{
    struct event_head head = head_of("conv_1", "law");

    (void)state;
    event_partial(&head, span_str("w1"), &nobody, 2, 3, span_str("a \"b\"\n"), &json);
    assert_string_equal(
        json.data, "{\"event\":\"partial\",\"seq\":7,\"time\":\"1970-01-01T00:00:01\","
                   "\"message_id\":17,\"conversation_id\":\"conv_1\",\"service\":\"law\","
                   "\"worker\":\"w1\",\"attempt\":2,\"index\":3,\"text\":\"a \\\"b\\\"\\u000a\"}");
}

static void partial_says_who_has_sent_it(void **state)
{
    struct event_head head = head_of("conv_1", "law");
    const struct identity who = {"key:0123", "w \"1\""};

    (void)state;
    event_partial(&head, span_str("w1"), &who, 2, 3, span_str("a"), &json);
    assert_non_null(strstr(json.data, "\"attempt\":2,\"verified\":{\"principal\":\"key:0123\","
                                      "\"name\":\"w \\\"1\\\"\"},\"index\":3,"));
}

static void other_events_have_the_members_they_are_given(void **state)
{
    const struct event_member member[] = {
        {"message_id", EVENT_NUMBER, {0}, 17},
        {"why", EVENT_TEXT, span_str("it \"failed\""), 0},
        {"returned", EVENT_FLAG, {0}, 1},
        {"pause", EVENT_SECONDS, {0}, 1250000},
        {"verified", EVENT_JSON, span_str("{\"principal\":\"uid:1\"}"), 0},
        {"by", EVENT_JSON, {0}, 0},
    };

    (void)state;
    event_other("retry", 7, 1000000, member, 6, &json);
    assert_string_equal(json.data,
                        "{\"event\":\"retry\",\"seq\":7,\"time\":\"1970-01-01T00:00:01\","
                        "\"message_id\":17,\"why\":\"it \\\"failed\\\"\","
                        "\"returned\":true,\"pause\":1.250,"
                        "\"verified\":{\"principal\":\"uid:1\"}}");
}

static struct event_row row_of(const char *text, const char *metadata)
{
    struct event_row row = {.kind = TOPIC_MESSAGE,
                            .id = 17,
                            .conversation_id = span_str("conv_1"),
                            .from = span_str("a"),
                            .to = span_str("b"),
                            .timestamp = span_str("2026-11-21T01:00:00"),
                            .form = "other",
                            .size = (int64_t)strlen(text),
                            .hash = "00",
                            .bodies = true,
                            .text = span_str(text),
                            .metadata = span_str(metadata),
                            .in_reply_to = -1,
                            .attempt = -1,
                            .took_us = -1};
    return row;
}

static void row_is_told_alike_live_and_again_but_for_its_number_and_time(void **state)
{
    struct event_row row = row_of("hello", "{\"a\":\t1}");
    const struct event_live live = {.seq = 7, .utc_us = 1000000, .prev = 12};
#define REST                                                                                       \
    "\"conversation_id\":\"conv_1\",\"from\":\"a\",\"to\":\"b\","                                  \
    "\"timestamp\":\"2026-11-21T01:00:00\",\"form\":\"other\",\"service\":null,\"size\":5,"        \
    "\"hash\":\"00\",\"text\":\"hello\",\"metadata\":{\"a\": 1}}"

    (void)state;
    event_row(&row, &live, &json);
    assert_string_equal(json.data,
                        "{\"event\":\"message\",\"seq\":7,\"time\":\"1970-01-01T00:00:01\","
                        "\"id\":17,\"prev\":12," REST);
    buffer_reset(&json);
    event_row(&row, NULL, &json);
    assert_string_equal(json.data, "{\"event\":\"message\",\"id\":17," REST);
}

static void response_says_what_it_answers_and_how_long_it_took(void **state)
{
    struct event_row row = row_of("x", "");

    (void)state;
    row.kind = TOPIC_RESPONSE;
    row.in_reply_to = 16;
    row.took_us = 1234567;
    row.worker = span_str("w1");
    row.attempt = 2;
    row.bodies = false;
    event_row(&row, NULL, &json);
    assert_non_null(strstr(json.data, "\"in_reply_to\":16,\"seconds\":1.234,\"worker\":\"w1\","
                                      "\"attempt\":2,\"size\":1,\"hash\":\"00\"}"));
}

static void mark_and_welcome_say_how_far_the_feed_is(void **state)
{
    const struct event_mark mark = {"e1", 3, 20, 25, {17, 18, 3}};

    (void)state;
    event_mark(&mark, false, 9, 1000000, span_str("{\"dead\":1}"), &json);
    assert_string_equal(
        json.data, "{\"event\":\"gateway/mark\",\"seq\":9,\"time\":\"1970-01-01T00:00:01\","
                   "\"epoch\":\"e1\",\"since\":3,\"id\":20,\"highest\":25,\"last\":{\"query\":17,"
                   "\"response\":18,\"message\":3},\"counters\":{\"dead\":1}}");
    buffer_reset(&json);
    event_mark(&mark, true, 9, 1000000, span_str(""), &json);
    assert_non_null(strstr(json.data, "\"event\":\"gateway/welcome\""));
    assert_null(strstr(json.data, "counters"));
}

static void whatever_came_from_others_is_one_harmless_line_of_json(void **state)
{
    static const char *const odd[] = {"\x1b[2J",    "\xc2\x9b", "\xe2\x80\xae", "\xe2\x80\xa8",
                                      "\xff\xfe\"", "\\",       "\x7f\x01",     "\r\n"};

    (void)state;
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        struct event_head head = head_of(odd[i], odd[i]);
        buffer_reset(&json);
        struct identity who = {.principal = "key:00"};
        snprintf(who.name, sizeof who.name, "%s", odd[i]);
        event_partial(&head, span_str(odd[i]), &who, 1, 1, span_str(odd[i]), &json);
        assert_int_equal(jtext_check(buffer_span(&json)), JTEXT_OBJECT);
        for (size_t at = 0; at < json.size; at++) {
            assert_in_range((unsigned char)json.data[at], 0x20, 0x7e);
        }
        buffer_reset(&json);
        const struct event_row row = row_of(odd[i], "");
        event_row(&row, NULL, &json);
        assert_int_equal(jtext_check(buffer_span(&json)), JTEXT_OBJECT);
        assert_null(strchr(json.data, '\x1b'));
    }
}

int main(void)
{
#define WITH_BUFFER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_BUFFER(partial_says_what_it_belongs_to),
        WITH_BUFFER(partial_says_who_has_sent_it),
        WITH_BUFFER(other_events_have_the_members_they_are_given),
        WITH_BUFFER(row_is_told_alike_live_and_again_but_for_its_number_and_time),
        WITH_BUFFER(response_says_what_it_answers_and_how_long_it_took),
        WITH_BUFFER(mark_and_welcome_say_how_far_the_feed_is),
        WITH_BUFFER(whatever_came_from_others_is_one_harmless_line_of_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
