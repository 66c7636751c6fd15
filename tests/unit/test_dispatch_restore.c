/* What was in a worker's hands, or paused, when the last run stopped: D8 of dispatch.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/script.h"

#define STOPPED "the gateway stopped, and its worker did not come back"
#define PID 4321

/* Query 17 was in the hands of "w1" for its first attempt, and nobody else gets it for 10 s. */
static void given_a_held_query(void)
{
    row_exists(17, "conv_a", "default");
    given_restored(17, .leased = true, .for_us = 10 * SECOND, .pid = PID);
    assert_int_equal(dispatch_held(core()), 1);
    assert_true(dispatch_holds(core(), 17));
    assert_int_equal(dispatch_where(core(), 17, NULL), PLACE_WAITS);
}

/* Held. */

static void what_was_leased_is_given_to_nobody_else_before_its_time(void **state)
{
    (void)state;
    given_a_held_query();
    given_worker("w2");
    pass_us(10 * SECOND - 1);
    expect_nothing();
    row_seen(18, "conv_a", "default");
    expect_deliver(18, 1, "w2"); /* it holds up nobody */
    answers("w2", 18, 1);
    expect_answer(18, 1);
    pass_us(1);
    expect_retry(17, 1, STOPPED);
    assert_string_equal(last_action()->worker, "w1");
    assert_int_equal(last_action()->failed, 1);
    assert_int_equal(dispatch_held(core()), 0);
    pass_us(2 * SECOND);
    expect_deliver(17, 2, "w2");
}

static void the_tail_changes_nothing_about_what_was_restored(void **state)
{
    (void)state;
    given_worker("w2");
    given_a_held_query();
    row_seen(17, "conv_a", "default");
    expect_nothing();
    row_exists(18, "conv_a", "default");
    given_restored(18, .failed = 1, .for_us = 20 * SECOND);
    row_seen(18, "conv_a", "default");
    expect_nothing();
    assert_int_equal(pending_backlog(dispatch_pending(core())), 0);
}

static void what_is_restored_twice_counts_once(void **state)
{
    (void)state;
    given_a_held_query();
    given_restored(17, .failed = 3);
    assert_int_equal(flights(), 1);
    assert_int_equal(dispatch_held(core()), 1);
    row_seen(18, "conv_a", "default");
    given_restored(18, .leased = true, .for_us = SECOND); /* it waits already */
    given_worker("w1");
    expect_deliver(18, 1, "w1");
}

static void an_answer_of_the_worker_that_had_it_wins(void **state)
{
    (void)state;
    given_a_held_query();
    answers("stranger", 17, 1);
    expect_answer(17, 1);
    assert_string_equal(last_action()->worker, "w1");
    assert_int_equal(dispatch_held(core()), 0);
    committed(17);
    pass_us(100 * SECOND);
    expect_nothing();
    assert_int_equal(flights(), 0);
}

static void word_that_its_worker_is_gone_releases_it(void **state)
{
    (void)state;
    given_a_held_query();
    released(17, "process 4321 is gone");
    expect_retry(17, 1, "process 4321 is gone");
    released(17, "process 4321 is gone"); /* it is not held any more */
    released(99, "never heard of");
    expect_nothing();
    given_worker("w2");
    pass_us(2 * SECOND);
    expect_deliver(17, 2, "w2");
}

static void its_worker_registering_without_it_releases_it(void **state)
{
    (void)state;
    given_a_held_query();
    worker_says_ready("w1", .pid = PID, .heartbeats = true);
    expect_joined("w1");
    expect_retry(17, 1, "its worker came back without it");
    pass_us(2 * SECOND);
    expect_deliver(17, 2, "w1");
}

static void somebody_else_registering_releases_nothing(void **state)
{
    (void)state;
    given_a_held_query();
    given_worker("w1", .pid = PID + 1, .heartbeats = true); /* the name alone proves nothing, */
    given_worker("w2", .pid = PID, .heartbeats = true);     /*   nor does the process alone */
    says_disconnect("w1");
    expect_left("w1", "it said DISCONNECT");
    given_worker("w1", .heartbeats = true); /* of no known process */
    says_disconnect("w1");
    expect_left("w1", "it said DISCONNECT");
    given_worker("w1", .pid = PID); /* a stock worker: it cannot say what it holds */
    assert_true(dispatch_holds(core(), 17));
}

static void a_process_that_is_not_known_is_nobodys(void **state)
{
    (void)state;
    row_exists(17, "conv_a", "default");
    given_restored(17, .leased = true, .for_us = 10 * SECOND);
    given_worker("w1", .heartbeats = true);
    assert_true(dispatch_holds(core(), 17));
}

static void a_partial_of_an_unknown_peer_prolongs_the_waiting(void **state)
{
    (void)state;
    given_settings(.grace_us = 3 * SECOND);
    given_a_held_query();
    pass_us(5 * SECOND);
    sends_partial("stranger", 17, 1); /* 10 s are more than now and 3 s */
    pass_us(5 * SECOND - 1);
    sends_partial("stranger", 17, 1);
    pass_us(3 * SECOND - 1);
    expect_nothing();
    sends_partial("stranger", 17, 1);
    pass_us(3 * SECOND - 1);
    expect_nothing();
    pass_us(1);
    expect_retry(17, 1, STOPPED);
}

static void only_a_valid_partial_of_that_attempt_prolongs(void **state)
{
    (void)state;
    row_exists(17, "conv_a", "default");
    given_restored(17, .leased = true, .attempt = 2, .for_us = SECOND);
    sends_partial("stranger", 17, 1);
    expect_refused("past", 17, 1);
    sends_partial("stranger", 17, 3);
    expect_refused("past", 17, 3);
    row_deleted(17);
    sends_partial("stranger", 17, 2);
    expect_refused("forged", 17, 2);
    pass_us(SECOND);
    expect_retry(17, 2, STOPPED);
}

static void partials_prolong_the_waiting_no_further_than_an_attempt_may_last(void **state)
{
    (void)state;
    given_settings(.attempt_hard_max_us = 60 * SECOND);
    given_a_held_query();
    for (int i = 0; i < 59; i++) {
        sends_partial("stranger", 17, 1);
        pass_us(SECOND);
        expect_nothing();
    }
    sends_partial("stranger", 17, 1);
    pass_us(SECOND);
    expect_retry(17, 1, "the attempt lasted longer than attempt.max");
}

static void an_error_of_the_worker_that_had_it_ends_the_waiting(void **state)
{
    (void)state;
    given_a_held_query();
    answers_with_error("stranger", 17, 1, "no"); /* on a new connection, without READY */
    expect_retry(17, 1, "no");
    assert_string_equal(last_action()->worker, "w1");
    assert_int_equal(last_action()->failed, 1);
    assert_int_equal(dispatch_held(core()), 0);
    answers_with_error("stranger", 17, 1, "no"); /* once */
    expect_refused("past", 17, 1);
    given_worker("w2");
    pass_us(2 * SECOND);
    expect_deliver(17, 2, "w2");
}

static void an_error_that_says_never_is_the_end_of_what_is_held(void **state)
{
    (void)state;
    given_a_held_query();
    gives_up("stranger", 17, 1, "never");
    expect_dead(17, 1, "never");
    committed(17);
    assert_int_equal(flights(), 0);
}

static void what_is_held_may_be_given_back_and_that_costs_nothing(void **state)
{
    (void)state;
    given_a_held_query();
    given_worker("w1"); /* a stock worker: it registers first, and its answers come after */
    assert_true(dispatch_holds(core(), 17));
    gives_back("w1", 17, 1, "stopping");
    expect_returned(17, 1, "stopping");
    assert_int_equal(last_action()->failed, 0);
    assert_true(last_action()->recorded);
    pass_us(2 * SECOND);
    expect_deliver(17, 2, "w1");
    assert_int_equal(last_action()->failed, 0);
}

static void an_error_of_another_attempt_or_a_forged_one_leaves_it_held(void **state)
{
    (void)state;
    row_exists(16, "conv_a", "default");
    row_exists(17, "conv_a", "default");
    given_restored(17, .leased = true, .attempt = 2, .for_us = SECOND);
    answers_with_error("stranger", 17, 1, "no");
    expect_refused("past", 17, 1);
    gives_up("stranger", 17, 3, "never");
    expect_refused("past", 17, 3);
    gives_back("stranger", 17, 1, "stopping");
    expect_refused("past", 17, 1);
    answers_with_forged_token("stranger", 17, 2);
    expect_refused("forged", 17, 2);
    assert_true(dispatch_holds(core(), 17));
    pass_us(SECOND);
    expect_retry(17, 2, STOPPED);
}

static void what_is_held_has_a_conversation_to_itself(void **state)
{
    (void)state;
    given_settings(.order = ORDER_CONVERSATION);
    given_a_held_query();
    given_worker("w2");
    row_seen(18, "conv_a", "default");
    expect_nothing();
    row_seen(19, "conv_b", "default");
    expect_deliver(19, 1, "w2");
    answers("w2", 19, 1);
    expect_answer(19, 1);
    answers("stranger", 17, 1);
    expect_answer(17, 1);
    expect_nothing();
    committed(17);
    expect_deliver(18, 1, "w2");
}

/* Attempts. */

static void a_failed_query_pauses_until_its_time(void **state)
{
    (void)state;
    row_exists(17, "conv_a", "default");
    given_worker("w2");
    given_restored(17, .attempt = 2, .failed = 2, .for_us = 7 * SECOND);
    assert_int_equal(dispatch_backing_off(core()), 1);
    assert_int_equal(dispatch_held(core()), 0);
    pass_us(7 * SECOND - 1);
    expect_nothing();
    pass_us(1);
    expect_deliver(17, 3, "w2");
    assert_int_equal(last_action()->failed, 2);
    assert_true(last_action()->recorded);
}

static void a_time_that_is_over_counts_at_the_next_tick(void **state)
{
    (void)state;
    row_exists(17, "conv_a", "default");
    given_worker("w2");
    given_restored(17, .for_us = -3600 * SECOND, .failed = 1);
    pass_us(1);
    expect_deliver(17, 2, "w2");
}

static void attempts_are_counted_across_restarts(void **state)
{
    (void)state;
    row_exists(17, "conv_a", "default");
    given_restored(17, .leased = true, .attempt = 5, .failed = 4, .for_us = SECOND,
                   .reason = "segmentation fault");
    pass_us(SECOND);
    expect_dead(17, 5, STOPPED);
    committed(17);
    assert_int_equal(flights(), 0);
}

static void more_failures_than_attempts_are_the_end_at_the_next_one(void **state)
{
    (void)state;
    given_settings(.attempts = 2);
    row_exists(17, "conv_a", "default");
    given_worker("w2");
    given_restored(17, .attempt = 7, .failed = 7, .for_us = SECOND); /* the rules were others */
    pass_us(SECOND);
    expect_deliver(17, 8, "w2");
    answers_with_error("w2", 17, 8, "no");
    expect_dead(17, 8, "no");
}

static void an_answer_of_an_older_attempt_counts_after_a_restart(void **state)
{
    (void)state;
    row_exists(17, "conv_a", "default");
    given_restored(17, .leased = true, .attempt = 3, .failed = 2, .for_us = SECOND);
    answers("stranger", 17, 1);
    expect_answer(17, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        script_test(what_was_leased_is_given_to_nobody_else_before_its_time),
        script_test(the_tail_changes_nothing_about_what_was_restored),
        script_test(what_is_restored_twice_counts_once),
        script_test(an_answer_of_the_worker_that_had_it_wins),
        script_test(word_that_its_worker_is_gone_releases_it),
        script_test(its_worker_registering_without_it_releases_it),
        script_test(somebody_else_registering_releases_nothing),
        script_test(a_process_that_is_not_known_is_nobodys),
        script_test(a_partial_of_an_unknown_peer_prolongs_the_waiting),
        script_test(only_a_valid_partial_of_that_attempt_prolongs),
        script_test(partials_prolong_the_waiting_no_further_than_an_attempt_may_last),
        script_test(an_error_of_the_worker_that_had_it_ends_the_waiting),
        script_test(an_error_that_says_never_is_the_end_of_what_is_held),
        script_test(what_is_held_may_be_given_back_and_that_costs_nothing),
        script_test(an_error_of_another_attempt_or_a_forged_one_leaves_it_held),
        script_test(what_is_held_has_a_conversation_to_itself),
        script_test(a_failed_query_pauses_until_its_time),
        script_test(a_time_that_is_over_counts_at_the_next_tick),
        script_test(attempts_are_counted_across_restarts),
        script_test(more_failures_than_attempts_are_the_end_at_the_next_one),
        script_test(an_answer_of_an_older_attempt_counts_after_a_restart),
    };
    return cmocka_run_group_tests_name("dispatch: restore", tests, NULL, NULL);
}
