/* What counts as the answer of a query: D2 of dispatch.h, tokens, and answers from before a
 * restart.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/script.h"

/* D2: answers. */

static void the_first_answer_is_committed_and_the_second_refused(void **state)
{
    (void)state;
    given_worker("w1");
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    answers("w1", 17, 1);
    expect_answer(17, 1);
    answers("w1", 17, 1);
    expect_refused("duplicate", 17, 1);
    committed(17);
    answers("w1", 17, 1);
    expect_refused("duplicate", 17, 1);
}

static void a_late_answer_of_an_older_attempt_wins(void **state)
{
    (void)state;
    given_a_late_worker();
    answers("late", 17, 1);
    expect_answer(17, 1);
    assert_string_equal(last_action()->worker, "late");
    committed(17);
    answers("next", 17, 2);
    expect_refused("duplicate", 17, 2);
    assert_int_equal(worker_called("next")->in_flight, 0);
    row_seen(19, "conv_c", "default");
    expect_deliver(19, 1, "late");
    row_seen(20, "conv_d", "default");
    expect_deliver(20, 1, "next");
}

static void the_newer_attempt_may_win_too(void **state)
{
    (void)state;
    given_a_late_worker();
    answers("next", 17, 2);
    expect_answer(17, 2);
    answers("late", 17, 1);
    expect_refused("duplicate", 17, 1);
    committed(17);
}

static void the_loser_of_two_is_busy_until_it_has_answered(void **state)
{
    (void)state;
    given_a_late_worker();
    answers("late", 17, 1);
    expect_answer(17, 1);
    answers("late", 18, 1);
    expect_answer(18, 1);
    committed(17);
    assert_int_equal(worker_called("next")->in_flight, 1);
    row_seen(19, "conv_a", "default");
    expect_deliver(19, 1, "late");
    row_seen(20, "conv_a", "default");
    expect_deliver(20, 1, "late");
    row_seen(21, "conv_a", "default");
    expect_nothing();
    answers("next", 17, 2);
    expect_refused("duplicate", 17, 2);
    expect_deliver(21, 1, "next");
}

static void a_late_answer_ends_the_back_off(void **state)
{
    (void)state;
    given_worker("w1");
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    says_disconnect("w1");
    expect_retry_and_left(17, 1, "w1", "it said DISCONNECT");
    assert_int_equal(dispatch_backing_off(core()), 1);
    answers("w1", 17, 1); /* it is a stranger now; its token is not */
    expect_answer(17, 1);
    assert_int_equal(dispatch_backing_off(core()), 0);
    committed(17);
    given_worker("w2");
    pass_us(100 * SECOND);
    expect_nothing();
}

static void an_answer_while_the_query_waits_again_wins_and_is_not_dispatched(void **state)
{
    (void)state;
    given_worker("w1");
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    says_disconnect("w1");
    expect_retry_and_left(17, 1, "w1", "it said DISCONNECT");
    pass_us(2 * SECOND); /* the back-off is over, nobody is there */
    answers("w1", 17, 1);
    expect_answer(17, 1);
    given_worker("w2"); /* before the commit */
    expect_nothing();
    committed(17);
    row_seen(18, "conv_a", "default");
    expect_deliver(18, 1, "w2");
}

static void a_query_that_waited_again_is_not_given_out_after_its_answer(void **state)
{
    (void)state;
    given_worker("w1");
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    says_disconnect("w1");
    expect_retry_and_left(17, 1, "w1", "it said DISCONNECT");
    pass_us(2 * SECOND);
    answers("w1", 17, 1);
    expect_answer(17, 1);
    committed(17);
    answers("w1", 17, 1);
    expect_refused("duplicate", 17, 1);
    assert_int_equal(flights(), 0);
    given_worker("w2");
    expect_nothing();
}

/* Tokens. */

static void a_forged_token_is_refused(void **state)
{
    (void)state;
    given_worker("w1");
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    answers_with_forged_token("w1", 17, 1);
    expect_refused("forged", 17, 1);
    expect_retry(17, 1, "its answer was refused"); /* nobody waits for a lease that is over */
    assert_int_equal(worker_called("w1")->in_flight, 0);
    answers("w1", 17, 1);
    expect_answer(17, 1);
}

static void a_forged_token_from_somebody_else_changes_nothing(void **state)
{
    (void)state;
    given_worker("w1");
    given_worker("w2");
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    answers_with_forged_token("w2", 17, 1);
    expect_refused("forged", 17, 1);
    answers_with_forged_token("stranger", 17, 1);
    expect_refused("forged", 17, 1);
    assert_int_equal(worker_called("w1")->in_flight, 1);
    answers("w1", 17, 1);
    expect_answer(17, 1);
}

static void a_req_worker_whose_answer_is_refused_is_free_again(void **state)
{
    (void)state;
    given_worker("r1", .protocol = WORKER_REQ);
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "r1");
    row_seen(18, "conv_a", "default");
    row_exists(19, "conv_a", "default");
    answers_with_forged_token("r1", 19, 7);
    expect_refused("forged", 19, 7);
    expect_retry(17, 1, "its answer was refused");
    expect_deliver(18, 1, "r1");
}

static void a_rep_workers_late_answer_is_of_the_attempt_that_its_token_names(void **state)
{
    (void)state;
    given_settings(.lease_us = 10 * SECOND);
    given_worker("rep", .protocol = WORKER_REP);
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "rep");
    pass_us(10 * SECOND);
    expect_retry(17, 1, "no answer within the lease");
    expect_disconnect("rep");
    expect_left("rep", "no answer within the lease");
    row_seen(18, "conv_a", "default");
    given_worker("rep", .protocol = WORKER_REP); /* connected afresh */
    expect_deliver(18, 1, "rep");
    answers("rep", 17, 1); /* on the old connection */
    expect_answer(17, 1);
    assert_int_equal(worker_called("rep")->in_flight, 1); /* it is still busy with the other one */
    answers("rep", 18, 1);
    expect_answer(18, 1);
}

static void the_token_of_another_row_is_refused(void **state)
{
    (void)state;
    given_worker("w1", .slots = 2);
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    row_seen(18, "conv_a", "default");
    expect_deliver(18, 1, "w1");
    answers_with_token_of("w1", 18, 17, 1);
    expect_refused("forged", 18, 1);
    expect_retry(18, 1, "its answer was refused");
}

static void a_token_for_a_row_that_nobody_knows_is_refused(void **state)
{
    (void)state;
    given_worker("w1");
    row_exists(17, "conv_a", "default");
    row_deleted(17);
    answers("w1", 17, 1);
    expect_refused("forged", 17, 1);
    answers("nobody", 17, 1);
    expect_refused("forged", 17, 1);
}

static void an_answer_whose_row_was_deleted_is_recorded_and_frees_its_worker(void **state)
{
    (void)state;
    given_worker("w1");
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    row_deleted(17);
    answers("w1", 17, 1);
    expect_gone(17);
    assert_int_equal(worker_called("w1")->in_flight, 0);
    assert_int_equal(dispatch_outstanding(core()), 1);
    committed(17);
    assert_int_equal(dispatch_outstanding(core()), 0);
    row_seen(18, "conv_a", "default");
    expect_deliver(18, 1, "w1");
}

/* After a restart. */

static void an_answer_from_before_the_restart_is_committed(void **state)
{
    (void)state;
    row_exists(17, "conv_a", "chess");
    answers("stranger", 17, 3);
    expect_answer(17, 3);
    assert_string_equal(last_action()->service, "chess");
    assert_string_equal(last_action()->worker, "");
    answers("stranger", 17, 3);
    expect_refused("duplicate", 17, 3);
}

static void an_answer_for_a_row_the_tail_has_not_reached_leaves_nothing_behind(void **state)
{
    (void)state;
    row_exists(17, "conv_a", "chess");
    answers("stranger", 17, 1);
    expect_answer(17, 1);
    committed(17); /* the tail will pass the row: it is read */
    assert_int_equal(flights(), 0);
    answers("stranger", 17, 1);
    expect_refused("duplicate", 17, 1);
}

static void an_error_from_an_earlier_run_does_not_end_this_runs_attempt(void **state)
{
    (void)state;
    given_worker("w1");
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    answers_with_error("stranger", 17, 1, "no"); /* the token of its attempt 1 is the same */
    expect_refused("past", 17, 1);
    answers("w1", 17, 1);
    expect_answer(17, 1);
}

static void a_row_seen_while_its_answer_is_committed_is_not_dispatched(void **state)
{
    (void)state;
    given_worker("w1");
    row_exists(17, "conv_a", "default");
    answers("stranger", 17, 1);
    expect_answer(17, 1);
    row_seen(17, "conv_a", "default");
    expect_nothing();
    committed(17);
    expect_nothing();
    pass_us(100 * SECOND);
    expect_nothing();
}

static void a_waiting_row_is_settled_by_an_answer_from_before_the_restart(void **state)
{
    (void)state;
    row_seen(17, "conv_a", "default");
    answers("stranger", 17, 1);
    expect_answer(17, 1);
    committed(17);
    given_worker("w1");
    expect_nothing();
    row_seen(18, "conv_a", "default");
    expect_deliver(18, 1, "w1");
}

static void an_answer_for_a_row_that_is_read_is_a_duplicate(void **state)
{
    (void)state;
    given_worker("w1");
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    answers("w1", 17, 1);
    expect_answer(17, 1);
    committed(17);
    given_settings(.queue = 10); /* a new run, the same file */
    answers("stranger", 17, 1);
    expect_refused("duplicate", 17, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        script_test(the_first_answer_is_committed_and_the_second_refused),
        script_test(a_late_answer_of_an_older_attempt_wins),
        script_test(the_newer_attempt_may_win_too),
        script_test(the_loser_of_two_is_busy_until_it_has_answered),
        script_test(a_late_answer_ends_the_back_off),
        script_test(an_answer_while_the_query_waits_again_wins_and_is_not_dispatched),
        script_test(a_query_that_waited_again_is_not_given_out_after_its_answer),
        script_test(a_forged_token_is_refused),
        script_test(a_forged_token_from_somebody_else_changes_nothing),
        script_test(a_req_worker_whose_answer_is_refused_is_free_again),
        script_test(a_rep_workers_late_answer_is_of_the_attempt_that_its_token_names),
        script_test(the_token_of_another_row_is_refused),
        script_test(a_token_for_a_row_that_nobody_knows_is_refused),
        script_test(an_answer_whose_row_was_deleted_is_recorded_and_frees_its_worker),
        script_test(an_answer_from_before_the_restart_is_committed),
        script_test(an_answer_for_a_row_the_tail_has_not_reached_leaves_nothing_behind),
        script_test(an_error_from_an_earlier_run_does_not_end_this_runs_attempt),
        script_test(a_row_seen_while_its_answer_is_committed_is_not_dispatched),
        script_test(a_waiting_row_is_settled_by_an_answer_from_before_the_restart),
        script_test(an_answer_for_a_row_that_is_read_is_a_duplicate),
    };
    return cmocka_run_group_tests_name("dispatch: answers", tests, NULL, NULL);
}
