/* How long the committer holds the write lock, and leaves it alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/pace.h"

static void a_group_is_bounded_by_what_its_jobs_have_taken(void **state)
{
    (void)state;
    struct pace pace = {0};
    assert_int_equal(pace_group(&pace, 1000), 1000);
    pace_wrote(&pace, 5000, 1000);
    assert_int_equal(pace_group(&pace, 1000), 1000);
    assert_int_equal(pace_group(&pace, 10), 10);
    for (int i = 0; i < 50; i++)
        pace_wrote(&pace, 20000, 1000); /* 20 us each */
    assert_in_range(pace_group(&pace, 1000), 290, 310);
    for (int i = 0; i < 50; i++)
        pace_wrote(&pace, 5000, 1000);
    assert_int_equal(pace_group(&pace, 1000), 1000);
}

static void jobs_that_take_for_ever_still_come_in_groups(void **state)
{
    (void)state;
    struct pace pace = {0};
    pace_wrote(&pace, 10000000, 1);
    assert_int_equal(pace_group(&pace, 1000), PACE_LEAST);
    assert_int_equal(pace_group(&pace, 1), 1);
}

static void one_group_that_stood_still_does_not_make_the_next_one_tiny(void **state)
{
    (void)state;
    struct pace pace = {0};
    for (int i = 0; i < 50; i++)
        pace_wrote(&pace, 5000, 1000);
    pace_wrote(&pace, 25000, 1000);
    assert_in_range(pace_group(&pace, 1000), 500, 1000);
}

static void the_rest_is_what_the_duty_leaves(void **state)
{
    (void)state;
    const struct pace pace = {0};
    assert_int_equal(pace_rest_us(&pace, 1, 1000, 100), 0);
    assert_int_equal(pace_rest_us(&pace, 1, 1000, 50), 1000);
    assert_int_equal(pace_rest_us(&pace, 1, 1000, 25), 3000);
    assert_int_equal(pace_rest_us(&pace, 1, 1000, 1), 99000);
}

static void it_is_twice_as_long_while_somebody_else_writes(void **state)
{
    (void)state;
    struct pace pace = {0};
    pace_guest(&pace, 5000);
    assert_int_equal(pace_rest_us(&pace, 5000, 1000, 50), 2000);
    assert_int_equal(pace_rest_us(&pace, 4999 + PACE_GUEST_US, 1000, 50), 2000);
    assert_int_equal(pace_rest_us(&pace, 5000 + PACE_GUEST_US, 1000, 50), 1000);
}

/* A writer that comes at any time of the lock's turns, and sleeps as SQLite's busy handler does:
 * the share of those that have it after UNTIL_US. */
static double served(const struct pace *pace, int64_t held_us, int64_t until_us)
{
    static const int64_t sleep_us[] = {1000, 2000, 5000, 10000, 15000, 20000, 25000};
    const int64_t turn_us = held_us + pace_rest_us(pace, 1, held_us, 50);
    int64_t in_time = 0, seed = 1;

    for (int i = 0; i < 100000; i++) {
        int64_t at_us = 0;
        for (int tries = 0;; tries++) {
            /* where in its turn the lock is then is as good as chance */
            seed = (seed * INT64_C(1103515245) + 12345) & 0x7fffffff;
            if ((seed >> 8) % turn_us >= held_us || tries == 7)
                break;
            at_us += sleep_us[tries];
        }
        in_time += at_us <= until_us;
    }
    return (double)in_time / 100000;
}

static void a_writer_has_the_lock_within_50_ms_99_times_in_a_hundred(void **state)
{
    (void)state;
    const struct pace alone = {0}, guests = {.guest_us = 1};
    assert_true(served(&guests, 8000, 50000) > 0.99);
    assert_false(served(&alone, 8000, 50000) > 0.99);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_is_bounded_by_what_its_jobs_have_taken),
        cmocka_unit_test(jobs_that_take_for_ever_still_come_in_groups),
        cmocka_unit_test(one_group_that_stood_still_does_not_make_the_next_one_tiny),
        cmocka_unit_test(the_rest_is_what_the_duty_leaves),
        cmocka_unit_test(it_is_twice_as_long_while_somebody_else_writes),
        cmocka_unit_test(a_writer_has_the_lock_within_50_ms_99_times_in_a_hundred),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
