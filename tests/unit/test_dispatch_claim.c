/* Rows that are claimed before they are handed over: D7 of dispatch.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/script.h"

/* The row of query 17 is being claimed for w1. */
static void given_a_claim_under_way(void)
{
    given_settings(.claim = true, .lease_us = 10 * SECOND);
    given_worker("w1");
    row_seen(17, "conv_a", "default");
    expect_claim(17, 1, "w1");
}

static void nothing_is_sent_before_its_row_is_claimed(void **state)
{
    bool is_claimed = false;
    (void)state;
    given_a_claim_under_way();
    assert_true(last_action()->due_us == now_us() + 10 * SECOND);
    assert_true(last_action()->claimed && last_action()->recorded);
    assert_int_equal(dispatch_where(core(), 17, &is_claimed), PLACE_LEASED);
    assert_true(is_claimed);
    expect_nothing();
    claimed(17);
    expect_deliver(17, 1, "w1");
    answers("w1", 17, 1); /* the row is read: by us */
    expect_answer(17, 1);
    assert_true(last_action()->claimed);
    committed(17);
    assert_int_equal(flights(), 0);
}

static void the_lease_begins_with_the_claim_and_not_before(void **state)
{
    (void)state;
    given_a_claim_under_way();
    pass_us(3600 * SECOND); /* the file is locked */
    expect_nothing();
    claimed(17);
    expect_deliver(17, 1, "w1");
    assert_true(last_action()->deadline_us == now_us() + 1800 * SECOND);
    pass_us(10 * SECOND - 1);
    expect_nothing();
    pass_us(1);
    expect_retry(17, 1, "no answer within the lease");
    assert_true(last_action()->claimed);
    expect_disconnect("w1");
    expect_left("w1", "no answer within the lease");
}

static void a_lost_claim_frees_the_worker_and_the_query_is_forgotten(void **state)
{
    (void)state;
    given_a_claim_under_way();
    row_seen(18, "conv_b", "default");
    claim_lost(17);
    expect_claim(18, 1, "w1");
    assert_int_equal(dispatch_where(core(), 17, NULL), PLACE_UNKNOWN);
    assert_int_equal(dispatch_outstanding(core()), 1);
}

static void a_lost_claim_lets_the_next_one_of_its_conversation_go(void **state)
{
    (void)state;
    given_settings(.claim = true, .order = ORDER_CONVERSATION);
    given_worker("w1");
    row_seen(17, "conv_a", "default");
    expect_claim(17, 1, "w1");
    row_seen(18, "conv_a", "default");
    claim_lost(17);
    expect_claim(18, 1, "w1");
}

static void a_worker_lost_while_claiming_costs_nothing_and_no_second_claim(void **state)
{
    (void)state;
    given_a_claim_under_way();
    given_worker("w2");
    says_disconnect("w1");
    expect_left("w1", "it said DISCONNECT");
    expect_nothing(); /* for w2: it has to wait for the claim that is under way */
    assert_int_equal(worker_called("w2")->in_flight, 1);
    claimed(17);
    expect_deliver(17, 1, "w2");
}

static void what_is_claimed_waits_for_a_worker_without_another_claim(void **state)
{
    (void)state;
    given_a_claim_under_way();
    says_disconnect("w1");
    expect_left("w1", "it said DISCONNECT");
    claimed(17);
    expect_nothing();
    given_worker("w2");
    expect_deliver(17, 1, "w2");
}

static void a_claim_lost_after_its_worker_leaves_nothing_behind(void **state)
{
    (void)state;
    given_a_claim_under_way();
    says_disconnect("w1");
    expect_left("w1", "it said DISCONNECT");
    claim_lost(17);
    assert_int_equal(flights(), 0);
    given_worker("w2");
    expect_nothing();
}

static void a_second_attempt_needs_no_claim(void **state)
{
    (void)state;
    given_a_claim_under_way();
    claimed(17);
    expect_deliver(17, 1, "w1");
    answers_with_error("w1", 17, 1, "no");
    expect_retry(17, 1, "no");
    pass_us(2 * SECOND);
    expect_deliver(17, 2, "w1");
}

static void what_could_not_be_sent_needs_no_second_claim(void **state)
{
    (void)state;
    given_a_claim_under_way();
    claimed(17);
    expect_deliver(17, 1, "w1");
    undeliverable(17, 1, UNDELIVERABLE_BUSY);
    pass_us(10 * MS);
    expect_deliver(17, 1, "w1");
}

static void a_late_answer_while_claiming_frees_the_worker_that_never_got_it(void **state)
{
    (void)state;
    given_a_claim_under_way();
    row_seen(18, "conv_b", "default");
    answers("stranger", 17, 1); /* of an attempt before a restart */
    expect_answer(17, 1);
    assert_true(last_action()->claimed);
    expect_claim(18, 1, "w1");
    claimed(17); /* was under way */
    expect_nothing();
    committed(17);
    expect_nothing();
    claimed(18);
    expect_deliver(18, 1, "w1");
    assert_int_equal(flights(), 1);
}

static void a_late_answer_by_the_very_worker_it_is_claimed_for_frees_it_too(void **state)
{
    (void)state;
    given_a_claim_under_way();
    answers("w1", 17, 1); /* it has that token from before a restart */
    expect_answer(17, 1);
    assert_int_equal(worker_called("w1")->in_flight, 0);
    claim_lost(17);
    committed(17);
    assert_int_equal(flights(), 0);
}

static void what_its_worker_takes_up_while_it_is_claimed_is_not_sent_again(void **state)
{
    (void)state;
    given_a_claim_under_way();
    says_disconnect("w1");
    expect_left("w1", "it said DISCONNECT");
    worker_says_ready("w2", .holds = {HELD(17, 1)});
    expect_joined("w2");
    expect_adopted(17, 1, "w2");
    claimed(17);
    expect_nothing();
    answers("w2", 17, 1);
    expect_answer(17, 1);
}

static void a_claim_lost_after_the_attempt_was_taken_up_and_failed_ends_the_query(void **state)
{
    (void)state;
    given_a_claim_under_way();
    says_disconnect("w1");
    expect_left("w1", "it said DISCONNECT");
    worker_says_ready("w2", .holds = {HELD(17, 1)});
    expect_joined("w2");
    expect_adopted(17, 1, "w2");
    answers_with_error("w2", 17, 1, "no");
    expect_retry(17, 1, "no");
    claim_lost(17);
    pass_us(100 * SECOND);
    expect_nothing();
    assert_int_equal(flights(), 0);
}

static void a_claimed_query_is_restored_and_handed_over_without_a_claim(void **state)
{
    (void)state;
    given_settings(.claim = true);
    row_exists(17, "conv_a", "default");
    given_restored(17, .claimed = true, .attempt = 2, .failed = 2, .for_us = 5 * SECOND);
    given_worker("w2");
    pass_us(5 * SECOND);
    expect_deliver(17, 3, "w2");
    assert_true(last_action()->claimed);
}

static void an_answer_for_a_claimed_query_that_was_restored_counts(void **state)
{
    (void)state;
    given_settings(.claim = true);
    row_exists(17, "conv_a", "default");
    row_read_by_others(17); /* by us, before the restart */
    given_restored(17, .leased = true, .claimed = true, .for_us = 100 * SECOND);
    answers("stranger", 17, 1);
    expect_answer(17, 1);
    assert_true(last_action()->claimed);
}

static void what_waits_for_its_claim_counts_against_the_queue_bound(void **state)
{
    (void)state;
    given_settings(.claim = true, .queue = 1);
    given_worker("w1", .slots = 2);
    row_seen(17, "conv_a", "default");
    expect_claim(17, 1, "w1");
    row_seen(18, "conv_b", "default");
    expect_nothing();
    claim_lost(17);
    expect_claim(18, 1, "w1");
}

/* Nothing may be handed over when the claim is there. */

static void a_claim_that_comes_after_a_pause_waits_and_is_not_made_again(void **state)
{
    static const char *const what[] = {NULL, "default"};
    bool is_claimed = false;
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        given_a_claim_under_way();
        pauses(what[i], true);
        claimed(17);
        expect_nothing();
        assert_int_equal(worker_called("w1")->in_flight, 0);
        assert_int_equal(dispatch_where(core(), 17, &is_claimed), PLACE_WAITS);
        assert_true(is_claimed);
        pass_us(3600 * SECOND);
        expect_nothing();
        pauses(what[i], false);
        expect_deliver(17, 1, "w1"); /* the first attempt: nobody has had it */
        assert_true(last_action()->deadline_us == now_us() + 1800 * SECOND);
    }
}

static void a_worker_whose_claim_came_after_a_pause_is_free_for_another_service(void **state)
{
    (void)state;
    given_settings(.claim = true);
    given_worker("w1", .service = "*");
    row_seen(17, "conv_a", "chess");
    expect_claim(17, 1, "w1");
    row_seen(18, "conv_b", "poems");
    pauses("chess", true);
    claimed(17);
    expect_claim(18, 1, "w1");
    assert_int_equal(dispatch_outstanding(core()), 1);
}

static void a_claim_that_comes_after_a_drain_is_not_handed_over(void **state)
{
    bool is_claimed = false;
    (void)state;
    given_a_claim_under_way();
    drain();
    claimed(17);
    expect_nothing();
    assert_int_equal(dispatch_outstanding(core()), 0); /* nothing to wait for */
    assert_int_equal(dispatch_where(core(), 17, &is_claimed), PLACE_WAITS);
    assert_true(is_claimed);
    given_worker("w2");
    pass_us(3600 * SECOND);
    expect_nothing();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        script_test(nothing_is_sent_before_its_row_is_claimed),
        script_test(the_lease_begins_with_the_claim_and_not_before),
        script_test(a_lost_claim_frees_the_worker_and_the_query_is_forgotten),
        script_test(a_lost_claim_lets_the_next_one_of_its_conversation_go),
        script_test(a_worker_lost_while_claiming_costs_nothing_and_no_second_claim),
        script_test(what_is_claimed_waits_for_a_worker_without_another_claim),
        script_test(a_claim_lost_after_its_worker_leaves_nothing_behind),
        script_test(a_second_attempt_needs_no_claim),
        script_test(what_could_not_be_sent_needs_no_second_claim),
        script_test(a_late_answer_while_claiming_frees_the_worker_that_never_got_it),
        script_test(a_late_answer_by_the_very_worker_it_is_claimed_for_frees_it_too),
        script_test(what_its_worker_takes_up_while_it_is_claimed_is_not_sent_again),
        script_test(a_claim_lost_after_the_attempt_was_taken_up_and_failed_ends_the_query),
        script_test(a_claimed_query_is_restored_and_handed_over_without_a_claim),
        script_test(an_answer_for_a_claimed_query_that_was_restored_counts),
        script_test(what_waits_for_its_claim_counts_against_the_queue_bound),
        script_test(a_claim_that_comes_after_a_pause_waits_and_is_not_made_again),
        script_test(a_worker_whose_claim_came_after_a_pause_is_free_for_another_service),
        script_test(a_claim_that_comes_after_a_drain_is_not_handed_over),
    };
    return cmocka_run_group_tests_name("dispatch: claim", tests, NULL, NULL);
}
