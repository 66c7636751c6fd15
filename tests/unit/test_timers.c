/* The heap of instants: what is due first comes first, whatever was armed, moved or disarmed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "gateway/timers.h"

#define COUNT 2000

static int setup(void **state)
{
    static struct timers timers;
    timers_init(&timers);
    *state = &timers;
    return 0;
}

static int teardown(void **state)
{
    timers_done(*state);
    return 0;
}

static void an_empty_heap_is_never_due(void **state)
{
    struct timers *timers = *state;
    assert_true(timers_next(timers) == INT64_MAX);
    assert_null(timers_take(timers, INT64_MAX));
}

static void a_timer_is_due_at_its_instant_and_once(void **state)
{
    struct timers *timers = *state;
    struct timer timer = {.kind = 3};
    timers_arm(timers, &timer, 100);
    assert_true(timers_next(timers) == 100);
    assert_null(timers_take(timers, 99));
    assert_ptr_equal(timers_take(timers, 100), &timer);
    assert_int_equal(timer.place, 0);
    assert_int_equal(timer.kind, 3);
    assert_null(timers_take(timers, 1000));
}

static void an_armed_timer_may_be_moved_either_way(void **state)
{
    struct timers *timers = *state;
    struct timer one = {0}, other = {0};
    timers_arm(timers, &one, 100);
    timers_arm(timers, &other, 200);
    timers_arm(timers, &one, 300);
    assert_true(timers_next(timers) == 200);
    timers_arm(timers, &one, 50);
    assert_true(timers_next(timers) == 50);
    assert_int_equal(timers->count, 2);
    assert_ptr_equal(timers_take(timers, 1000), &one);
    assert_ptr_equal(timers_take(timers, 1000), &other);
}

static void disarming_what_is_not_armed_is_harmless(void **state)
{
    struct timers *timers = *state;
    struct timer timer = {0}, other = {0};
    timers_disarm(timers, &timer);
    timers_arm(timers, &other, 5);
    timers_arm(timers, &timer, 1);
    timers_disarm(timers, &timer);
    timers_disarm(timers, &timer);
    assert_true(timers_next(timers) == 5);
    timers_disarm(timers, &other);
    assert_true(timers_next(timers) == INT64_MAX);
}

static void timers_of_one_instant_are_all_given_out(void **state)
{
    struct timers *timers = *state;
    struct timer timer[50] = {{0}};
    for (size_t i = 0; i < 50; i++)
        timers_arm(timers, &timer[i], 7);
    for (size_t i = 0; i < 50; i++)
        assert_non_null(timers_take(timers, 7));
    assert_null(timers_take(timers, 7));
}

static uint64_t next_random(uint64_t *random)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return *random >> 33;
}

/* Takes everything out; returns how many there were. Each must have been armed, and none may come
 * before its predecessor. */
static size_t take_all_in_order(struct timers *timers, const struct timer *first)
{
    int64_t last_us = INT64_MIN;
    struct timer *timer;
    size_t count = 0;

    while ((timer = timers_take(timers, INT64_MAX))) {
        assert_true(timer >= first && timer < first + COUNT);
        assert_true(timer->due_us >= last_us);
        last_us = timer->due_us;
        count++;
    }
    return count;
}

static void order_survives_any_arming_moving_and_disarming(void **state)
{
    static struct timer timer[COUNT];
    struct timers *timers = *state;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        uint64_t random = seed;
        size_t armed = 0;
        memset(timer, 0, sizeof timer);
        for (int i = 0; i < 3 * COUNT; i++) {
            struct timer *one = &timer[next_random(&random) % COUNT];
            if (next_random(&random) % 4 == 0)
                timers_disarm(timers, one);
            else
                timers_arm(timers, one, (int64_t)(next_random(&random) % 500));
        }
        for (size_t i = 0; i < COUNT; i++)
            armed += timer[i].place != 0;
        assert_int_equal(take_all_in_order(timers, timer), armed);
    }
}

#define timers_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        timers_test(an_empty_heap_is_never_due),
        timers_test(a_timer_is_due_at_its_instant_and_once),
        timers_test(an_armed_timer_may_be_moved_either_way),
        timers_test(disarming_what_is_not_armed_is_harmless),
        timers_test(timers_of_one_instant_are_all_given_out),
        timers_test(order_survives_any_arming_moving_and_disarming),
    };
    return cmocka_run_group_tests_name("timers", tests, NULL, NULL);
}
