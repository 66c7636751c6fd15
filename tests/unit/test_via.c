#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "proto/jtext.h"
#include "proto/via.h"

static void what_is_written_is_read(void **state)
{
    (void)state;
    static const struct via given[] = {{"w1", {"site-b", "site \"a\""}, 2}, {"", {""}, 0}};
    for (size_t i = 0; i < sizeof given / sizeof given[0]; i++) {
        struct buffer json;
        struct via via;
        buffer_init(&json);
        via_write(&given[i], &json);
        assert_int_equal(jtext_check(buffer_span(&json)), JTEXT_OBJECT);
        assert_int_equal(via_read(buffer_span(&json), &via), 0);
        assert_string_equal(via.worker, given[i].worker);
        assert_int_equal(via.count, given[i].count);
        for (size_t k = 0; k < via.count; k++)
            assert_string_equal(via.through[k], given[i].through[k]);
        buffer_done(&json);
    }
}

static void names_are_cleaned_and_cut(void **state)
{
    (void)state;
    struct buffer json;
    struct via via;
    buffer_init(&json);
    buffer_text(&json, "{\"worker\":\"a\\nb\",\"through\":[\"");
    for (int i = 0; i < 100; i++)
        buffer_byte(&json, 'n');
    buffer_text(&json, "\"]}");
    assert_int_equal(via_read(buffer_span(&json), &via), 0);
    assert_string_equal(via.worker, "a?b");
    assert_int_equal(strlen(via.through[0]), LIMIT_WORKER_NAME);
    buffer_done(&json);
}

static void what_is_no_such_object_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    static const char many[] =
        "{\"through\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\","
        "\"10\",\"11\",\"12\",\"13\",\"14\",\"15\",\"16\",\"17\"]}";
    static const char *const bad[] = {"",
                                      "[]",
                                      "\"w1\"",
                                      "{\"worker\":1}",
                                      "{\"through\":\"a\"}",
                                      "{\"through\":[1]}",
                                      "{\"worker\":\"w1\"",
                                      many};
    struct via via = {.worker = "untouched"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(via_read(span_str(bad[i]), &via), -1);
    assert_string_equal(via.worker, "untouched");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(names_are_cleaned_and_cut),
        cmocka_unit_test(what_is_no_such_object_is_refused_and_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
