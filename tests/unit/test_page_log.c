/* The events that the page shows: small, bounded, and each where it belongs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "gateway/http_page_log.h"
#include "proto/jtext.h"

static struct page_log event_log;
static struct buffer text;

static int set_up(void **state)
{
    (void)state;
    page_log_init(&event_log);
    buffer_init(&text);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    page_log_done(&event_log);
    buffer_done(&text);
    return 0;
}

static const struct page_event *add(const char *json)
{
    return page_log_add(&event_log, span_str(json));
}

/* The member NAME of what was kept, decoded; "" when it is not there. */
static const char *member(const struct page_event *event, const char *name)
{
    struct span value;

    assert_int_equal(jtext_check(span_of(event->json, event->size)), JTEXT_OBJECT);
    buffer_reset(&text);
    buffer_text(&text, "");
    if (jtext_find(span_of(event->json, event->size), name, &value)) {
        if (jtext_type(value) == JTEXT_STRING)
            jtext_decode(&text, value);
        else
            buffer_add(&text, value);
    }
    return text.data;
}

static void query_is_kept_by_its_question_without_metadata(void **state)
{
    const struct page_event *event =
        add("{\"event\":\"query\",\"id\":17,\"hash\":\"ab\",\"text\":\"{\\\"type\\\":\\\"query\\\","
            "\\\"question\\\":\\\"why?\\\"}\",\"metadata\":{\"a\":1},\"service\":\"docs\"}");

    (void)state;
    assert_int_equal(event->query, 17);
    assert_string_equal(member(event, "text"), "why?");
    assert_string_equal(member(event, "service"), "docs");
    assert_string_equal(member(event, "metadata"), "");
    assert_string_equal(member(event, "hash"), "");
    assert_string_equal(member(event, "cut"), "");
}

static void response_is_about_the_query_it_answers(void **state)
{
    const struct page_event *event =
        add("{\"event\":\"response\",\"id\":18,\"in_reply_to\":17,\"text\":\"{\\\"type\\\":"
            "\\\"response\\\",\\\"answer\\\":[1,2]}\"}");

    (void)state;
    assert_int_equal(event->query, 17);
    assert_string_equal(member(event, "text"), "[1,2]");
    event = add("{\"event\":\"response\",\"id\":20,\"in_reply_to\":19,\"text\":\"{\\\"type\\\":"
                "\\\"error\\\",\\\"error\\\":\\\"no model\\\"}\"}");
    assert_string_equal(member(event, "text"), "no model");
}

static void prose_and_broken_json_stay_as_they_are(void **state)
{
    (void)state;
    assert_string_equal(member(add("{\"event\":\"message\",\"text\":\"good morning\"}"), "text"),
                        "good morning");
    assert_string_equal(
        member(add("{\"event\":\"message\",\"text\":\"{\\\"question\\\":\"}"), "text"),
        "{\"question\":");
}

static void long_text_is_cut_between_characters(void **state)
{
    const struct page_event *event;
    struct buffer json;

    (void)state;
    buffer_init(&json);
    buffer_text(&json, "{\"event\":\"message\",\"id\":1,\"text\":\"x");
    for (int i = 0; i < 40000; i++)
        buffer_text(&json, "\xc3\xa4");
    buffer_text(&json, "\"}");
    event = page_log_add(&event_log, buffer_span(&json));
    assert_non_null(event);
    assert_string_equal(member(event, "cut"), "true");
    assert_int_equal(strlen(member(event, "text")), PAGE_EVENT_TEXT - 1);
    buffer_done(&json);
}

static void what_moves_a_cursor_or_turns_the_direction_is_escaped(void **state)
{
    const struct page_event *event =
        add("{\"event\":\"message\",\"text\":\"a\\u001b[2J\\u202eb\"}");

    (void)state;
    assert_non_null(strstr(event->json, "\\u001b[2J\\u202eb"));
}

static void partials_of_an_attempt_are_one_entry(void **state)
{
    (void)state;
    add("{\"event\":\"partial\",\"message_id\":17,\"attempt\":1,\"index\":1,\"text\":\"a\"}");
    add("{\"event\":\"partial\",\"message_id\":18,\"attempt\":1,\"index\":1,\"text\":\"b\"}");
    add("{\"event\":\"partial\",\"message_id\":17,\"attempt\":1,\"index\":2,\"text\":\"c\"}");
    add("{\"event\":\"partial\",\"message_id\":17,\"attempt\":2,\"index\":1,\"text\":\"d\"}");
    assert_int_equal(event_log.count, 3);
    assert_string_equal(member(page_log_at(&event_log, 0), "index"), "2");
    assert_string_equal(member(page_log_at(&event_log, 0), "text"), "c");
    assert_int_equal(page_log_at(&event_log, 1)->query, 18);
    assert_int_equal(page_log_at(&event_log, 2)->attempt, 2);
}

static void only_the_last_are_kept(void **state)
{
    char json[100];

    (void)state;
    for (int i = 1; i <= PAGE_LOG_EVENTS + 5; i++) {
        snprintf(json, sizeof json, "{\"event\":\"retry\",\"message_id\":%d}", i);
        assert_int_equal(add(json)->query, i);
    }
    assert_int_equal(event_log.count, PAGE_LOG_EVENTS);
    assert_int_equal(page_log_at(&event_log, 0)->query, 6);
    assert_int_equal(page_log_at(&event_log, PAGE_LOG_EVENTS - 1)->query, PAGE_LOG_EVENTS + 5);
}

static void bytes_are_bounded_whatever_the_rows_hold(void **state)
{
    struct buffer json;

    (void)state;
    buffer_init(&json);
    buffer_text(&json, "{\"event\":\"retry\",\"message_id\":1,\"why\":\"");
    for (int i = 0; i < 7000; i++)
        buffer_byte(&json, 'x');
    buffer_text(&json, "\"}");
    for (int i = 0; i < PAGE_LOG_EVENTS; i++)
        assert_non_null(page_log_add(&event_log, buffer_span(&json)));
    assert_in_range(event_log.bytes, PAGE_LOG_BYTES - 8000, PAGE_LOG_BYTES);
    assert_in_range(event_log.count, PAGE_LOG_BYTES / 8000, PAGE_LOG_BYTES / 7000);
    buffer_reset(&json);
    buffer_text(&json, "{\"event\":\"query\",\"id\":2,\"conversation_id\":\"");
    for (int i = 0; i < PAGE_EVENT_BYTES; i++)
        buffer_byte(&json, 'x');
    buffer_text(&json, "\"}");
    assert_null(page_log_add(&event_log, buffer_span(&json)));
    buffer_done(&json);
}

static void what_is_no_event_is_not_kept(void **state)
{
    static const char *const texts[] = {
        "", "[]", "{", "{}", "{\"event\":1}", "{\"event\":\"a\"} x"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_null(add(texts[i]));
    assert_int_equal(event_log.count, 0);
    assert_int_equal(add("{\"event\":\"query\",\"id\":\"x\",\"text\":{}}")->query, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(query_is_kept_by_its_question_without_metadata, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(response_is_about_the_query_it_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(prose_and_broken_json_stay_as_they_are, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_text_is_cut_between_characters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_moves_a_cursor_or_turns_the_direction_is_escaped,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(partials_of_an_attempt_are_one_entry, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_the_last_are_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bytes_are_bounded_whatever_the_rows_hold, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_event_is_not_kept, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
