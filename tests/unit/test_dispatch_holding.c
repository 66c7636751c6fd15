/* Workers that register and say what they still work on: D8 of dispatch.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/script.h"

#define HOUR (3600 * SECOND)

/* w1 registers with the token of 17's attempt, which becomes its lease again. */
static void expect_taken_up(uint32_t attempt)
{
    worker_says_ready("w1", .holds = {HELD(17, attempt)}, .heartbeats = true);
    expect_joined("w1");
    expect_adopted(17, attempt, "w1");
    assert_int_equal(worker_called("w1")->in_flight, 1);
    assert_int_equal(dispatch_where(core(), 17, NULL), PLACE_LEASED);
}

/* 17 is nobody else's, and w1's answer is the end of it. */
static void expect_finished(uint32_t attempt)
{
    given_worker("idle");
    pass_us(100 * SECOND);
    expect_nothing();
    answers("w1", 17, attempt);
    expect_answer(17, attempt);
    assert_string_equal(last_action()->worker, "w1");
    assert_int_equal(worker_called("w1")->in_flight, 0);
    committed(17);
    pass_us(HOUR);
    assert_int_equal(flights(), 0);
}

/* Where a query may be taken up from. */

static void a_held_query_is_taken_up(void **state)
{
    (void)state;
    row_exists(17, "conv_a", "default");
    given_restored(17, .leased = true, .for_us = 2 * SECOND, .pid = 7);
    expect_taken_up(1);
    assert_int_equal(dispatch_held(core()), 0);
    expect_finished(1);
}

static void a_query_that_pauses_is_taken_up(void **state)
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
    expect_taken_up(1); /* it was merely slow */
    expect_finished(1);
}

static void a_query_that_waits_again_is_taken_up(void **state)
{
    (void)state;
    given_worker("w1");
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    says_disconnect("w1");
    expect_retry_and_left(17, 1, "w1", "it said DISCONNECT");
    pass_us(10 * SECOND); /* its pause is over */
    assert_int_equal(pending_backlog(dispatch_pending(core())), 1);
    expect_taken_up(1);
    assert_int_equal(pending_backlog(dispatch_pending(core())), 0);
    expect_finished(1);
}

static void a_query_that_waits_for_its_first_worker_is_taken_up(void **state)
{
    (void)state;
    row_seen(17, "conv_a", "default"); /* an attempt of before a restart that left no trace */
    expect_taken_up(1);
    assert_int_equal(pending_backlog(dispatch_pending(core())), 0);
    expect_finished(1);
}

static void a_query_that_the_tail_has_not_reached_is_taken_up(void **state)
{
    (void)state;
    row_exists(17, "conv_a", "chess");
    expect_taken_up(4);
    assert_string_equal(last_action()->service, "chess");
    row_seen(17, "conv_a", "chess");
    given_worker("idle2", .service = "chess");
    expect_nothing();
    expect_finished(4);
}

static void the_attempt_after_one_that_was_taken_up_has_the_next_number(void **state)
{
    (void)state;
    row_exists(17, "conv_a", "default");
    expect_taken_up(4);
    answers_with_error("w1", 17, 4, "no");
    expect_retry(17, 4, "no");
    pass_us(2 * SECOND);
    expect_deliver(17, 5, "w1");
}

static void an_older_attempt_may_be_taken_up_when_nobody_has_a_newer_one(void **state)
{
    (void)state;
    row_exists(17, "conv_a", "default");
    given_restored(17, .attempt = 3, .failed = 3, .for_us = 10 * SECOND);
    expect_taken_up(2);
    answers_with_error("w1", 17, 2, "no");
    expect_retry(17, 3, "no"); /* three have begun */
    assert_int_equal(last_action()->failed, 4);
    pass_us(100 * SECOND);
    expect_deliver(17, 4, "w1");
}

static void what_was_taken_up_has_a_whole_lease_and_is_recorded(void **state)
{
    (void)state;
    given_settings(.lease_us = 10 * SECOND, .record_after_us = SECOND);
    row_exists(17, "conv_a", "default");
    given_restored(17, .leased = true, .for_us = 2 * SECOND);
    worker_says_ready("w1", .holds = {HELD(17, 1)}, .pid = 99);
    expect_joined("w1");
    expect_adopted(17, 1, "w1");
    pass_us(SECOND);
    expect_record(17, 1, "w1");
    assert_int_equal(last_action()->pid, 99);
    pass_us(9 * SECOND - 1);
    expect_nothing();
    pass_us(1);
    expect_retry(17, 1, "no answer within the lease");
    expect_disconnect("w1");
    expect_left("w1", "no answer within the lease");
}

static void taking_up_goes_beyond_the_queue_bound(void **state)
{
    (void)state;
    given_settings(.queue = 1);
    given_worker("w2", .slots = 2);
    row_seen(16, "conv_b", "default");
    expect_deliver(16, 1, "w2");
    row_exists(17, "conv_a", "default");
    expect_taken_up(1);
    assert_int_equal(dispatch_outstanding(core()), 2);
    row_seen(18, "conv_b", "default");
    answers("w2", 16, 1);
    expect_answer(16, 1);
    committed(16);
    expect_nothing(); /* one is outstanding still */
    answers("w1", 17, 1);
    expect_answer(17, 1);
    committed(17);
    expect_deliver(18, 1, "w2");
}

static void what_was_taken_up_has_its_conversation_to_itself(void **state)
{
    (void)state;
    given_settings(.order = ORDER_CONVERSATION);
    row_exists(17, "conv_a", "default");
    expect_taken_up(1);
    given_worker("w2");
    row_seen(18, "conv_a", "default");
    expect_nothing();
    answers("w1", 17, 1);
    expect_answer(17, 1);
    committed(17);
    expect_deliver(18, 1, "w2");
}

/* What is not the worker's any more keeps it busy all the same. */

static void a_query_that_another_worker_has_now_occupies_its_slot(void **state)
{
    (void)state;
    given_worker("w2");
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w2");
    given_worker("w1", .holds = {HELD(17, 3)}); /* of an earlier run */
    assert_int_equal(worker_called("w1")->in_flight, 1);
    row_seen(18, "conv_b", "default");
    expect_nothing(); /* it is busy */
    answers_with_error("w1", 17, 3, "no");
    expect_refused("past", 17, 3);
    expect_deliver(18, 1, "w1"); /* now it is free */
    answers("w2", 17, 1);
    expect_answer(17, 1);
}

static void the_first_answer_wins_of_a_query_that_two_have(void **state)
{
    (void)state;
    given_worker("w2");
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w2");
    given_worker("w1", .holds = {HELD(17, 3)});
    answers("w1", 17, 3);
    expect_answer(17, 3);
    assert_int_equal(worker_called("w1")->in_flight, 0);
    committed(17);
    answers("w2", 17, 1);
    expect_refused("duplicate", 17, 1);
    assert_int_equal(worker_called("w2")->in_flight, 0);
}

static void an_answered_query_occupies_its_worker_until_it_has_answered(void **state)
{
    (void)state;
    row_exists(17, "conv_a", "default");
    row_read_by_others(17);
    given_worker("w1", .holds = {HELD(17, 1)});
    assert_int_equal(flights(), 0);
    row_seen(18, "conv_b", "default");
    expect_nothing();
    answers("w1", 17, 1);
    expect_refused("duplicate", 17, 1);
    expect_deliver(18, 1, "w1");
    pass_us(599 * SECOND);
    expect_nothing();
}

static void an_answer_that_is_being_committed_occupies_its_worker(void **state)
{
    (void)state;
    row_exists(17, "conv_a", "default");
    answers("stranger", 17, 1);
    expect_answer(17, 1);
    given_worker("w1", .holds = {HELD(17, 1)});
    assert_int_equal(worker_called("w1")->in_flight, 1);
    committed(17);
    answers("w1", 17, 1);
    expect_refused("duplicate", 17, 1);
    assert_int_equal(worker_called("w1")->in_flight, 0);
}

static void one_query_under_two_attempts_takes_two_slots(void **state)
{
    (void)state;
    row_exists(17, "conv_a", "default");
    worker_says_ready("w1", .slots = 3, .holds = {HELD(17, 1), HELD(17, 2), HELD(17, 1)});
    expect_joined("w1");
    expect_adopted(17, 1, "w1");
    assert_int_equal(worker_called("w1")->in_flight, 2); /* saying it twice adds nothing */
    answers("w1", 17, 2);
    expect_answer(17, 2);
    answers("w1", 17, 1);
    expect_refused("duplicate", 17, 1);
    assert_int_equal(worker_called("w1")->in_flight, 0);
    committed(17);
}

/* What is no proof of anything. */

static void a_forged_or_foreign_token_holds_nothing(void **state)
{
    (void)state;
    row_seen(17, "conv_a", "default");
    row_exists(18, "conv_a", "default");
    row_exists(19, "conv_a", "default");
    row_deleted(19);
    worker_says_ready("w1", .slots = 4,
                      .holds = {HELD(17, 1, .forged = true), HELD(17, 2, .of = 18), HELD(19, 1)});
    expect_joined("w1");
    expect_refused("forged", 17, 1);
    expect_refused("forged", 17, 2);
    expect_refused("forged", 19, 1);
    expect_deliver(17, 1, "w1");
    assert_int_equal(worker_called("w1")->in_flight, 1);
}

static void more_than_its_slots_is_not_taken_up_but_waited_for(void **state)
{
    (void)state;
    for (int64_t id = 17; id <= 19; id++) {
        row_exists(id, "conv_a", "default");
        given_restored(id, .leased = true, .for_us = 10 * SECOND, .pid = 7);
    }
    row_exists(20, "conv_a", "default");
    given_restored(20, .leased = true, .for_us = 10 * SECOND, .pid = 7);
    worker_says_ready("w1", .slots = 2, .pid = 7, .heartbeats = true,
                      .holds = {HELD(17, 1), HELD(18, 1), HELD(19, 1)});
    expect_joined("w1");
    expect_adopted(17, 1, "w1");
    expect_adopted(18, 1, "w1");
    expect_retry(20, 1, "its worker came back without it");
    assert_int_equal(worker_called("w1")->in_flight, 2);
    assert_true(dispatch_holds(core(), 19));
    answers("w1", 19, 1); /* as it said */
    expect_answer(19, 1);
}

static void a_paused_service_may_be_taken_up(void **state)
{
    (void)state;
    pauses("default", true);
    row_seen(17, "conv_a", "default");
    expect_taken_up(1);
    expect_finished(1);
    pauses("default", false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        script_test(a_held_query_is_taken_up),
        script_test(a_query_that_pauses_is_taken_up),
        script_test(a_query_that_waits_again_is_taken_up),
        script_test(a_query_that_waits_for_its_first_worker_is_taken_up),
        script_test(a_query_that_the_tail_has_not_reached_is_taken_up),
        script_test(the_attempt_after_one_that_was_taken_up_has_the_next_number),
        script_test(an_older_attempt_may_be_taken_up_when_nobody_has_a_newer_one),
        script_test(what_was_taken_up_has_a_whole_lease_and_is_recorded),
        script_test(taking_up_goes_beyond_the_queue_bound),
        script_test(what_was_taken_up_has_its_conversation_to_itself),
        script_test(a_query_that_another_worker_has_now_occupies_its_slot),
        script_test(the_first_answer_wins_of_a_query_that_two_have),
        script_test(an_answered_query_occupies_its_worker_until_it_has_answered),
        script_test(an_answer_that_is_being_committed_occupies_its_worker),
        script_test(one_query_under_two_attempts_takes_two_slots),
        script_test(a_forged_or_foreign_token_holds_nothing),
        script_test(more_than_its_slots_is_not_taken_up_but_waited_for),
        script_test(a_paused_service_may_be_taken_up),
    };
    return cmocka_run_group_tests_name("dispatch: holding", tests, NULL, NULL);
}
