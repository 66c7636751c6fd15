/* When an attempt is over, and who says so (adapters/c/flights.h). Times are the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "adapters/c/flights.h"
#include "proto/buffer.h"
#include "proto/stamp.h"

#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)
#define DAY (86400 * SECOND)
#define NOW (5 * DAY)                      /* monotonic */
#define UTC (INT64_C(1800000000) * SECOND) /* the time of day then */

static int set_up(void **state)
{
    struct flights *flights = memory_zero(1, sizeof *flights);
    flights_init(flights, 4);
    *state = flights;
    return 0;
}

static int tear_down(void **state)
{
    flights_done(*state);
    free(*state);
    return 0;
}

/* A flight that waits, with DELIVERY as its query's. */
static struct flight *add_waiting(struct flights *flights, const char *delivery)
{
    char query[300];
    snprintf(query, sizeof query, "{\"question\":\"?\",\"delivery\":%s}", delivery);
    struct flight *flight = flights_add(flights, span_str("t"), span_str(query), NOW, UTC);
    assert_non_null(flight);
    return flight;
}

/* The same, and it is offered. */
static struct flight *add(struct flights *flights, const char *delivery)
{
    struct flight *flight = add_waiting(flights, delivery);
    flights_offer(flights, flight);
    return flight;
}

/* The same with the deadline AHEAD_US from now. */
static struct flight *add_until(struct flights *flights, int64_t ahead_us)
{
    char stamp[STAMP_SIZE], delivery[100];
    stamp_format(UTC + ahead_us, stamp);
    snprintf(delivery, sizeof delivery, "{\"message_id\":7,\"deadline\":\"%s\"}", stamp);
    return add(flights, delivery);
}

static void deadline_is_when_the_attempt_ends(void **state)
{
    struct flights *flights = *state;
    struct flight *flight = add_until(flights, 90 * SECOND);
    assert_int_equal(flight->id, 7);
    assert_int_equal(flights_due(flights), NOW + 90 * SECOND);
    assert_null(flights_late(flights, NOW + 90 * SECOND - 1));
    assert_ptr_equal(flights_late(flights, NOW + 90 * SECOND), flight);
}

static void end_that_was_told_is_not_told_again(void **state)
{
    struct flights *flights = *state;
    struct flight *flight = add_until(flights, 90 * SECOND);
    flight->told = true;
    assert_null(flights_late(flights, NOW + 2 * DAY));
    assert_null(flights_given_up(flights, NOW + 2 * DAY));
    assert_int_equal(flights_due(flights), INT64_MAX);
}

static void no_more_than_the_slots_are_offered_oldest_first(void **state)
{
    struct flights *flights = *state;
    struct flight *first = add_waiting(flights, "{}"), *second = add_waiting(flights, "{}");
    assert_ptr_equal(flights_waiting(flights, 1), first);
    flights_offer(flights, first);
    assert_null(flights_waiting(flights, 1));
    assert_ptr_equal(flights_waiting(flights, 2), second);
    assert_ptr_equal(flights_unoffered(flights), second);
    flights_remove(flights, first);
    flight_free(&first);
    assert_ptr_equal(flights_waiting(flights, 1), second);
}

static void disconnect_ends_only_what_is_over(void **state)
{
    struct flights *flights = *state;
    struct flight *flight = add_until(flights, 90 * SECOND);
    assert_null(flights_given_up(flights, NOW + 60 * SECOND));
    assert_ptr_equal(flights_given_up(flights, NOW + 90 * SECOND), flight);
    flight->offered = false; /* the program has nothing to do with it */
    assert_null(flights_given_up(flights, NOW + 90 * SECOND));
}

/* The two ends see the deadline at moments that differ a little. */
static void disconnect_a_moment_early_ends_it_too(void **state)
{
    struct flights *flights = *state;
    struct flight *flight = add_until(flights, 90 * SECOND);
    assert_ptr_equal(flights_given_up(flights, NOW + 90 * SECOND - SECOND / 2), flight);
}

static void partial_makes_the_gateway_the_judge(void **state)
{
    struct flights *flights = *state;
    struct flight *flight = add_until(flights, 90 * SECOND);
    flights_extend(flight);
    assert_null(flights_late(flights, NOW + 60 * MINUTE));
    assert_null(flights_given_up(flights, NOW + 60 * SECOND));
    assert_ptr_equal(flights_given_up(flights, NOW + 91 * SECOND), flight);
}

static void deadline_that_cannot_be_believed_leaves_it_to_the_gateway(void **state)
{
    static const char *const odd[] = {"{}",
                                      "{\"deadline\":null}",
                                      "{\"deadline\":12}",
                                      "{\"deadline\":\"\"}",
                                      "{\"deadline\":\"soon\"}",
                                      "{\"deadline\":\"2001-01-01T00:00:00\"}",
                                      "{\"deadline\":\"2027-02-30T00:00:00\"}",
                                      "\"2030-01-01T00:00:00\"",
                                      "null"};
    struct flights *flights = *state;
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        struct flight *flight = add(flights, odd[i]);
        assert_null(flights_given_up(flights, NOW + 29 * MINUTE));
        assert_ptr_equal(flights_given_up(flights, NOW + 30 * MINUTE), flight);
        assert_null(flights_late(flights, NOW + 6 * DAY));
        assert_ptr_equal(flights_late(flights, NOW + 7 * DAY), flight);
        flights_remove(flights, flight);
        flight_free(&flight);
    }
}

static void nothing_is_held_longer_than_a_week(void **state)
{
    struct flights *flights = *state;
    add(flights, "{\"deadline\":\"9999-12-31T23:59:59.999999\"}");
    assert_int_equal(flights_due(flights), NOW + 7 * DAY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(deadline_is_when_the_attempt_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(end_that_was_told_is_not_told_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_more_than_the_slots_are_offered_oldest_first, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(disconnect_ends_only_what_is_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(disconnect_a_moment_early_ends_it_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(partial_makes_the_gateway_the_judge, set_up, tear_down),
        cmocka_unit_test_setup_teardown(deadline_that_cannot_be_believed_leaves_it_to_the_gateway,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_held_longer_than_a_week, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
