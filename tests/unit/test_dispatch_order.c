/* Who gets which query next: the promises P1 to P4 of pending.h and W1 of workers.h, seen from
 * outside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/script.h"

/* Whose turn it is. */

static void a_query_goes_to_a_waiting_worker(void **state)
{
    (void)state;
    given_worker("w1");
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    answers("w1", 17, 1);
    expect_answer(17, 1);
    assert_string_equal(last_action()->worker, "w1");
    assert_string_equal(last_action()->service, "default");
    committed(17);
    expect_nothing();
    assert_int_equal(dispatch_outstanding(core()), 0);
    assert_int_equal(worker_called("w1")->served, 1);
}

static void a_query_waits_for_a_worker(void **state)
{
    (void)state;
    row_seen(17, "conv_a", "default");
    expect_nothing();
    pass_us(3600 * SECOND);
    expect_nothing();
    given_worker("w1");
    expect_deliver(17, 1, "w1");
}

static void the_times_of_a_query_are_told_with_its_answer(void **state)
{
    int64_t seen_us = now_us();
    (void)state;
    row_seen(17, "conv_a", "default");
    pass_us(3 * SECOND);
    given_worker("w1");
    expect_deliver(17, 1, "w1");
    assert_true(last_action()->deadline_us == seen_us + 1803 * SECOND);
    pass_us(SECOND);
    answers("w1", 17, 1);
    expect_answer(17, 1);
    assert_true(last_action()->seen_us == seen_us);
    assert_true(last_action()->leased_us == seen_us + 3 * SECOND);
}

static void the_least_recently_used_worker_is_next(void **state)
{
    (void)state;
    given_worker("w1");
    given_worker("w2");
    given_worker("w3");
    row_seen(1, "a", "default");
    expect_deliver(1, 1, "w1");
    row_seen(2, "a", "default");
    expect_deliver(2, 1, "w2");
    answers("w1", 1, 1);
    expect_answer(1, 1);
    row_seen(3, "a", "default");
    expect_deliver(3, 1, "w3");
    row_seen(4, "a", "default");
    expect_deliver(4, 1, "w1");
    row_seen(5, "a", "default");
    expect_nothing();
    answers("w3", 3, 1);
    expect_answer(3, 1);
    expect_deliver(5, 1, "w3");
}

static void slots_are_used_in_turn_between_workers(void **state)
{
    (void)state;
    given_worker("w1", .slots = 2);
    given_worker("w2", .slots = 2);
    row_seen(1, "a", "default");
    expect_deliver(1, 1, "w1");
    row_seen(2, "b", "default");
    expect_deliver(2, 1, "w2");
    row_seen(3, "c", "default");
    expect_deliver(3, 1, "w1");
    row_seen(4, "d", "default");
    expect_deliver(4, 1, "w2");
    row_seen(5, "e", "default");
    expect_nothing();
    answers("w2", 2, 1);
    expect_answer(2, 1);
    expect_deliver(5, 1, "w2");
}

static void a_worker_with_slots_takes_that_many_at_once(void **state)
{
    (void)state;
    for (int64_t id = 1; id <= 5; id++)
        row_seen(id, "a", "default");
    given_worker("w1", .slots = 3);
    expect_deliver(1, 1, "w1");
    expect_deliver(2, 1, "w1");
    expect_deliver(3, 1, "w1");
    expect_nothing();
    assert_int_equal(worker_called("w1")->in_flight, 3);
    answers("w1", 2, 1);
    expect_answer(2, 1);
    expect_deliver(4, 1, "w1");
}

static void a_heartbeat_changes_how_many_a_worker_takes_at_once(void **state)
{
    (void)state;
    given_worker("relay", .heartbeats = true);
    beats_with("relay", 0);
    for (int64_t id = 1; id <= 4; id++)
        row_seen(id, "conv_a", "default");
    expect_nothing();
    beats_with("relay", 1);
    expect_deliver(1, 1, "relay");
    expect_nothing();
    beats_with("relay", 3);
    expect_deliver(2, 1, "relay");
    expect_deliver(3, 1, "relay");
    expect_nothing();
}

static void a_req_worker_is_served_one_query_after_the_other(void **state)
{
    (void)state;
    given_worker("req", .protocol = WORKER_REQ);
    row_seen(1, "a", "default");
    expect_deliver(1, 1, "req");
    assert_int_equal(last_action()->protocol, WORKER_REQ);
    row_seen(2, "a", "default");
    expect_nothing();
    answers("req", 1, 1);
    expect_answer(1, 1);
    expect_deliver(2, 1, "req");
}

static void mdp_and_req_workers_share_a_service(void **state)
{
    (void)state;
    given_worker("mdp");
    given_worker("req", .protocol = WORKER_REQ);
    row_seen(1, "a", "default");
    expect_deliver(1, 1, "mdp");
    assert_int_equal(last_action()->protocol, WORKER_MDP_02);
    row_seen(2, "a", "default");
    expect_deliver(2, 1, "req");
}

/* Services. */

static void a_worker_gets_only_its_service(void **state)
{
    (void)state;
    given_worker("chess", .service = "chess");
    row_seen(1, "a", "default");
    expect_nothing();
    row_seen(2, "a", "chess");
    expect_deliver(2, 1, "chess");
    assert_string_equal(last_action()->service, "chess");
}

static void dedicated_workers_come_before_those_for_all(void **state)
{
    (void)state;
    given_worker("all", .service = "*");
    given_worker("own", .service = "chess");
    row_seen(1, "a", "chess");
    expect_deliver(1, 1, "own");
    row_seen(2, "a", "chess");
    expect_deliver(2, 1, "all");
    row_seen(3, "a", "chess");
    expect_nothing();
    answers("all", 2, 1);
    expect_answer(2, 1);
    expect_deliver(3, 1, "all");
}

static void a_worker_for_all_serves_the_services_in_turn(void **state)
{
    (void)state;
    for (int64_t id = 1; id <= 3; id++)
        row_seen(id, "a", "chess");
    for (int64_t id = 11; id <= 13; id++)
        row_seen(id, "a", "poems");
    for (int64_t id = 21; id <= 22; id++)
        row_seen(id, "a", "sums");
    given_worker("all", .service = "*", .slots = 8);
    expect_deliver(1, 1, "all");
    expect_deliver(11, 1, "all");
    expect_deliver(21, 1, "all");
    expect_deliver(2, 1, "all");
    expect_deliver(12, 1, "all");
    expect_deliver(22, 1, "all");
    expect_deliver(3, 1, "all");
    expect_deliver(13, 1, "all");
}

static void a_full_service_does_not_block_another(void **state)
{
    (void)state;
    given_worker("slow", .service = "slow");
    given_worker("quick", .service = "quick");
    for (int64_t id = 1; id <= 100; id++) {
        row_seen(id, "a", "slow");
        if (id == 1)
            expect_deliver(1, 1, "slow");
    }
    row_seen(101, "a", "quick");
    expect_deliver(101, 1, "quick");
}

/* Conversations. */

static void a_conversation_is_first_in_first_out(void **state)
{
    (void)state;
    for (int64_t id = 1; id <= 50; id++)
        row_seen(id, "a", "default");
    given_worker("w1");
    for (int64_t id = 1; id <= 50; id++) {
        expect_deliver(id, 1, "w1");
        answers("w1", id, 1);
        expect_answer(id, 1);
    }
}

static void one_conversation_does_not_bury_another(void **state)
{
    (void)state;
    for (int64_t id = 1; id <= 1000; id++)
        row_seen(id, "long", "default");
    row_seen(1001, "short", "default");
    row_seen(1002, "third", "default");
    row_seen(1003, "short", "default");
    given_worker("w1", .slots = 7);
    expect_deliver(1, 1, "w1");
    expect_deliver(1001, 1, "w1");
    expect_deliver(1002, 1, "w1");
    expect_deliver(2, 1, "w1");
    expect_deliver(1003, 1, "w1");
    expect_deliver(3, 1, "w1");
    expect_deliver(4, 1, "w1");
}

static void a_failed_query_comes_back_in_front_of_its_conversation(void **state)
{
    (void)state;
    for (int64_t id = 1; id <= 3; id++)
        row_seen(id, "a", "default");
    given_worker("w1");
    expect_deliver(1, 1, "w1");
    answers_with_error("w1", 1, 1, "out of ink");
    expect_retry(1, 1, "out of ink");
    expect_deliver(2, 1, "w1");
    pass_us(10 * SECOND);
    expect_nothing();
    answers("w1", 2, 1);
    expect_answer(2, 1);
    expect_deliver(1, 2, "w1");
}

static void what_was_not_handed_over_keeps_its_order(void **state)
{
    (void)state;
    for (int64_t id = 1; id <= 4; id++)
        row_seen(id, "a", "default");
    given_worker("w1", .slots = 3);
    for (int64_t id = 1; id <= 3; id++)
        expect_deliver(id, 1, "w1");
    for (int64_t id = 1; id <= 3; id++)
        undeliverable(id, 1, UNDELIVERABLE_BUSY);
    pass_us(SECOND);
    for (int64_t id = 1; id <= 3; id++)
        expect_deliver(id, 1, "w1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        script_test(a_query_goes_to_a_waiting_worker),
        script_test(a_query_waits_for_a_worker),
        script_test(the_times_of_a_query_are_told_with_its_answer),
        script_test(the_least_recently_used_worker_is_next),
        script_test(slots_are_used_in_turn_between_workers),
        script_test(a_worker_with_slots_takes_that_many_at_once),
        script_test(a_heartbeat_changes_how_many_a_worker_takes_at_once),
        script_test(a_req_worker_is_served_one_query_after_the_other),
        script_test(mdp_and_req_workers_share_a_service),
        script_test(a_worker_gets_only_its_service),
        script_test(dedicated_workers_come_before_those_for_all),
        script_test(a_worker_for_all_serves_the_services_in_turn),
        script_test(a_full_service_does_not_block_another),
        script_test(a_conversation_is_first_in_first_out),
        script_test(one_conversation_does_not_bury_another),
        script_test(a_failed_query_comes_back_in_front_of_its_conversation),
        script_test(what_was_not_handed_over_keeps_its_order),
    };
    return cmocka_run_group_tests_name("dispatch: order", tests, NULL, NULL);
}
