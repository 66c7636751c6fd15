/* What a replay may be asked with, and what its end says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/replay.h"

static void nothing_said_is_the_whole_file_in_pages(void **state)
{
    struct replay_request request;

    (void)state;
    assert_null(replay_read(span_str(""), &request));
    assert_int_equal(request.after, 0);
    assert_int_equal(request.upto, INT64_MAX);
    assert_int_equal(request.limit, REPLAY_LIMIT);
    assert_true(request.kind[TOPIC_QUERY] && request.kind[TOPIC_RESPONSE] &&
                request.kind[TOPIC_MESSAGE]);
    assert_string_equal(request.conversation, "");
    assert_null(replay_read(span_str("{}"), &request));
}

static void everything_can_be_said(void **state)
{
    struct replay_request request;

    (void)state;
    assert_null(replay_read(
        span_str("{\"after\":17,\"upto\":400,\"kinds\":[\"response\"],\"conversation\":\"c\","
                 "\"service\":\"law\",\"limit\":10,\"since\":\"2026-11-21 01:00:00\",\"more\":1}"),
        &request));
    assert_int_equal(request.after, 17);
    assert_int_equal(request.upto, 400);
    assert_int_equal(request.limit, 10);
    assert_true(!request.kind[TOPIC_QUERY] && request.kind[TOPIC_RESPONSE]);
    assert_string_equal(request.conversation, "c");
    assert_string_equal(request.service, "law");
    assert_string_equal(request.since, "2026-11-21T01:00:00");
    assert_null(replay_read(span_str("{\"since\":\"0622-07-16T00:00:00\"}"), &request));
    assert_string_equal(request.since, "1970-01-01T00:00:00"); /* everything there is */
}

static void what_cannot_be_is_refused_with_a_reason(void **state)
{
    static const char *const wrong[] = {"x",
                                        "[]",
                                        "\"after\"",
                                        "{\"after\":-1}",
                                        "{\"after\":\"1\"}",
                                        "{\"after\":1.5}",
                                        "{\"upto\":-1}",
                                        "{\"upto\":99999999999999999999}",
                                        "{\"since\":\"yesterday\"}",
                                        "{\"since\":7}",
                                        "{\"kinds\":\"query\"}",
                                        "{\"kinds\":[\"partial\"]}",
                                        "{\"kinds\":[1]}",
                                        "{\"conversation\":\"\"}",
                                        "{\"conversation\":1}",
                                        "{\"service\":\"\"}",
                                        "{\"limit\":0}",
                                        "{\"limit\":10001}"};
    struct replay_request request = {.after = 7};

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_non_null(replay_read(span_str(wrong[i]), &request));
    assert_int_equal(request.after, 7);
}

static void end_names_the_range_it_covered(void **state)
{
    const struct replay_end end = {17, 400, 500, 123, true};
    struct buffer json;

    (void)state;
    buffer_init(&json);
    replay_write(&end, &json);
    assert_string_equal(json.data, "{\"type\":\"replayed\",\"after\":17,\"upto\":400,\"last\":500,"
                                   "\"events\":123,\"more\":true}");
    buffer_done(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_said_is_the_whole_file_in_pages),
        cmocka_unit_test(everything_can_be_said),
        cmocka_unit_test(what_cannot_be_is_refused_with_a_reason),
        cmocka_unit_test(end_names_the_range_it_covered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
