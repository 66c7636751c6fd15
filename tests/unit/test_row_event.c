/* What an event says of a row: its kind, its parts, nothing that is secret; the same whenever it is
 * told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/row_event.h"
#include "proto/jtext.h"

static struct redact *redact;
static struct row_event event;
static struct buffer json;

static int set_up(void **state)
{
    (void)state;
    redact = redact_new(true);
    row_event_init(&event);
    buffer_init(&json);
    return redact ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    row_event_done(&event);
    buffer_done(&json);
    redact_destroy(&redact);
    return 0;
}

static struct tail_row row_of(struct span text, const char *metadata)
{
    const struct tail_row row = {.id = 17,
                                 .columns = {text, true, span_str(metadata), true},
                                 .conversation_id = span_str("conv"),
                                 .from_session = span_str("a"),
                                 .to_session = span_str("b"),
                                 .timestamp = span_str("2026-11-21T01:00:00"),
                                 .has_conversation = true,
                                 .role = span_str("law")};
    return row;
}

static const char *tell(struct span text, const char *metadata, bool bodies)
{
    const struct tail_row row = row_of(text, metadata);

    row_event_read(&event, &row);
    row_event_make(&event, redact, &row, bodies);
    buffer_reset(&json);
    event_row(&event.event, NULL, &json);
    assert_int_equal(jtext_check(buffer_span(&json)), JTEXT_OBJECT);
    return json.data;
}

static enum topic_kind kind_of(const char *text, const char *metadata)
{
    const struct tail_row row = row_of(span_str(text), metadata);

    return row_event_read(&event, &row);
}

static void kind_is_what_the_row_says_of_itself(void **state)
{
    (void)state;
    assert_int_equal(kind_of("{\"type\":\"query\"}", ""), TOPIC_QUERY);
    assert_int_equal(kind_of("What?", "{\"action_type\":\"question\"}"), TOPIC_QUERY);
    assert_int_equal(kind_of("{\"type\":\"response\"}", ""), TOPIC_RESPONSE);
    assert_int_equal(kind_of("{\"type\":\"error\"}", ""), TOPIC_RESPONSE);
    assert_int_equal(kind_of("An answer.", "{\"in_reply_to\":16}"), TOPIC_RESPONSE);
    assert_int_equal(kind_of("An answer.", "{\"in_reply_to\":\"16\"}"), TOPIC_MESSAGE);
    assert_int_equal(kind_of("An answer.", "no JSON"), TOPIC_MESSAGE);
    assert_int_equal(kind_of("", ""), TOPIC_MESSAGE);
}

static void query_has_the_service_that_is_to_answer_it(void **state)
{
    (void)state;
    assert_non_null(
        strstr(tell(span_str("{\"type\":\"query\"}"), "", true), "\"service\":\"law\""));
    assert_non_null(strstr(tell(span_str("hello"), "", true), "\"service\":null"));
}

static void secrets_are_taken_out_of_text_and_metadata(void **state)
{
    const char *told = tell(span_str("{\"type\":\"query\",\"question\":\"password: x1\"}"),
                            "{\"secret\":\"y2\"}", true);

    (void)state;
    assert_non_null(strstr(told, "PASSWORD_REDACTED"));
    assert_null(strstr(told, "x1"));
    assert_null(strstr(told, "y2"));
}

static void reply_says_what_its_metadata_says(void **state)
{
    const char *told = tell(span_str("An answer."),
                            "{\"in_reply_to\":16,\"response_time_sec\":1.235,\"worker\":\"w1\","
                            "\"attempt\":2,\"service\":\"law\"}",
                            false);

    (void)state;
    assert_non_null(strstr(told, "\"service\":\"law\",\"in_reply_to\":16,\"seconds\":1.235,"
                                 "\"worker\":\"w1\",\"attempt\":2"));
    assert_null(strstr(told, "An answer"));
    assert_null(strstr(told, "metadata"));
}

static void text_that_is_not_utf8_is_repaired_and_flagged(void **state)
{
    const char *told = tell(span_of("a\xff\x1b", 3), "", true);

    (void)state;
    assert_non_null(strstr(told, "\"form\":\"not-utf8\""));
    assert_non_null(strstr(told, "\"text\":\"a\xef\xbf\xbd\\u001b\""));
}

static void long_text_is_cut_and_the_longest_left_out(void **state)
{
    size_t size = LIMIT_EVENT_ROW + 1;
    char *text = malloc(size);

    (void)state;
    memset(text, 'x', size);
    tell(span_of(text, size - 1), "", true);
    assert_true(event.event.truncated);
    assert_int_equal(event.event.text.size, LIMIT_REPLY_CHARS);
    assert_int_equal(strlen(event.event.hash), 64);
    assert_non_null(strstr(tell(span_of(text, size), "", true),
                           "\"size\":1048577,\"hash\":null,\"text\":\"\",\"truncated\":true"));
    tell(span_of(text, LIMIT_REPLY_CHARS), "", true);
    assert_false(event.event.truncated);
    free(text);
}

int main(void)
{
#define WITH_EVENT(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_EVENT(kind_is_what_the_row_says_of_itself),
        WITH_EVENT(query_has_the_service_that_is_to_answer_it),
        WITH_EVENT(secrets_are_taken_out_of_text_and_metadata),
        WITH_EVENT(reply_says_what_its_metadata_says),
        WITH_EVENT(text_that_is_not_utf8_is_repaired_and_flagged),
        WITH_EVENT(long_text_is_cut_and_the_longest_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
