#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "proto/stamp.h"

#define S(x) (INT64_C(x) * 1000000)

/* What Python's datetime.utcfromtimestamp().isoformat() prints. */
static const struct {
    int64_t utc_us;
    const char *text;
} known[] = {
    {0, "1970-01-01T00:00:00"},
    {1, "1970-01-01T00:00:00.000001"},
    {S(951782399) + 999999, "2000-02-28T23:59:59.999999"},
    {S(951782400), "2000-02-29T00:00:00"},
    {S(951868800), "2000-03-01T00:00:00"},
    {S(978307199), "2000-12-31T23:59:59"},
    {S(1709164800), "2024-02-29T00:00:00"},
    {S(1795222800) + 123456, "2026-11-21T01:00:00.123456"},
    {S(4107542400), "2100-03-01T00:00:00"},
    {S(4107542399), "2100-02-28T23:59:59"},
    {S(253402300799) + 999999, "9999-12-31T23:59:59.999999"},
};

static void stamps_are_what_python_prints(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        char text[STAMP_SIZE];
        int64_t utc_us = -1;
        stamp_format(known[i].utc_us, text);
        assert_string_equal(text, known[i].text);
        assert_int_equal(stamp_parse(span_str(text), &utc_us), 0);
        assert_int_equal(utc_us, known[i].utc_us);
    }
}

static void every_day_comes_back(void **state)
{
    (void)state;
    char before[STAMP_SIZE] = "";
    for (int64_t day = 0; day < 2932897; day += 1) {
        char text[STAMP_SIZE];
        int64_t utc_us = -1;
        stamp_format(day * S(86400), text);
        assert_int_equal(stamp_parse(span_str(text), &utc_us), 0);
        assert_int_equal(utc_us, day * S(86400));
        assert_true(strcmp(before, text) < 0);
        memcpy(before, text, sizeof before);
    }
}

static void shorter_fractions_and_a_blank_are_read(void **state)
{
    (void)state;
    int64_t utc_us = -1;
    assert_int_equal(stamp_parse(span_str("1970-01-01 00:00:00.5"), &utc_us), 0);
    assert_int_equal(utc_us, 500000);
    assert_int_equal(stamp_parse(span_str("1970-01-01T00:00:00.012"), &utc_us), 0);
    assert_int_equal(utc_us, 12000);
    assert_int_equal(stamp_parse(span_str("0001-01-01T00:00:00"), &utc_us), 0);
    assert_int_equal(utc_us, -S(62135596800));
}

static void what_is_no_stamp_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "yesterday",
        "2026-11-21",
        "2026-11-21T01:00",
        "2026-11-21T01:00:00Z",
        "2026-11-21T01:00:00+00:00",
        "2026-11-21T01:00:00.",
        "2026-11-21T01:00:00.1234567",
        "2026-11-21T01:00:00.12345x",
        "2026-11-21T24:00:00",
        "2026-11-21T01:60:00",
        "2026-11-21T01:00:60",
        "2026-02-29T00:00:00",
        "2100-02-29T00:00:00",
        "2026-00-01T00:00:00",
        "2026-13-01T00:00:00",
        "2026-11-00T00:00:00",
        "2026-11-31T00:00:00",
        "0000-01-01T00:00:00",
        "2026-1-21T01:00:00",
        "+026-11-21T01:00:00",
        " 2026-11-21T01:00:00",
        "2026-11-21T01:00:00 ",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t utc_us = 42;
        assert_int_equal(stamp_parse(span_str(bad[i]), &utc_us), -1);
        assert_int_equal(utc_us, 42);
    }
    int64_t utc_us = 42;
    assert_int_equal(stamp_parse(span_of("2026-11-21\00001:00:00", 19), &utc_us), -1);
    assert_int_equal(utc_us, 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stamps_are_what_python_prints),
        cmocka_unit_test(every_day_comes_back),
        cmocka_unit_test(shorter_fractions_and_a_blank_are_read),
        cmocka_unit_test(what_is_no_stamp_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
