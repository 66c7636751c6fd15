/* Every way in which a person says where to begin. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "gateway/watch_since.h"

static int64_t now_us;

static int set_up(void **state)
{
    (void)state;
    setenv("TZ", "CET-1", 1); /* an hour before UTC */
    tzset();
    return stamp_parse(span_str("2026-11-21T13:00:00.5"), &now_us);
}

static void number_is_a_row(void **state)
{
    (void)state;
    struct watch_since since;
    assert_int_equal(watch_since_read("17", now_us, &since), 0);
    assert_int_equal(since.kind, WATCH_SINCE_ID);
    assert_int_equal(since.after, 16);
    assert_int_equal(watch_since_read("0", now_us, &since), 0);
    assert_int_equal(since.after, 0);
}

static void times_are_utc_but_the_clock_is_the_local_one(void **state)
{
    (void)state;
    static const struct {
        const char *word, *stamp;
    } all[] = {
        {"10m", "2026-11-21T12:50:00"},
        {"1.5h", "2026-11-21T11:30:00"},
        {"2d", "2026-11-19T13:00:00"},
        {"90s", "2026-11-21T12:58:30"},
        {"99999d", "1970-01-01T00:00:00"},
        {"2026-11-21T01:00:00", "2026-11-21T01:00:00"},
        {"2026-11-21 01:00:00.25", "2026-11-21T01:00:00.250000"},
        {"2026-11-21T01:00:00Z", "2026-11-21T01:00:00"},
        {"2026-11-21 01:00", "2026-11-21T01:00:00"},
        {"2026-11-21", "2026-11-21T00:00:00"},
        {"1969-11-21", "1970-01-01T00:00:00"},
        {"13:59", "2026-11-21T12:59:00"},
        {"14:00:00", "2026-11-21T13:00:00"},
        {"14:00:01", "2026-11-20T13:00:01"},
        {"0:30", "2026-11-20T23:30:00"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct watch_since since = {0};
        if (watch_since_read(all[i].word, now_us, &since))
            fail_msg("%s is refused", all[i].word);
        assert_int_equal(since.kind, WATCH_SINCE_TIME);
        assert_string_equal(since.stamp, all[i].stamp);
    }
}

static void anything_else_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "now",
                                      "-1",
                                      "+1",
                                      "99999999999999999999",
                                      "1.5",
                                      "10x",
                                      "24:00",
                                      "12:60",
                                      "12:30:60",
                                      "12:30:1x",
                                      "12:",
                                      "12:30 pm",
                                      "2026-13-01",
                                      "1e3d",
                                      "2026-11-21T01:00:00+01:00"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct watch_since since = {.after = 7};
        if (watch_since_read(bad[i], now_us, &since) == 0)
            fail_msg("%s is taken", bad[i]);
        assert_int_equal(since.after, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(number_is_a_row, set_up),
        cmocka_unit_test_setup(times_are_utc_but_the_clock_is_the_local_one, set_up),
        cmocka_unit_test_setup(anything_else_is_refused, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
