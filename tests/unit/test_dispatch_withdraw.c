/* Queries that are to wait no more: D9 of dispatch.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/script.h"

#define NOBODY_CAME "nobody came for it"

static enum dispatch_place place(int64_t id)
{
    return dispatch_where(core(), id, NULL);
}

/* Query 17 pauses after a failure, which is on disk. */
static void given_a_query_that_pauses(void)
{
    given_worker("w1");
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    answers_with_error("w1", 17, 1, "no");
    expect_retry(17, 1, "no");
    expect_nothing();
}

/* What waits. */

static void a_query_that_waits_dies_with_the_reason_it_is_withdrawn_for(void **state)
{
    int64_t seen_us = now_us();
    (void)state;
    row_seen(17, "conv_a", "chess");
    pass_us(60 * SECOND);
    withdrawn(17, NOBODY_CAME);
    expect_dead(17, 0, NOBODY_CAME);
    assert_int_equal(last_action()->attempt, 0);
    assert_string_equal(last_action()->worker, "");
    assert_string_equal(last_action()->service, "chess");
    assert_true(last_action()->seen_us == seen_us);
    assert_false(last_action()->claimed || last_action()->recorded);
    assert_int_equal(place(17), PLACE_COMMITTING);
    assert_int_equal(dispatch_outstanding(core()), 1);
    given_worker("w1", .service = "*");
    expect_nothing();
    committed(17);
    assert_int_equal(flights(), 0);
    assert_int_equal(place(17), PLACE_UNKNOWN);
}

static void a_query_that_waits_is_dropped(void **state)
{
    (void)state;
    row_seen(17, "conv_a", "chess");
    withdrawn(17, NULL);
    expect_drop(17);
    assert_int_equal(place(17), PLACE_COMMITTING);
    given_worker("w1", .service = "*");
    expect_nothing();
    committed(17);
    expect_nothing();
    assert_int_equal(flights(), 0);
    assert_null(pending_find(dispatch_pending(core()), span_str("chess"))); /* let go */
}

static void what_is_behind_a_withdrawn_query_goes_out(void **state)
{
    (void)state;
    for (int64_t id = 17; id < 20; id++)
        row_seen(id, "conv_a", "default");
    withdrawn(18, NULL);
    expect_drop(18);
    given_worker("w1", .slots = 3);
    expect_deliver(17, 1, "w1");
    expect_deliver(19, 1, "w1");
    expect_nothing();
}

static void a_query_that_pauses_dies_with_the_failures_it_has(void **state)
{
    (void)state;
    given_a_query_that_pauses();
    withdrawn(17, NOBODY_CAME);
    expect_dead(17, 1, NOBODY_CAME);
    assert_int_equal(last_action()->attempt, 1);
    assert_true(last_action()->recorded);
    assert_int_equal(dispatch_backing_off(core()), 0);
    pass_us(3600 * SECOND); /* the pause is over, too */
    expect_nothing();
    committed(17);
    expect_nothing();
    assert_int_equal(flights(), 0);
}

static void a_query_that_pauses_is_dropped(void **state)
{
    (void)state;
    given_a_query_that_pauses();
    withdrawn(17, NULL);
    expect_drop(17);
    assert_true(last_action()->recorded);
    pass_us(3600 * SECOND);
    expect_nothing();
}

static void what_waits_for_its_next_attempt_is_withdrawn(void **state)
{
    (void)state;
    given_a_query_that_pauses();
    says_disconnect("w1");
    expect_left("w1", "it said DISCONNECT");
    pass_us(3600 * SECOND);
    assert_int_equal(pending_backlog(dispatch_pending(core())), 1);
    withdrawn(17, NOBODY_CAME);
    expect_dead(17, 1, NOBODY_CAME);
    assert_int_equal(pending_backlog(dispatch_pending(core())), 0);
    given_worker("w2");
    expect_nothing();
}

static void what_pauses_since_a_restart_is_withdrawn(void **state)
{
    (void)state;
    row_exists(17, "conv_a", "default");
    given_restored(17, .attempt = 2, .failed = 2, .for_us = 5 * SECOND, .reason = "no");
    withdrawn(17, NOBODY_CAME);
    expect_dead(17, 2, NOBODY_CAME);
    assert_string_equal(last_action()->worker, "w1"); /* which had it last */
    committed(17);
    given_worker("w2");
    pass_us(100 * SECOND);
    expect_nothing();
}

static void a_query_that_was_withdrawn_is_not_seen_again(void **state)
{
    (void)state;
    given_worker("w1", .service = "chess");
    row_seen(17, "conv_a", "default");
    withdrawn(17, NULL);
    expect_drop(17);
    row_seen(17, "conv_a", "default");
    given_worker("w2");
    expect_nothing();
}

/* What ends as it would. */

static void what_a_worker_has_is_left_alone(void **state)
{
    (void)state;
    given_worker("w1");
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    withdrawn(17, NOBODY_CAME);
    withdrawn(17, NULL);
    expect_nothing();
    assert_int_equal(place(17), PLACE_LEASED);
    answers("w1", 17, 1);
    expect_answer(17, 1);
    withdrawn(17, NULL);
    expect_nothing();
    committed(17);
    assert_int_equal(flights(), 0);
}

static void what_its_worker_may_still_have_is_left_alone(void **state)
{
    (void)state;
    row_exists(17, "conv_a", "default");
    given_restored(17, .leased = true, .for_us = 100 * SECOND);
    withdrawn(17, NOBODY_CAME);
    withdrawn(17, NULL);
    expect_nothing();
    assert_int_equal(place(17), PLACE_WAITS);
    answers("stranger", 17, 1);
    expect_answer(17, 1);
}

static void what_was_claimed_is_left_alone(void **state)
{
    (void)state;
    given_settings(.claim = true);
    given_worker("w1");
    row_seen(17, "conv_a", "default");
    expect_claim(17, 1, "w1");
    says_disconnect("w1");
    expect_left("w1", "it said DISCONNECT");
    withdrawn(17, NOBODY_CAME); /* the claim is under way */
    expect_nothing();
    claimed(17);
    withdrawn(17, NULL);
    expect_nothing();
    given_worker("w2");
    expect_deliver(17, 1, "w2");
}

static void a_failure_is_on_disk_before_its_query_is_withdrawn(void **state)
{
    (void)state;
    hold_records();
    given_a_query_that_pauses();
    withdrawn(17, NOBODY_CAME);
    expect_nothing();
    assert_int_equal(place(17), PLACE_WAITS);
    recorded(17);
    withdrawn(17, NOBODY_CAME);
    expect_dead(17, 1, NOBODY_CAME);
}

static void a_query_is_withdrawn_once(void **state)
{
    (void)state;
    row_seen(17, "conv_a", "default");
    withdrawn(17, NULL);
    expect_drop(17);
    withdrawn(17, NOBODY_CAME);
    withdrawn(17, NULL);
    ended(17);
    expect_nothing();
    committed(17);
    assert_int_equal(flights(), 0);
}

static void what_is_not_known_is_left_alone(void **state)
{
    (void)state;
    withdrawn(17, NOBODY_CAME);
    withdrawn(17, NULL);
    expect_nothing();
    assert_int_equal(flights(), 0);
}

/* What else comes meanwhile. */

static void an_answer_that_comes_after_the_withdrawal_is_a_duplicate(void **state)
{
    (void)state;
    given_a_late_worker();
    answers_with_error("next", 17, 2, "no");
    expect_retry(17, 2, "no");
    withdrawn(17, NOBODY_CAME);
    expect_dead(17, 2, NOBODY_CAME);
    answers("late", 17, 1);
    expect_refused("duplicate", 17, 1);
    committed(17);
    answers("next", 17, 2);
    expect_refused("duplicate", 17, 2);
}

static void an_answer_of_an_earlier_run_is_a_duplicate_too(void **state)
{
    (void)state;
    row_seen(17, "conv_a", "default");
    withdrawn(17, NULL);
    expect_drop(17);
    answers("stranger", 17, 1);
    expect_refused("duplicate", 17, 1);
}

static void a_worker_that_still_has_it_does_not_take_it_up(void **state)
{
    (void)state;
    row_seen(17, "conv_a", "default");
    withdrawn(17, NULL);
    expect_drop(17);
    given_worker("w1", .holds = {HELD(17, 1)});
    expect_nothing();
    assert_int_equal(worker_called("w1")->in_flight, 1);
    assert_int_equal(place(17), PLACE_COMMITTING);
    answers("w1", 17, 1);
    expect_refused("duplicate", 17, 1);
    assert_int_equal(worker_called("w1")->in_flight, 0);
}

static void what_is_behind_it_in_its_conversation_waits_for_the_commit(void **state)
{
    (void)state;
    given_settings(.order = ORDER_CONVERSATION);
    row_seen(17, "conv_a", "default");
    row_seen(18, "conv_a", "default");
    withdrawn(17, NOBODY_CAME);
    expect_dead(17, 0, NOBODY_CAME);
    given_worker("w1");
    expect_nothing();
    committed(17);
    expect_deliver(18, 1, "w1");
}

static void its_conversation_waits_for_the_one_before_it_too(void **state)
{
    (void)state;
    given_settings(.order = ORDER_CONVERSATION);
    for (int64_t id = 17; id < 20; id++)
        row_seen(id, "conv_a", "default");
    given_worker("w1", .slots = 3);
    expect_deliver(17, 1, "w1");
    withdrawn(18, NULL);
    expect_drop(18);
    committed(18);
    expect_nothing();
    answers("w1", 17, 1);
    expect_answer(17, 1);
    expect_nothing();
    committed(17);
    expect_deliver(19, 1, "w1");
}

static void its_conversation_is_free_after_a_pause_that_was_cut_short(void **state)
{
    (void)state;
    given_settings(.order = ORDER_CONVERSATION);
    given_a_query_that_pauses();
    row_seen(18, "conv_a", "default");
    expect_nothing();
    withdrawn(17, NULL);
    expect_drop(17);
    expect_nothing();
    committed(17);
    expect_deliver(18, 1, "w1");
}

static void its_service_need_not_wait_for_its_pause(void **state)
{
    (void)state;
    given_settings(.queue = 1);
    given_a_query_that_pauses();
    row_seen(18, "conv_b", "default");
    expect_nothing(); /* D5 */
    withdrawn(17, NULL);
    expect_drop(17);
    committed(17);
    expect_deliver(18, 1, "w1");
}

static void what_is_withdrawn_is_outstanding_until_it_is_committed(void **state)
{
    (void)state;
    given_settings(.queue = 1);
    for (int64_t id = 17; id < 20; id++)
        row_seen(id, "conv_a", "default");
    withdrawn(17, NULL);
    expect_drop(17);
    withdrawn(18, NULL);
    expect_drop(18); /* beyond the bound */
    assert_int_equal(dispatch_outstanding(core()), 2);
    given_worker("w1");
    committed(17);
    expect_nothing();
    committed(18);
    expect_deliver(19, 1, "w1");
}

/* The window. */

static void what_waits_in_the_file_only_is_withdrawn_when_it_has_come_in(void **state)
{
    (void)state;
    given_settings(.window = 2);
    for (int64_t id = 1; id <= 5; id++)
        row_seen(id, "conv_a", "default");
    assert_true(dispatch_is_beyond(core(), span_str("default"), 4));
    withdrawn(4, NULL);
    expect_nothing();
    assert_int_equal(place(4), PLACE_UNKNOWN);
    withdrawn(1, NULL);
    expect_drop(1);
    committed(1);
    assert_true(refills_once("default"));
    assert_int_equal(place(3), PLACE_WAITS);
    withdrawn(2, NULL);
    expect_drop(2);
    committed(2);
    withdrawn(3, NULL);
    expect_drop(3);
    committed(3);
    assert_true(refills_once("default"));
    withdrawn(4, NULL);
    expect_drop(4);
    assert_int_equal(place(4), PLACE_COMMITTING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        script_test(a_query_that_waits_dies_with_the_reason_it_is_withdrawn_for),
        script_test(a_query_that_waits_is_dropped),
        script_test(what_is_behind_a_withdrawn_query_goes_out),
        script_test(a_query_that_pauses_dies_with_the_failures_it_has),
        script_test(a_query_that_pauses_is_dropped),
        script_test(what_waits_for_its_next_attempt_is_withdrawn),
        script_test(what_pauses_since_a_restart_is_withdrawn),
        script_test(a_query_that_was_withdrawn_is_not_seen_again),
        script_test(what_a_worker_has_is_left_alone),
        script_test(what_its_worker_may_still_have_is_left_alone),
        script_test(what_was_claimed_is_left_alone),
        script_test(a_failure_is_on_disk_before_its_query_is_withdrawn),
        script_test(a_query_is_withdrawn_once),
        script_test(what_is_not_known_is_left_alone),
        script_test(an_answer_that_comes_after_the_withdrawal_is_a_duplicate),
        script_test(an_answer_of_an_earlier_run_is_a_duplicate_too),
        script_test(a_worker_that_still_has_it_does_not_take_it_up),
        script_test(what_is_behind_it_in_its_conversation_waits_for_the_commit),
        script_test(its_conversation_waits_for_the_one_before_it_too),
        script_test(its_conversation_is_free_after_a_pause_that_was_cut_short),
        script_test(its_service_need_not_wait_for_its_pause),
        script_test(what_is_withdrawn_is_outstanding_until_it_is_committed),
        script_test(what_waits_in_the_file_only_is_withdrawn_when_it_has_come_in),
    };
    return cmocka_run_group_tests_name("dispatch: withdraw", tests, NULL, NULL);
}
