#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/history.h"

static void expect(const char *history, size_t count, size_t told, const char *want)
{
    struct buffer json;
    buffer_init(&json);
    assert_int_equal(history_last(span_str(history), count, &json), told);
    if (told)
        assert_string_equal(json.data, want);
    else
        assert_int_equal(json.size, 0);
    buffer_done(&json);
}

#define ITEM(n) "{\"attempt\":" n ",\"worker\":\"w\",\"reason\":\"r\",\"at\":\"t\"}"

static void the_last_items_are_told_in_their_order(void **state)
{
    (void)state;
    expect("[" ITEM("1") "," ITEM("2") " , " ITEM("3") "]", 2, 2, "[" ITEM("2") "," ITEM("3") "]");
    expect("[" ITEM("1") "]", 10, 1, "[" ITEM("1") "]");
    expect("[" ITEM("1") "]", 0, 0, "");
}

static void what_is_no_item_is_passed_over(void **state)
{
    (void)state;
    expect("[1,null,{},[],\"x\",{\"attempt\":\"1\"},{\"attempt\":1.5}," ITEM("7") ",{}]", 10, 1,
           "[" ITEM("7") "]");
    expect("[{\"attempt\":1,\"worker\":7,\"reason\":[],\"x\":\"y\"}]", 10, 1,
           "[{\"attempt\":1,\"worker\":\"\",\"reason\":\"\",\"at\":\"\"}]");
}

static void what_is_no_history_tells_nothing(void **state)
{
    (void)state;
    static const char *const none[] = {"", "[]", "{}", "[", "x", "null", "[" ITEM("1")};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        expect(none[i], 10, 0, "");
}

static void a_long_reason_is_cut_on_a_character(void **state)
{
    struct buffer history, json;
    (void)state;
    buffer_init(&history);
    buffer_init(&json);
    buffer_text(&history, "[{\"attempt\":1,\"reason\":\"x");
    for (int i = 0; i < 500; i++)
        buffer_text(&history, "\xc3\xa9");
    buffer_text(&history, "\"}]");
    assert_int_equal(history_last(buffer_span(&history), 1, &json), 1);
    assert_non_null(strstr(json.data, "\xc3\xa9\",\"at\":\"\""));
    assert_int_equal(json.size,
                     strlen("[{\"attempt\":1,\"worker\":\"\",\"reason\":\"\",\"at\":\"\"}]") +
                         HISTORY_REASON - 1);
    buffer_done(&json);
    buffer_done(&history);
}

static void more_than_anybody_reads_is_not_read(void **state)
{
    struct buffer history, json;
    (void)state;
    buffer_init(&history);
    buffer_init(&json);
    buffer_text(&history, "[" ITEM("1"));
    while (history.size <= HISTORY_BYTES)
        buffer_text(&history, "," ITEM("2"));
    buffer_text(&history, "]");
    assert_int_equal(history_last(buffer_span(&history), 1, &json), 0);
    buffer_done(&json);
    buffer_done(&history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_items_are_told_in_their_order),
        cmocka_unit_test(what_is_no_item_is_passed_over),
        cmocka_unit_test(what_is_no_history_tells_nothing),
        cmocka_unit_test(a_long_reason_is_cut_on_a_character),
        cmocka_unit_test(more_than_anybody_reads_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
