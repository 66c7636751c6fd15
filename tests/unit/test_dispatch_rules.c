/* Rules per service and their change at runtime, pauses that people make, and queries that end
 * without us. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "tests/unit/script.h"

#define LEASE_OVER "no answer within the lease"

/* Rules. */

static void each_service_goes_by_its_own_rules(void **state)
{
    (void)state;
    given_rules("chess", .attempts = 1, .lease_us = 5 * SECOND);
    given_worker("w1");
    given_worker("w2", .service = "chess");
    row_seen(1, "a", "default");
    expect_deliver(1, 1, "w1");
    row_seen(2, "b", "chess");
    expect_deliver(2, 1, "w2");
    pass_us(5 * SECOND);
    expect_dead(2, 1, LEASE_OVER);
    expect_disconnect("w2");
    expect_left("w2", LEASE_OVER);
    answers_with_error("w1", 1, 1, "no");
    expect_retry(1, 1, "no");
}

static void new_rules_count_for_what_begins_after_them(void **state)
{
    (void)state;
    given_settings(.lease_us = 10 * SECOND);
    given_worker("w1", .slots = 2);
    row_seen(1, "a", "default");
    expect_deliver(1, 1, "w1");
    given_rules(NULL, .lease_us = 60 * SECOND, .attempts = 2);
    row_seen(2, "b", "default");
    expect_deliver(2, 1, "w1");
    pass_us(10 * SECOND);
    expect_retry(1, 1, LEASE_OVER); /* it had begun before */
    answers("w1", 1, 1);
    expect_answer(1, 1);
    pass_us(50 * SECOND);
    expect_retry(2, 1, LEASE_OVER);
    expect_disconnect("w1");
    expect_left("w1", LEASE_OVER);
    given_worker("w2");
    pass_us(2 * SECOND);
    expect_deliver(2, 2, "w2");
    answers_with_error("w2", 2, 2, "no");
    expect_dead(2, 2, "no"); /* as the new rules say */
}

static void a_service_may_get_rules_and_lose_them_again(void **state)
{
    (void)state;
    given_worker("w1", .slots = 3);
    given_rules("default", .attempts = 1);
    row_seen(1, "a", "default");
    expect_deliver(1, 1, "w1");
    answers_with_error("w1", 1, 1, "no");
    expect_dead(1, 1, "no");
    given_rules(NULL, .attempts = 3); /* those of "default" stay */
    row_seen(2, "a", "default");
    expect_deliver(2, 1, "w1");
    answers_with_error("w1", 2, 1, "no");
    expect_dead(2, 1, "no");
    given_rules("default", .attempts = 2);
    row_seen(3, "a", "default");
    expect_deliver(3, 1, "w1");
    answers_with_error("w1", 3, 1, "no");
    expect_retry(3, 1, "no");
}

static void a_new_order_lets_out_what_the_old_one_held_back(void **state)
{
    (void)state;
    given_settings(.order = ORDER_CONVERSATION);
    given_worker("w1", .slots = 3);
    row_seen(1, "a", "default");
    expect_deliver(1, 1, "w1");
    row_seen(2, "a", "default");
    expect_nothing();
    given_rules(NULL, .order = ORDER_FAIR);
    expect_deliver(2, 1, "w1");
    answers("w1", 1, 1);
    expect_answer(1, 1);
    committed(1);
    row_seen(3, "a", "default");
    expect_deliver(3, 1, "w1");
}

static void a_new_order_holds_back_from_then_on(void **state)
{
    (void)state;
    given_worker("w1", .slots = 4);
    given_rules(NULL, .order = ORDER_CONVERSATION);
    row_seen(1, "a", "default");
    expect_deliver(1, 1, "w1");
    row_seen(2, "a", "default");
    expect_nothing();
    given_rules(NULL, .order = ORDER_CONVERSATION, .attempts = 2);
    expect_nothing();
    answers("w1", 1, 1);
    expect_answer(1, 1);
    committed(1);
    expect_deliver(2, 1, "w1");
}

/* D5: queries that pause after a failure. */

static void a_service_whose_queries_all_fail_stops_at_the_queue_bound(void **state)
{
    (void)state;
    given_settings(.queue = 3, .backoff_first_us = 100 * SECOND, .backoff_max_us = 100 * SECOND);
    for (int64_t id = 1; id <= 5; id++)
        row_seen(id, "a", "chess");
    given_worker("good", .service = "poems");
    given_worker("bad", .service = "chess");
    for (int64_t id = 1; id <= 3; id++) {
        expect_deliver(id, 1, "bad");
        answers_with_error("bad", id, 1, "no");
        expect_retry(id, 1, "no");
    }
    expect_nothing(); /* 4 waits */
    row_seen(11, "b", "poems");
    expect_deliver(11, 1, "good"); /* nobody else does */
    pass_us(130 * SECOND);
    assert_int_equal(any_action()->kind, ACTION_DELIVER);
    expect_nothing();
}

static void the_end_of_a_pausing_query_lets_the_next_one_out(void **state)
{
    (void)state;
    given_settings(.queue = 2, .backoff_first_us = 100 * SECOND, .backoff_max_us = 100 * SECOND);
    for (int64_t id = 1; id <= 5; id++)
        row_seen(id, "a", "default");
    given_worker("w1");
    for (int64_t id = 1; id <= 2; id++) {
        expect_deliver(id, 1, "w1");
        answers_with_error("w1", id, 1, "no");
        expect_retry(id, 1, "no");
    }
    expect_nothing();
    ended(1);
    expect_deliver(3, 1, "w1");
    answers_with_error("w1", 3, 1, "no");
    expect_retry(3, 1, "no");
    answers("stranger", 2, 1); /* late */
    expect_answer(2, 1);
    expect_deliver(4, 1, "w1");
    answers_with_error("w1", 4, 1, "no");
    expect_retry(4, 1, "no");
    worker_says_ready("w2", .service = "another", .holds = {HELD(3, 1)});
    expect_joined("w2");
    expect_adopted(3, 1, "w2");
    expect_nothing(); /* 2 is being committed and 3 leased: the bound of all */
    committed(2);
    expect_deliver(5, 1, "w1");
}

/* Pauses. */

static void a_paused_service_gives_out_nothing_and_what_is_in_flight_goes_on(void **state)
{
    (void)state;
    given_worker("w1", .slots = 2);
    given_worker("w2", .service = "chess");
    row_seen(1, "a", "default");
    expect_deliver(1, 1, "w1");
    row_seen(2, "a", "default");
    expect_deliver(2, 1, "w1");
    pauses("default", true);
    row_seen(3, "a", "default");
    expect_nothing();
    answers("w1", 1, 1);
    expect_answer(1, 1);
    committed(1);
    answers_with_error("w1", 2, 1, "no");
    expect_retry(2, 1, "no");
    pass_us(100 * SECOND);
    expect_nothing();
    row_seen(4, "a", "chess");
    expect_deliver(4, 1, "w2");
    answers("stranger", 2, 1); /* late answers count */
    expect_answer(2, 1);
    committed(2);
    pauses("default", false);
    expect_deliver(3, 1, "w1");
}

static void a_pause_of_all_stops_every_service(void **state)
{
    (void)state;
    given_worker("w1", .service = "*", .slots = 3);
    pauses(NULL, true);
    pauses(NULL, true);
    row_seen(1, "a", "default");
    row_seen(2, "a", "chess");
    pass_us(10 * SECOND);
    given_worker("w2");
    expect_nothing();
    pauses("chess", true);
    pauses(NULL, false);
    expect_deliver(1, 1, "w2");
    expect_nothing(); /* chess has a pause of its own */
    pauses("chess", false);
    expect_deliver(2, 1, "w1");
}

static void a_pause_outlives_all_that_its_service_has(void **state)
{
    (void)state;
    given_worker("w1", .service = "chess");
    pauses("chess", true);
    pauses("chess", true);
    says_disconnect("w1");
    expect_left("w1", "it said DISCONNECT");
    given_worker("w2", .service = "chess");
    row_seen(1, "a", "chess");
    expect_nothing();
    pauses("chess", false);
    expect_deliver(1, 1, "w2");
    pauses("chess", false); /* twice changes nothing */
    answers("w2", 1, 1);
    expect_answer(1, 1);
    committed(1);
    says_disconnect("w2");
    expect_left("w2", "it said DISCONNECT");
    assert_non_null(pending_walk(dispatch_pending(core()), NULL)); /* "default", and */
    assert_null(pending_walk(dispatch_pending(core()),
                             pending_walk(dispatch_pending(core()), NULL))); /*   nobody else */
}

static void a_pause_of_one_service_too_many_pauses_no_other(void **state)
{
    char name[32];
    (void)state;
    for (int i = 0; i < LIMIT_SERVICES - 1; i++) { /* "default" is there already */
        snprintf(name, sizeof name, "s%d", i);
        row_seen(i + 1, "a", name);
    }
    pauses("one more", true);
    expect_refused("full", 0, 0);
    row_seen(20000, "a", "default");
    given_worker("w1");
    expect_deliver(20000, 1, "w1");
}

/* Ended without us. */

static void a_query_that_waits_and_has_ended_is_forgotten(void **state)
{
    (void)state;
    row_seen(1, "a", "default");
    row_seen(2, "a", "default");
    ended(1);
    ended(99); /* never heard of */
    given_worker("w1");
    expect_deliver(2, 1, "w1");
    assert_int_equal(dispatch_where(core(), 1, NULL), PLACE_UNKNOWN);
}

static void a_query_that_pauses_and_has_ended_is_forgotten(void **state)
{
    (void)state;
    given_settings(.order = ORDER_CONVERSATION);
    given_worker("w1");
    row_seen(1, "a", "default");
    expect_deliver(1, 1, "w1");
    answers_with_error("w1", 1, 1, "no");
    expect_retry(1, 1, "no");
    row_seen(2, "a", "default");
    ended(1);
    expect_deliver(2, 1, "w1"); /* its conversation is free */
    pass_us(100 * SECOND);
    expect_nothing();
    assert_int_equal(flights(), 1);
}

static void a_query_that_waits_again_and_has_ended_is_forgotten(void **state)
{
    (void)state;
    given_worker("w1");
    row_seen(1, "a", "default");
    expect_deliver(1, 1, "w1");
    says_disconnect("w1");
    expect_retry_and_left(1, 1, "w1", "it said DISCONNECT");
    pass_us(10 * SECOND);
    ended(1);
    assert_int_equal(flights(), 0);
    assert_int_equal(pending_backlog(dispatch_pending(core())), 0);
    given_worker("w2");
    expect_nothing();
}

static void a_query_that_is_held_and_has_ended_is_forgotten(void **state)
{
    (void)state;
    row_exists(1, "a", "default");
    given_restored(1, .leased = true, .for_us = 10 * SECOND);
    ended(1);
    assert_int_equal(dispatch_held(core()), 0);
    pass_us(100 * SECOND);
    expect_nothing();
    assert_int_equal(flights(), 0);
}

static void a_query_in_a_workers_hands_or_being_committed_goes_on(void **state)
{
    (void)state;
    given_worker("w1");
    row_seen(1, "a", "default");
    expect_deliver(1, 1, "w1");
    ended(1);
    assert_int_equal(dispatch_where(core(), 1, NULL), PLACE_LEASED);
    answers("w1", 1, 1);
    expect_answer(1, 1);
    ended(1);
    assert_int_equal(dispatch_where(core(), 1, NULL), PLACE_COMMITTING);
    committed(1);
    assert_int_equal(dispatch_where(core(), 1, NULL), PLACE_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        script_test(each_service_goes_by_its_own_rules),
        script_test(new_rules_count_for_what_begins_after_them),
        script_test(a_service_may_get_rules_and_lose_them_again),
        script_test(a_new_order_lets_out_what_the_old_one_held_back),
        script_test(a_new_order_holds_back_from_then_on),
        script_test(a_service_whose_queries_all_fail_stops_at_the_queue_bound),
        script_test(the_end_of_a_pausing_query_lets_the_next_one_out),
        script_test(a_paused_service_gives_out_nothing_and_what_is_in_flight_goes_on),
        script_test(a_pause_of_all_stops_every_service),
        script_test(a_pause_outlives_all_that_its_service_has),
        script_test(a_pause_of_one_service_too_many_pauses_no_other),
        script_test(a_query_that_waits_and_has_ended_is_forgotten),
        script_test(a_query_that_pauses_and_has_ended_is_forgotten),
        script_test(a_query_that_waits_again_and_has_ended_is_forgotten),
        script_test(a_query_that_is_held_and_has_ended_is_forgotten),
        script_test(a_query_in_a_workers_hands_or_being_committed_goes_on),
    };
    return cmocka_run_group_tests_name("dispatch: rules", tests, NULL, NULL);
}
