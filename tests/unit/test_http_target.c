/* Paths and query strings of requests (gateway/http_target.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/http_target.h"
#include "proto/buffer.h"

static void expect_read(const char *raw, int code)
{
    struct http_target target;

    assert_int_equal(http_target_read(&target, span_str(raw)), code);
    http_target_done(&target);
}

static void parts_are_decoded_each_by_itself(void **state)
{
    struct span place[HTTP_PARTS_MAX];
    struct http_target target;

    (void)state;
    assert_int_equal(http_target_read(&target, span_str("/v1/a%2Fb%20c/+%C3%bc")), 0);
    assert_true(http_target_matches(&target, "/v1/{}/{}", place));
    assert_true(span_is(place[0], "a/b c"));
    assert_true(span_is(place[1], "+\xc3\xbc"));
    assert_false(http_target_matches(&target, "/v1/a/b c/{}", place));
    http_target_done(&target);
}

static void pattern_is_met_by_as_many_parts_and_no_empty_one(void **state)
{
    static const struct {
        const char *raw, *pattern;
        bool matches;
    } row[] = {
        {"/", "/", true},          {"/?x", "/", true},           {"//", "/", false},
        {"/a", "/", false},        {"/", "/a", false},           {"/a", "/a", true},
        {"/a/", "/a", false},      {"/a/", "/a/", true},         {"/a/", "/a/{}", false},
        {"/a/b", "/a/{}", true},   {"/a/b/c", "/a/{}", false},   {"/A/b", "/a/{}", false},
        {"/a/../b", "/b", false},  {"/a/%2e%2e", "/a/{}", true}, {"/a/b?c/d", "/a/{}", true},
        {"/%61/b", "/a/{}", true}, {"/a/{}", "/a/{}", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct http_target target;
        assert_int_equal(http_target_read(&target, span_str(row[i].raw)), 0);
        assert_int_equal(http_target_matches(&target, row[i].pattern, NULL), row[i].matches);
        http_target_done(&target);
    }
}

static void what_is_no_path_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "a",
        "http://h/",
        "*",
        "/%",
        "/%4",
        "/%4g",
        "/%00",
        "/%0a",
        "/\x01",
        "/%ff",
        "/\xc3",
        "/%c2%80",
        "/?a=%0d",
        "/?%ff=1",
        "/?a=%",
        "/1/2/3/4/5/6/7/8/9",
        "/?1&2&3&4&5&6&7&8&9&10&11&12&13&14&15&16&17",
    };
    char *large = memory_zero(1, HTTP_TARGET_MAX + 2);

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_read(bad[i], -1);
    expect_read("/1/2/3/4/5/6/7/8", 0);
    expect_read("/?1&2&3&4&5&6&7&8&9&10&11&12&13&14&15&16", 0);
    memset(large, '/', 1);
    memset(large + 1, 'x', HTTP_TARGET_MAX - 1);
    expect_read(large, 0);
    large[HTTP_TARGET_MAX] = 'x';
    expect_read(large, -1);
    free(large);
}

static void values_are_found_by_their_name_and_empty_is_not_missing(void **state)
{
    struct http_target target;
    bool there = false;

    (void)state;
    assert_int_equal(http_target_read(&target, span_str("/a?wait=30&x=a+b%2B&&e=&f&wait=7&y==")),
                     0);
    assert_true(span_is(http_target_query(&target, "wait", &there), "30"));
    assert_true(there);
    assert_true(span_is(http_target_query(&target, "x", NULL), "a b+"));
    assert_true(span_is(http_target_query(&target, "y", NULL), "="));
    assert_int_equal(http_target_query(&target, "e", &there).size, 0);
    assert_true(there);
    assert_int_equal(http_target_query(&target, "f", &there).size, 0);
    assert_true(there);
    assert_int_equal(http_target_query(&target, "g", &there).size, 0);
    assert_false(there);
    http_target_done(&target);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_decoded_each_by_itself),
        cmocka_unit_test(pattern_is_met_by_as_many_parts_and_no_empty_one),
        cmocka_unit_test(what_is_no_path_is_refused),
        cmocka_unit_test(values_are_found_by_their_name_and_empty_is_not_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
