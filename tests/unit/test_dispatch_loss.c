/* Workers that leave, fall silent or cannot be reached: D4 of dispatch.h, W2 and W3 of workers.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/script.h"

/* Leaving. */

static void a_worker_that_leaves_idle_costs_nothing(void **state)
{
    (void)state;
    given_worker("w1");
    says_disconnect("w1");
    expect_left("w1", "it said DISCONNECT");
    assert_null(worker_called("w1"));
    row_seen(17, "conv_a", "default");
    expect_nothing();
}

static void leaving_with_work_costs_an_attempt(void **state)
{
    (void)state;
    given_worker("w1");
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    says_disconnect("w1");
    expect_retry_and_left(17, 1, "w1", "it said DISCONNECT");
    given_worker("w2");
    expect_nothing();
    pass_us(2 * SECOND);
    expect_deliver(17, 2, "w2");
}

static void leaving_on_the_last_attempt_makes_the_query_dead(void **state)
{
    (void)state;
    given_settings(.attempts = 1);
    given_worker("w1");
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    says_disconnect("w1");
    expect_dead(17, 1, "it said DISCONNECT");
    expect_left("w1", "it said DISCONNECT");
}

static void ready_again_is_a_fresh_registration_that_fails_what_was_in_flight(void **state)
{
    (void)state;
    given_worker("w1");
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    row_seen(18, "conv_b", "chess");
    worker_says_ready("w1", .service = "chess");
    expect_retry_and_left(17, 1, "w1", "registered again");
    expect_joined("w1");
    expect_deliver(18, 1, "w1");
    assert_string_equal(worker_service(worker_called("w1")), "chess");
}

static void strangers_that_beat_or_leave_are_nothing_to_the_core(void **state)
{
    (void)state;
    beats("stranger");
    expect_nothing();
    says_disconnect("stranger");
    expect_nothing();
}

static void every_query_of_a_lost_worker_is_tried_again(void **state)
{
    (void)state;
    given_worker("w1", .slots = 3);
    for (int64_t id = 1; id <= 3; id++) {
        row_seen(id, "a", "default");
        expect_deliver(id, 1, "w1");
    }
    says_disconnect("w1");
    for (int i = 0; i < 3; i++)
        assert_int_equal(any_action()->kind, ACTION_RETRY);
    expect_left("w1", "it said DISCONNECT");
    assert_int_equal(dispatch_backing_off(core()), 3);
    assert_int_equal(dispatch_outstanding(core()), 0);
}

/* Silence. */

static void an_idle_worker_is_given_up_after_three_missed_beats(void **state)
{
    (void)state;
    given_worker("w1");
    falls_silent("w1");
    pass_us(7500 * MS - 1);
    expect_nothing();
    pass_us(1);
    expect_disconnect("w1");
    expect_left("w1", "no heartbeat");
    assert_null(worker_called("w1"));
}

static void its_own_interval_counts_for_a_worker_that_named_one(void **state)
{
    (void)state;
    given_worker("slow", .interval_ms = 10000);
    given_worker("quick", .interval_ms = 100);
    falls_silent("slow");
    falls_silent("quick");
    pass_us(300 * MS - 1);
    expect_nothing();
    pass_us(1);
    expect_disconnect("quick");
    expect_left("quick", "no heartbeat");
    pass_us(29700 * MS - 1);
    expect_nothing();
    pass_us(1);
    expect_disconnect("slow");
    expect_left("slow", "no heartbeat");
}

static void a_beating_worker_stays(void **state)
{
    (void)state;
    given_worker("w1");
    pass_us(86400 * SECOND);
    expect_nothing();
    assert_non_null(worker_called("w1"));
}

static void a_busy_worker_that_promised_to_beat_is_given_up_when_silent(void **state)
{
    (void)state;
    given_worker("w1", .heartbeats = true);
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    falls_silent("w1");
    pass_us(7500 * MS);
    expect_retry(17, 1, "no heartbeat");
    expect_disconnect("w1");
    expect_left("w1", "no heartbeat");
}

static void a_busy_worker_that_did_not_promise_has_its_lease(void **state)
{
    (void)state;
    given_worker("w1");
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    falls_silent("w1");
    pass_us(600 * SECOND - 1);
    expect_nothing();
    answers("w1", 17, 1);
    expect_answer(17, 1);
    pass_us(7500 * MS - 1); /* idle again, and still silent */
    expect_nothing();
    pass_us(1);
    expect_disconnect("w1");
    expect_left("w1", "no heartbeat");
}

static void a_req_worker_is_never_missed_for_silence(void **state)
{
    (void)state;
    given_worker("req", .protocol = WORKER_REQ);
    pass_us(86400 * SECOND);
    expect_nothing();
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "req");
}

static void whatever_a_worker_says_is_a_sign_of_life(void **state)
{
    (void)state;
    given_worker("w1", .heartbeats = true);
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    falls_silent("w1");
    pass_us(7 * SECOND);
    sends_partial("w1", 17, 1);
    pass_us(7 * SECOND);
    answers_with_forged_token("w1", 17, 9);
    expect_refused("forged", 17, 9);
    pass_us(7 * SECOND);
    answers("w1", 17, 1);
    expect_answer(17, 1);
    pass_us(7500 * MS - 1);
    expect_nothing();
    pass_us(1);
    expect_disconnect("w1");
    expect_left("w1", "no heartbeat");
}

/* Connections. */

static void a_closed_connection_gives_the_worker_up_and_costs_the_query_nothing(void **state)
{
    (void)state;
    given_worker("w1");
    given_worker("w2");
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    undeliverable(17, 1, UNDELIVERABLE_PEER_GONE);
    expect_left("w1", "its connection is closed");
    expect_deliver(17, 1, "w2");
}

static void a_closed_connection_fails_what_the_worker_had_before(void **state)
{
    (void)state;
    given_worker("w1", .slots = 2);
    row_seen(1, "a", "default");
    expect_deliver(1, 1, "w1");
    row_seen(2, "a", "default");
    expect_deliver(2, 1, "w1");
    undeliverable(2, 1, UNDELIVERABLE_PEER_GONE);
    expect_retry_and_left(1, 1, "w1", "its connection is closed");
    given_worker("w2");
    expect_deliver(2, 1, "w2");
}

static void what_never_came_to_a_lost_worker_costs_nothing(void **state)
{
    (void)state;
    row_seen(1, "a", "default");
    row_seen(2, "a", "default");
    given_worker("w1", .slots = 2);
    expect_deliver(1, 1, "w1");
    undeliverable(1, 1, UNDELIVERABLE_PEER_GONE);
    expect_deliver(2, 1, "w1"); /* had been decided before */
    undeliverable(2, 1, UNDELIVERABLE_PEER_GONE);
    expect_left("w1", "its connection is closed");
    expect_nothing();
    given_worker("w2", .slots = 2);
    expect_deliver(1, 1, "w2");
    expect_deliver(2, 1, "w2");
}

static void what_comes_back_late_does_not_touch_the_next_workers_lease(void **state)
{
    (void)state;
    given_worker("w1", .slots = 2);
    given_worker("w2", .service = "*", .slots = 2);
    row_seen(1, "a", "default");
    expect_deliver(1, 1, "w1");
    undeliverable(1, 1, UNDELIVERABLE_BUSY);
    row_seen(2, "a", "default"); /* nothing is delivered during the pause */
    pass_us(10 * MS);
    expect_deliver(1, 1, "w1");
    undeliverable(1, 1, UNDELIVERABLE_PEER_GONE); /* both go to w2 */
    expect_deliver(2, 1, "w1");                   /* had been decided before */
    undeliverable(2, 1, UNDELIVERABLE_PEER_GONE);
    expect_left("w1", "its connection is closed");
    expect_deliver(1, 1, "w2");
    expect_deliver(2, 1, "w2");
    answers("w2", 2, 1);
    expect_answer(2, 1);
}

static void a_full_worker_gets_nothing_until_it_is_heard(void **state)
{
    (void)state;
    given_worker("w1", .slots = 2);
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    undeliverable(17, 1, UNDELIVERABLE_PEER_FULL);
    expect_nothing();
    row_seen(18, "conv_b", "default");
    expect_nothing();
    beats("w1");
    expect_deliver(17, 1, "w1");
    expect_deliver(18, 1, "w1");
}

static void a_full_worker_whose_leases_are_all_over_is_given_up(void **state)
{
    (void)state;
    given_settings(.lease_us = 10 * SECOND, .attempt_max_us = 100 * SECOND);
    given_worker("w1", .slots = 3);
    row_seen(1, "a", "default");
    expect_deliver(1, 1, "w1");
    pass_us(6 * SECOND);
    row_seen(2, "b", "default");
    expect_deliver(2, 1, "w1");
    pass_us(4 * SECOND);
    expect_retry(1, 1, "no answer within the lease"); /* it still works on 2 */
    answers("w1", 2, 1);
    expect_answer(2, 1);
    row_seen(3, "c", "default");
    expect_deliver(3, 1, "w1");
    undeliverable(3, 1, UNDELIVERABLE_PEER_FULL); /* no timer would ever look at it again */
    expect_disconnect("w1");
    expect_left("w1", "its queue is full and its leases are over");
}

static void what_comes_back_unsent_goes_to_whoever_is_free(void **state)
{
    (void)state;
    given_worker("w1", .service = "*", .slots = 2);
    given_worker("w2", .service = "poems");
    row_seen(10, "a", "poems");
    expect_deliver(10, 1, "w2");
    undeliverable(10, 1, UNDELIVERABLE_BUSY);
    row_seen(1, "b", "chess"); /* nothing is delivered during the pause */
    row_seen(2, "c", "poems");
    pass_us(10 * MS);
    expect_deliver(10, 1, "w2");
    undeliverable(10, 1, UNDELIVERABLE_ENDED); /* w2 is free */
    expect_deliver(1, 1, "w1");
    undeliverable(1, 1, UNDELIVERABLE_PEER_GONE); /* and so is 2, of another service than 1 */
    expect_deliver(2, 1, "w1");                   /* had been decided before */
    undeliverable(2, 1, UNDELIVERABLE_PEER_GONE);
    expect_left("w1", "its connection is closed");
    expect_deliver(2, 1, "w2");
}

static void what_a_full_worker_could_not_take_another_does(void **state)
{
    (void)state;
    given_worker("w1");
    given_worker("w2");
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    undeliverable(17, 1, UNDELIVERABLE_PEER_FULL);
    expect_deliver(17, 1, "w2");
    row_seen(18, "conv_a", "default");
    expect_nothing();
}

static void a_row_that_ended_meanwhile_is_forgotten(void **state)
{
    (void)state;
    given_worker("w1");
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    row_seen(18, "conv_a", "default");
    undeliverable(17, 1, UNDELIVERABLE_ENDED);
    expect_deliver(18, 1, "w1");
    assert_int_equal(dispatch_outstanding(core()), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        script_test(a_worker_that_leaves_idle_costs_nothing),
        script_test(leaving_with_work_costs_an_attempt),
        script_test(leaving_on_the_last_attempt_makes_the_query_dead),
        script_test(ready_again_is_a_fresh_registration_that_fails_what_was_in_flight),
        script_test(strangers_that_beat_or_leave_are_nothing_to_the_core),
        script_test(every_query_of_a_lost_worker_is_tried_again),
        script_test(an_idle_worker_is_given_up_after_three_missed_beats),
        script_test(its_own_interval_counts_for_a_worker_that_named_one),
        script_test(a_beating_worker_stays),
        script_test(a_busy_worker_that_promised_to_beat_is_given_up_when_silent),
        script_test(a_busy_worker_that_did_not_promise_has_its_lease),
        script_test(a_req_worker_is_never_missed_for_silence),
        script_test(whatever_a_worker_says_is_a_sign_of_life),
        script_test(a_closed_connection_gives_the_worker_up_and_costs_the_query_nothing),
        script_test(a_closed_connection_fails_what_the_worker_had_before),
        script_test(what_never_came_to_a_lost_worker_costs_nothing),
        script_test(what_comes_back_late_does_not_touch_the_next_workers_lease),
        script_test(a_full_worker_gets_nothing_until_it_is_heard),
        script_test(a_full_worker_whose_leases_are_all_over_is_given_up),
        script_test(what_comes_back_unsent_goes_to_whoever_is_free),
        script_test(what_a_full_worker_could_not_take_another_does),
        script_test(a_row_that_ended_meanwhile_is_forgotten),
    };
    return cmocka_run_group_tests_name("dispatch: loss", tests, NULL, NULL);
}
