/* What the rate limits of sessions promise (http_rate.h), with a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "gateway/http_rate.h"

#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define CONVERSATION span_str("conv_0123456789abcdef")
#define ALICE span_str("alice's token")
#define BOB span_str("bob's token")

static struct http_rate *rate_of(unsigned minute, unsigned hour, unsigned day)
{
    const unsigned limit[RATE_WINDOWS] = {minute, hour, day};

    return http_rate_new(limit, 42);
}

static int64_t take(struct http_rate *rate, int64_t now_us)
{
    return http_rate_take(rate, CONVERSATION, ALICE, now_us);
}

static void the_eleventh_in_a_minute_waits_exactly_until_the_first_is_a_minute_old(void **state)
{
    struct http_rate *rate = rate_of(10, 100, 500);
    (void)state;

    for (int i = 0; i < 10; i++)
        assert_int_equal(take(rate, i * SECOND), 0);
    assert_int_equal(take(rate, 10 * SECOND), 50 * SECOND);
    assert_int_equal(take(rate, MINUTE - 1), 1);
    assert_int_equal(take(rate, MINUTE), 0);
    assert_int_equal(take(rate, MINUTE), SECOND); /* the second one's turn */
    http_rate_destroy(&rate);
    assert_null(rate);
}

static void an_hour_and_a_day_have_limits_of_their_own(void **state)
{
    struct http_rate *rate = rate_of(10, 100, 500);
    int64_t now_us = 0;
    int taken = 0;
    (void)state;

    for (; taken < 100; taken++, now_us += 10 * SECOND)
        assert_int_equal(take(rate, now_us), 0);
    assert_int_equal(take(rate, now_us), HOUR - 100 * 10 * SECOND);
    for (now_us = HOUR; taken < 500; now_us += MINUTE)
        taken += take(rate, now_us) == 0;
    assert_int_equal(take(rate, now_us + MINUTE), DAY - now_us - MINUTE);
    assert_int_equal(take(rate, DAY), 0);
    http_rate_destroy(&rate);
}

static void what_is_refused_is_not_counted(void **state)
{
    struct http_rate *rate = rate_of(1, 0, 0);
    (void)state;

    assert_int_equal(take(rate, 0), 0);
    for (int i = 1; i < 60; i++)
        assert_int_equal(take(rate, i * SECOND), MINUTE - i * SECOND);
    assert_int_equal(take(rate, MINUTE), 0);
    http_rate_destroy(&rate);
}

static void zero_is_no_limit(void **state)
{
    struct http_rate *none = rate_of(0, 0, 0), *day = rate_of(0, 0, 3);
    (void)state;

    for (int i = 0; i < 10000; i++)
        assert_int_equal(take(none, 0), 0);
    assert_int_equal(http_rate_sessions(none), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(take(day, 0), 0);
    assert_int_equal(take(day, HOUR), DAY - HOUR);
    http_rate_destroy(&none);
    http_rate_destroy(&day);
}

static void each_session_of_each_conversation_is_counted_by_itself(void **state)
{
    struct http_rate *rate = rate_of(1, 0, 0);
    (void)state;

    assert_int_equal(take(rate, 0), 0);
    assert_int_equal(http_rate_take(rate, CONVERSATION, BOB, 0), 0);
    assert_int_equal(http_rate_take(rate, span_str("conv_other"), ALICE, 0), 0);
    /* Where one ends and the other begins counts. */
    assert_int_equal(http_rate_take(rate, span_str("ab"), span_str("c"), 0), 0);
    assert_int_equal(http_rate_take(rate, span_str("a"), span_str("bc"), 0), 0);
    assert_int_equal(take(rate, 1), MINUTE - 1);
    assert_int_equal(http_rate_sessions(rate), 5);
    http_rate_destroy(&rate);
}

static void what_is_taken_back_makes_room_at_once(void **state)
{
    struct http_rate *rate = rate_of(3, 0, 0);
    (void)state;

    for (int i = 0; i < 3; i++)
        assert_int_equal(take(rate, i), 0);
    http_rate_return(rate, CONVERSATION, ALICE, 1);
    assert_int_equal(take(rate, 3), 0);
    assert_int_equal(take(rate, 4), MINUTE - 4);     /* the first one still counts */
    http_rate_return(rate, CONVERSATION, ALICE, 77); /* never taken */
    assert_int_equal(take(rate, 5), MINUTE - 5);
    http_rate_destroy(&rate);
}

static void a_session_without_queries_is_not_kept(void **state)
{
    struct http_rate *rate = rate_of(10, 0, 0);
    (void)state;

    assert_int_equal(take(rate, 0), 0);
    http_rate_return(rate, CONVERSATION, ALICE, 0);
    assert_int_equal(http_rate_sessions(rate), 0);
    http_rate_return(rate, CONVERSATION, ALICE, 0);
    http_rate_destroy(&rate);
}

static int64_t take_of(struct http_rate *rate, int number, int64_t now_us)
{
    char token[32];

    snprintf(token, sizeof token, "%d", number);
    return http_rate_take(rate, CONVERSATION, span_str(token), now_us);
}

static void the_least_recently_used_session_goes_when_there_are_too_many(void **state)
{
    struct http_rate *rate = rate_of(1, 0, 0);
    (void)state;

    for (int i = 0; i < RATE_SESSIONS; i++)
        assert_int_equal(take_of(rate, i, i), 0);
    assert_true(take_of(rate, 0, RATE_SESSIONS) > 0); /* used again, by asking */
    assert_int_equal(take_of(rate, RATE_SESSIONS, RATE_SESSIONS), 0);
    assert_int_equal(http_rate_sessions(rate), RATE_SESSIONS);
    assert_true(take_of(rate, 0, RATE_SESSIONS) > 0);
    assert_int_equal(take_of(rate, 1, RATE_SESSIONS), 0); /* it had been forgotten */
    assert_int_equal(http_rate_sessions(rate), RATE_SESSIONS);
    http_rate_destroy(&rate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_eleventh_in_a_minute_waits_exactly_until_the_first_is_a_minute_old),
        cmocka_unit_test(an_hour_and_a_day_have_limits_of_their_own),
        cmocka_unit_test(what_is_refused_is_not_counted),
        cmocka_unit_test(zero_is_no_limit),
        cmocka_unit_test(each_session_of_each_conversation_is_counted_by_itself),
        cmocka_unit_test(what_is_taken_back_makes_room_at_once),
        cmocka_unit_test(a_session_without_queries_is_not_kept),
        cmocka_unit_test(the_least_recently_used_session_goes_when_there_are_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
