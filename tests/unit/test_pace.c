/* How long the committer holds the write lock, and leaves it alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/pace.h"

#define MOST 100000

/* Many groups of 1000 jobs that took so long. */
static void wrote(struct pace *pace, int64_t wrote_us, int64_t commit_us)
{
    for (int i = 0; i < 50; i++)
        pace_wrote(pace, 1000, wrote_us, commit_us);
}

static void a_group_is_bounded_by_what_its_jobs_have_taken(void **state)
{
    (void)state;
    struct pace pace = {0};
    assert_int_equal(pace_group(&pace, 1, 1000), 1000);
    pace_wrote(&pace, 1000, 5000, 0);
    assert_int_equal(pace_group(&pace, 1, 1000), 1000);
    assert_int_equal(pace_group(&pace, 1, 10), 10);
    wrote(&pace, 20000, 0); /* 20 us each */
    assert_in_range(pace_group(&pace, 1, MOST), 290, 310);
    wrote(&pace, 5000, 0);
    assert_in_range(pace_group(&pace, 1, MOST), 1160, 1240);
}

static void the_first_group_is_not_as_large_as_may_be(void **state)
{
    (void)state;
    const struct pace pace = {0};
    assert_in_range(pace_group(&pace, 1, MOST), PACE_LEAST, 2000);
}

static void jobs_that_take_for_ever_still_come_in_groups(void **state)
{
    (void)state;
    struct pace pace = {0};
    pace_wrote(&pace, 1, 10000000, 0);
    assert_int_equal(pace_group(&pace, 1, 1000), PACE_LEAST);
    assert_int_equal(pace_group(&pace, 1, 1), 1);
}

static void one_group_that_stood_still_does_not_make_the_next_one_tiny(void **state)
{
    (void)state;
    struct pace pace = {0};
    wrote(&pace, 5000, 0);
    pace_wrote(&pace, 1000, 25000, 0);
    assert_in_range(pace_group(&pace, 1, 1000), 500, 1000);
}

static void lone_jobs_do_not_hide_what_many_take(void **state)
{
    (void)state;
    struct pace pace = {0};
    for (int i = 0; i < 50; i++)
        pace_wrote(&pace, 1, 200, 0); /* what is the same for one and for many, above all */
    assert_in_range(pace_group(&pace, 1, MOST), 28, 32);
    pace_wrote(&pace, 30, 500, 0);
    pace_wrote(&pace, 200, 2200, 0);
    assert_in_range(pace_group(&pace, 1, MOST), 400, 600);
}

static void writing_lasts_as_long_as_a_slow_commit(void **state)
{
    (void)state;
    struct pace pace = {0};
    wrote(&pace, 10000, 5000); /* 10 us each */
    assert_in_range(pace_group(&pace, 1, MOST), 590, 610);
    wrote(&pace, 10000, 20000);
    assert_in_range(pace_group(&pace, 1, MOST), 1950, 2050);
    assert_int_equal(pace_group(&pace, 1, 1000), 1000);
    wrote(&pace, 10000, 5000);
    assert_in_range(pace_group(&pace, 1, MOST), 590, 610);
}

static void one_commit_that_stood_still_does_not_make_the_next_group_huge(void **state)
{
    (void)state;
    struct pace pace = {0};
    wrote(&pace, 10000, 6000);
    pace_wrote(&pace, 1000, 10000, 3000000);
    assert_in_range(pace_group(&pace, 1, MOST), 600, 800);
}

static void no_commit_is_so_slow_that_writing_lasts_for_ever(void **state)
{
    (void)state;
    struct pace pace = {0};
    wrote(&pace, 10000, 1000000);
    assert_in_range(pace_group(&pace, 1, MOST), PACE_WRITE_MOST_US / 10 - 100,
                    PACE_WRITE_MOST_US / 10 + 100);
}

static void groups_are_small_while_somebody_else_writes(void **state)
{
    (void)state;
    struct pace pace = {0};
    wrote(&pace, 10000, 100);
    pace_guest(&pace, 5000);
    assert_in_range(pace_group(&pace, 5000, MOST), 48, 52);
    assert_in_range(pace_group(&pace, 4999 + PACE_GUEST_US, MOST), 48, 52);
    assert_in_range(pace_group(&pace, 5000 + PACE_GUEST_US, MOST), 590, 610);
    wrote(&pace, 10000, 20000); /* a slow disk is slow for them, too */
    assert_in_range(pace_group(&pace, 5000, MOST), 1950, 2050);
}

static void the_rest_is_what_the_duty_leaves(void **state)
{
    (void)state;
    const struct pace pace = {0};
    assert_int_equal(pace_rest_us(&pace, 1, 1000, 9, 100), 0);
    assert_int_equal(pace_rest_us(&pace, 1, 1000, 9, 50), 1000);
    assert_int_equal(pace_rest_us(&pace, 1, 1000, 9, 25), 3000);
    assert_int_equal(pace_rest_us(&pace, 1, 1000, 9, 1), 99000);
    assert_int_equal(pace_rest_us(&pace, 1, 1000, 1, 50), 1000);
}

static void it_is_longer_while_somebody_else_writes(void **state)
{
    (void)state;
    struct pace pace = {0};
    pace_guest(&pace, 5000);
    assert_int_equal(pace_rest_us(&pace, 5000, 1000, 2, 50), PACE_GUEST_REST * 1000);
    assert_int_equal(pace_rest_us(&pace, 5000, 1000, 0, 50), PACE_GUEST_REST * 1000);
    assert_int_equal(pace_rest_us(&pace, 4999 + PACE_GUEST_US, 1000, 2, 50),
                     PACE_GUEST_REST * 1000);
    assert_int_equal(pace_rest_us(&pace, 5000 + PACE_GUEST_US, 1000, 2, 50), 1000);
}

static void after_a_lone_reply_the_next_one_waits_less(void **state)
{
    (void)state;
    struct pace pace = {0};
    pace_guest(&pace, 5000);
    assert_int_equal(pace_rest_us(&pace, 5000, 1000, 1, 50), PACE_LONE_REST * 1000);
    assert_true(PACE_LONE_REST < PACE_GUEST_REST);
}

#define WRITERS 200000
/* Of the time that we leave the lock alone, one part in so many is other guests'. */
#define OTHERS 10

/* 0 to BELOW - 1. */
static int64_t chance(int64_t *seed, int64_t below)
{
    *seed = (*seed * INT64_C(1103515245) + 12345) & 0x7fffffff;
    return (*seed >> 8) % below;
}

/* For how long somebody who comes now finds the lock held: by us, at any time of a hold; by another
 * guest, who is done before the next try; or not at all (0). */
static int64_t met(int64_t *seed, int64_t held_us, int64_t rest_us)
{
    int64_t at_us = chance(seed, held_us + rest_us);

    if (at_us < held_us)
        return held_us - at_us;
    return chance(seed, OTHERS) == 0;
}

/* The share of the writers that have the lock after UNTIL_US, sleeping as SQLite's busy handler
 * does. Where they meet the next hold is as good as chance. */
static double served(const struct pace *pace, int64_t held_us, int64_t until_us)
{
    static const int64_t sleep_us[] = {1000, 2000, 5000, 10000, 15000, 20000, 25000};
    const int64_t rest_us = pace_rest_us(pace, 1, held_us, 99, 50);
    int64_t in_time = 0, seed = 1;

    for (int i = 0; i < WRITERS; i++) {
        int64_t at_us = 0, free_us = 0;
        for (int tries = 0; tries < 7; tries++) {
            if (at_us >= free_us)
                free_us = at_us + met(&seed, held_us, rest_us);
            if (at_us == free_us)
                break;
            at_us += sleep_us[tries];
        }
        in_time += at_us <= until_us;
    }
    return (double)in_time / WRITERS;
}

/* Of a job that takes 10 us, and commits of half a millisecond. */
static int64_t held_us(const struct pace *pace)
{
    return (int64_t)pace_group(pace, 1, MOST) * 10 + 500;
}

static void a_writer_has_the_lock_within_8_ms_99_times_in_a_hundred(void **state)
{
    (void)state;
    struct pace pace = {0};
    double alone;
    wrote(&pace, 10000, 500);
    alone = served(&pace, held_us(&pace), 8000);
    pace_guest(&pace, 1);
    assert_true(served(&pace, held_us(&pace), 8000) > 0.99);
    assert_true(alone < 0.9);
    assert_true(served(&pace, 6500, 8000) < 0.99); /* with holds as long as if nobody wrote */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_is_bounded_by_what_its_jobs_have_taken),
        cmocka_unit_test(the_first_group_is_not_as_large_as_may_be),
        cmocka_unit_test(jobs_that_take_for_ever_still_come_in_groups),
        cmocka_unit_test(one_group_that_stood_still_does_not_make_the_next_one_tiny),
        cmocka_unit_test(lone_jobs_do_not_hide_what_many_take),
        cmocka_unit_test(writing_lasts_as_long_as_a_slow_commit),
        cmocka_unit_test(one_commit_that_stood_still_does_not_make_the_next_group_huge),
        cmocka_unit_test(no_commit_is_so_slow_that_writing_lasts_for_ever),
        cmocka_unit_test(groups_are_small_while_somebody_else_writes),
        cmocka_unit_test(the_rest_is_what_the_duty_leaves),
        cmocka_unit_test(it_is_longer_while_somebody_else_writes),
        cmocka_unit_test(after_a_lone_reply_the_next_one_waits_less),
        cmocka_unit_test(a_writer_has_the_lock_within_8_ms_99_times_in_a_hundred),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
