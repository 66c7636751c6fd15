/* How long a worker may keep a query, and what it hears meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/script.h"

#define LEASE_OVER "no answer within the lease"
#define ATTEMPT_OVER "the attempt lasted longer than attempt.max"

/* Leases. */

static void the_end_of_its_lease_gives_up_a_worker_with_one_slot(void **state)
{
    (void)state;
    given_settings(.lease_us = 10 * SECOND);
    given_worker("w1");
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    pass_us(10 * SECOND - 1);
    expect_nothing();
    pass_us(1);
    expect_retry(17, 1, LEASE_OVER);
    expect_disconnect("w1");
    expect_left("w1", LEASE_OVER);
    answers("w1", 17, 1); /* late, and the first all the same: D2 */
    expect_answer(17, 1);
}

static void a_worker_with_two_slots_keeps_the_other_one(void **state)
{
    (void)state;
    given_settings(.lease_us = 10 * SECOND);
    given_worker("w1", .slots = 2);
    row_seen(1, "a", "default");
    expect_deliver(1, 1, "w1");
    pass_us(4 * SECOND);
    row_seen(2, "a", "default");
    expect_deliver(2, 1, "w1");
    pass_us(6 * SECOND);
    expect_retry(1, 1, LEASE_OVER);
    assert_int_equal(worker_called("w1")->in_flight, 2); /* it is taken to be busy with 1: F2 */
    row_seen(3, "a", "default");
    expect_nothing();
    pass_us(4 * SECOND);
    expect_retry(2, 1, LEASE_OVER); /* now it works on nothing */
    expect_disconnect("w1");
    expect_left("w1", LEASE_OVER);
}

static void an_answer_frees_the_slot_of_a_lease_that_is_over(void **state)
{
    (void)state;
    given_settings(.lease_us = 10 * SECOND, .backoff_first_us = 100 * SECOND,
                   .backoff_max_us = 100 * SECOND);
    given_worker("w1", .slots = 2);
    row_seen(1, "a", "default");
    expect_deliver(1, 1, "w1");
    pass_us(4 * SECOND);
    row_seen(2, "a", "default");
    expect_deliver(2, 1, "w1");
    pass_us(6 * SECOND);
    expect_retry(1, 1, LEASE_OVER);
    answers("w1", 1, 1);
    expect_answer(1, 1);
    row_seen(3, "a", "default");
    expect_deliver(3, 1, "w1");
}

static void a_partial_renews_the_lease_of_a_worker_that_does_not_beat(void **state)
{
    (void)state;
    given_settings(.lease_us = 10 * SECOND);
    given_worker("w1");
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    for (int i = 0; i < 3; i++) {
        pass_us(9 * SECOND);
        sends_partial("w1", 17, 1);
        expect_nothing();
    }
    pass_us(10 * SECOND - 1);
    expect_nothing();
    pass_us(1);
    expect_retry(17, 1, LEASE_OVER);
    expect_disconnect("w1");
    expect_left("w1", LEASE_OVER);
}

static void partials_carry_an_attempt_beyond_attempt_max_up_to_hard_max(void **state)
{
    static const bool beats_when_busy[] = {true, false};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        given_settings(.lease_us = 30 * SECOND, .attempt_max_us = 40 * SECOND,
                       .attempt_hard_max_us = 100 * SECOND);
        given_worker("w1", .heartbeats = beats_when_busy[i]);
        row_seen(17, "conv_a", "default");
        expect_deliver(17, 1, "w1");
        for (int partial = 0; partial < 4; partial++) {
            pass_us(24 * SECOND);
            sends_partial("w1", 17, 1);
            expect_nothing();
        }
        pass_us(4 * SECOND - 1); /* 96 s of 100: a partial gives no more than what is left */
        expect_nothing();
        pass_us(1);
        expect_retry(17, 1, ATTEMPT_OVER);
        expect_disconnect("w1");
        expect_left("w1", ATTEMPT_OVER);
    }
}

static void a_hard_max_below_attempt_max_is_the_end(void **state)
{
    (void)state;
    given_settings(.attempt_max_us = 50 * SECOND, .attempt_hard_max_us = 20 * SECOND);
    given_worker("w1", .heartbeats = true);
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    assert_true(last_action()->deadline_us == now_us() + 20 * SECOND);
    pass_us(20 * SECOND);
    expect_retry(17, 1, ATTEMPT_OVER);
    expect_disconnect("w1");
    expect_left("w1", ATTEMPT_OVER);
}

static void a_partial_of_somebody_else_renews_nothing(void **state)
{
    (void)state;
    given_settings(.lease_us = 10 * SECOND);
    given_worker("w1");
    given_worker("w2");
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    pass_us(9 * SECOND);
    sends_partial("w2", 17, 1); /* with a valid token */
    expect_refused("past", 17, 1);
    pass_us(SECOND);
    expect_retry(17, 1, LEASE_OVER);
    expect_disconnect("w1");
    expect_left("w1", LEASE_OVER);
}

static void heartbeats_outlast_the_lease_but_not_attempt_max(void **state)
{
    (void)state;
    given_settings(.lease_us = 10 * SECOND, .attempt_max_us = 100 * SECOND);
    given_worker("w1", .heartbeats = true);
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    assert_true(last_action()->deadline_us == now_us() + 100 * SECOND);
    pass_us(100 * SECOND - 1);
    expect_nothing();
    pass_us(1);
    expect_retry(17, 1, ATTEMPT_OVER);
    expect_disconnect("w1");
    expect_left("w1", ATTEMPT_OVER);
}

static void a_partial_does_not_shorten_what_heartbeats_give(void **state)
{
    (void)state;
    given_settings(.lease_us = 10 * SECOND, .attempt_max_us = 100 * SECOND);
    given_worker("w1", .heartbeats = true);
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    sends_partial("w1", 17, 1);
    pass_us(99 * SECOND);
    expect_nothing();
    answers("w1", 17, 1);
    expect_answer(17, 1);
}

static void a_worker_that_beats_and_keeps_one_query_too_long_keeps_its_others(void **state)
{
    (void)state;
    given_settings(.attempt_max_us = 100 * SECOND);
    given_worker("w1", .heartbeats = true, .slots = 2);
    row_seen(1, "a", "default");
    expect_deliver(1, 1, "w1");
    pass_us(50 * SECOND);
    row_seen(2, "a", "default");
    expect_deliver(2, 1, "w1");
    pass_us(50 * SECOND);
    expect_retry(1, 1, ATTEMPT_OVER);
    assert_non_null(worker_called("w1"));
    answers("w1", 2, 1);
    expect_answer(2, 1);
}

static void a_settled_query_that_is_kept_too_long_costs_the_worker_its_place(void **state)
{
    (void)state;
    given_settings(.lease_us = 10 * SECOND);
    given_worker("w1");
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    answers("stranger", 17, 1); /* the token is what counts */
    expect_answer(17, 1);
    committed(17);
    pass_us(10 * SECOND);
    expect_disconnect("w1");
    expect_left("w1", LEASE_OVER);
}

/* Our heartbeats. */

static void an_idle_worker_gets_a_heartbeat_for_each_interval(void **state)
{
    (void)state;
    given_worker("w1");
    pass_us(2500 * MS - 1);
    assert_int_equal(heartbeats_sent("w1"), 0);
    pass_us(1);
    assert_int_equal(heartbeats_sent("w1"), 1);
    pass_us(25 * SECOND);
    assert_int_equal(heartbeats_sent("w1"), 10);
}

static void a_query_takes_the_place_of_a_heartbeat(void **state)
{
    (void)state;
    given_worker("w1");
    for (int64_t id = 1; id <= 20; id++) {
        pass_us(2 * SECOND);
        row_seen(id, "a", "default");
        expect_deliver(id, 1, "w1");
        answers("w1", id, 1);
        expect_answer(id, 1);
    }
    assert_int_equal(heartbeats_sent("w1"), 0);
    pass_us(2500 * MS);
    assert_int_equal(heartbeats_sent("w1"), 1);
}

static void a_busy_worker_gets_heartbeats_too(void **state)
{
    (void)state;
    given_worker("w1", .heartbeats = true);
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    pass_us(25 * SECOND);
    assert_int_equal(heartbeats_sent("w1"), 10);
}

static void a_req_worker_gets_no_heartbeat_and_no_disconnect(void **state)
{
    (void)state;
    given_settings(.lease_us = 10 * SECOND);
    given_worker("req", .protocol = WORKER_REQ);
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "req");
    pass_us(10 * SECOND);
    expect_retry_and_left(17, 1, "req", LEASE_OVER);
    assert_int_equal(heartbeats_sent("req"), 0);
}

static void a_rep_worker_gets_no_heartbeat_and_is_hung_up(void **state)
{
    (void)state;
    given_settings(.lease_us = 10 * SECOND);
    given_worker("rep", .protocol = WORKER_REP);
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "rep");
    pass_us(10 * SECOND);
    expect_retry(17, 1, LEASE_OVER);
    expect_disconnect("rep");
    assert_int_equal(last_action()->protocol, WORKER_REP); /* or it would be sent MDP */
    expect_left("rep", LEASE_OVER);
    assert_int_equal(heartbeats_sent("rep"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        script_test(an_idle_worker_gets_a_heartbeat_for_each_interval),
        script_test(a_query_takes_the_place_of_a_heartbeat),
        script_test(a_busy_worker_gets_heartbeats_too),
        script_test(a_req_worker_gets_no_heartbeat_and_no_disconnect),
        script_test(a_rep_worker_gets_no_heartbeat_and_is_hung_up),
        script_test(the_end_of_its_lease_gives_up_a_worker_with_one_slot),
        script_test(a_worker_with_two_slots_keeps_the_other_one),
        script_test(an_answer_frees_the_slot_of_a_lease_that_is_over),
        script_test(a_partial_renews_the_lease_of_a_worker_that_does_not_beat),
        script_test(partials_carry_an_attempt_beyond_attempt_max_up_to_hard_max),
        script_test(a_hard_max_below_attempt_max_is_the_end),
        script_test(a_partial_of_somebody_else_renews_nothing),
        script_test(heartbeats_outlast_the_lease_but_not_attempt_max),
        script_test(a_partial_does_not_shorten_what_heartbeats_give),
        script_test(a_worker_that_beats_and_keeps_one_query_too_long_keeps_its_others),
        script_test(a_settled_query_that_is_kept_too_long_costs_the_worker_its_place),
    };
    return cmocka_run_group_tests_name("dispatch: leases", tests, NULL, NULL);
}
