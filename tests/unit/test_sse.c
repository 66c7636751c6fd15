#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <errno.h>

#include "adapters/worker/sse.h"

/* The events of STREAM, given in pieces of PIECE bytes: each between < and >, "!" for too large. */
static void read_all(struct span stream, size_t piece, size_t limit, struct buffer *ret_text)
{
    struct sse sse;
    int found = 0;
    sse_init(&sse, limit);
    buffer_reset(ret_text);
    for (size_t at = 0; at < stream.size && found >= 0; at += piece) {
        size_t size = piece < stream.size - at ? piece : stream.size - at;
        struct span bytes = span_of(stream.data + at, size), data;
        while ((found = sse_next(&sse, &bytes, &data)) > 0) {
            buffer_byte(ret_text, '<');
            buffer_add(ret_text, data);
            buffer_byte(ret_text, '>');
        }
        if (found < 0)
            assert_int_equal(found, -EMSGSIZE);
    }
    if (found < 0)
        buffer_byte(ret_text, '!');
    sse_done(&sse);
}

static void expect(const char *stream, const char *events)
{
    struct buffer text;
    buffer_init(&text);
    for (size_t piece = 1; piece <= strlen(stream); piece++) {
        read_all(span_str(stream), piece, 1000, &text);
        assert_true(span_is(buffer_span(&text), events));
    }
    buffer_done(&text);
}

static void lines_end_in_any_of_three_ways(void **state)
{
    (void)state;
    expect("data: a\n\ndata: b\r\rdata: c\r\n\r\n", "<a><b><c>");
    expect("data: a\r\n\ndata: b\n\r\ndata: c\r\r\n", "<a><b><c>");
    expect("data: a\r\n\r\n\n\n\r\rdata: b\n\n", "<a><b>");
}

static void data_lines_are_joined_and_one_blank_before_them_is_dropped(void **state)
{
    (void)state;
    expect("data: a\ndata:b\ndata:  c\n\n", "<a\nb\n c>");
    expect("data\ndata\n\n", "<\n>");
    expect("data:\n\n", "<>");
}

static void comments_and_other_fields_mean_nothing(void **state)
{
    (void)state;
    expect(": ping\n\nevent: x\nid: 1\nretry: 5\ndata: a\ndatabase: b\n data: c\nwhat\n\n", "<a>");
    expect("event: x\n\n", "");
}

static void byte_order_mark_counts_at_the_start_only(void **state)
{
    (void)state;
    expect("\xef\xbb\xbf"
           "data: a\n\n\xef\xbb\xbf"
           "data: b\n\n",
           "<a>");
}

static void unfinished_event_is_none(void **state)
{
    (void)state;
    expect("data: a\n\ndata: b\n", "<a>");
    expect("data: a", "");
}

static void line_and_event_are_bounded(void **state)
{
    struct buffer text;
    (void)state;
    buffer_init(&text);
    for (size_t piece = 1; piece < 40; piece++) {
        read_all(span_str("data: 123\n\ndata: 12345\n\n"), piece, 10, &text);
        assert_true(span_is(buffer_span(&text), "<123>!"));
        read_all(span_str("data:1234\ndata:5678\ndata:90\n\n"), piece, 10, &text);
        assert_true(span_is(buffer_span(&text), "!"));
        read_all(span_str(": and so on without end"), piece, 10, &text);
        assert_true(span_is(buffer_span(&text), "!"));
    }
    buffer_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_end_in_any_of_three_ways),
        cmocka_unit_test(data_lines_are_joined_and_one_blank_before_them_is_dropped),
        cmocka_unit_test(comments_and_other_fields_mean_nothing),
        cmocka_unit_test(byte_order_mark_counts_at_the_start_only),
        cmocka_unit_test(unfinished_event_is_none),
        cmocka_unit_test(line_and_event_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
