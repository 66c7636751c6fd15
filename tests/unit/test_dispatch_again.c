/* Workers that register again while they work: on the same connection, or on another one while the
 * first still counts as theirs (D8). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "tests/unit/script.h"

#define TOO_LONG "the attempt lasted longer than attempt.max"

static void a_worker_that_registers_again_keeps_what_it_holds(void **state)
{
    (void)state;
    given_worker("w1", .heartbeats = true);
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    worker_says_ready("w1", .holds = {HELD(17, 1)}, .heartbeats = true);
    expect_left("w1", "registered again");
    expect_joined("w1");
    assert_int_equal(worker_called("w1")->in_flight, 1);
    assert_int_equal(dispatch_where(core(), 17, NULL), PLACE_LEASED);
    pass_us(100 * SECOND);
    expect_nothing();
    answers("w1", 17, 1);
    expect_answer(17, 1);
    assert_int_equal(worker_called("w1")->in_flight, 0);
    committed(17);
    assert_int_equal(flights(), 0);
}

static void only_what_a_second_ready_does_not_name_has_failed(void **state)
{
    (void)state;
    given_worker("w1", .slots = 3, .heartbeats = true);
    for (int64_t id = 17; id <= 19; id++) {
        row_seen(id, "conv_a", "default");
        expect_deliver(id, 1, "w1");
    }
    /* The second is of another attempt, the third has a MAC that is not ours. */
    worker_says_ready("w1", .slots = 3, .heartbeats = true,
                      .holds = {HELD(17, 1), HELD(18, 2), HELD(19, 1, .forged = true)});
    expect_retry(19, 1, "registered again");
    expect_retry(18, 1, "registered again");
    expect_left("w1", "registered again");
    expect_joined("w1");
    expect_adopted(18, 2, "w1");
    expect_refused("forged", 19, 1);
    answers("w1", 17, 1);
    expect_answer(17, 1);
    committed(17);
    pass_us(2 * SECOND);
    expect_deliver(19, 2, "w1");
}

static void what_is_kept_may_be_more_than_the_new_slots_and_of_another_service(void **state)
{
    (void)state;
    given_worker("w1", .slots = 2, .heartbeats = true);
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    row_seen(18, "conv_b", "default");
    expect_deliver(18, 1, "w1");
    row_seen(19, "conv_c", "chess");
    worker_says_ready("w1", .service = "chess", .heartbeats = true,
                      .holds = {HELD(17, 1), HELD(18, 1)});
    expect_left("w1", "registered again");
    expect_joined("w1");
    assert_int_equal(worker_called("w1")->in_flight, 2);
    answers("w1", 17, 1);
    expect_answer(17, 1);
    committed(17);
    expect_nothing(); /* its one slot is taken */
    answers("w1", 18, 1);
    expect_answer(18, 1);
    expect_deliver(19, 1, "w1");
}

static void what_is_kept_has_no_more_time_than_before(void **state)
{
    (void)state;
    given_settings(.attempt_max_us = 60 * SECOND);
    given_worker("w1", .heartbeats = true);
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    pass_us(59 * SECOND);
    worker_says_ready("w1", .holds = {HELD(17, 1)}, .heartbeats = true);
    expect_left("w1", "registered again");
    expect_joined("w1");
    pass_us(SECOND);
    expect_retry(17, 1, TOO_LONG);
    expect_disconnect("w1");
    expect_left("w1", TOO_LONG);
}

static void what_has_not_come_to_it_yet_costs_nothing(void **state)
{
    (void)state;
    given_settings(.claim = true);
    given_worker("w1", .heartbeats = true);
    row_seen(17, "conv_a", "default");
    expect_claim(17, 1, "w1");
    worker_says_ready("w1", .heartbeats = true);
    expect_left("w1", "registered again");
    expect_joined("w1");
    claimed(17);
    expect_deliver(17, 1, "w1");
}

static void where_there_is_no_room_for_its_new_service_all_has_failed(void **state)
{
    char name[32];
    (void)state;
    given_worker("w1", .heartbeats = true);
    row_seen(10000, "conv_a", "default");
    expect_deliver(10000, 1, "w1");
    for (int i = 0; i < LIMIT_SERVICES - 1; i++) { /* and "default" */
        snprintf(name, sizeof name, "service%d", i);
        row_seen(1 + i, "conv_b", name);
    }
    worker_says_ready("w1", .service = "another", .holds = {HELD(10000, 1)}, .heartbeats = true);
    expect_left("w1", "registered again");
    expect_retry(10000, 1, "registered again");
    assert_null(worker_called("w1"));
    assert_int_equal(any_action()->kind, ACTION_REFUSED);
}

/* A connection that is dead may count as open for a while: its worker comes on another one. */

static void its_earlier_connection_gives_up_what_a_worker_names(void **state)
{
    (void)state;
    given_worker("w1", .slots = 2, .heartbeats = true);
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    falls_silent("w1");
    worker_says_ready("fresh", .called = "w1", .holds = {HELD(17, 1)}, .heartbeats = true);
    expect_joined("w1");
    expect_adopted(17, 1, "w1");
    assert_int_equal(worker_called("w1")->in_flight, 0);
    assert_int_equal(worker_called("fresh")->in_flight, 1);
    row_seen(18, "conv_b", "default");
    expect_nothing(); /* the earlier one is to be heard first */
    pass_us(8 * SECOND);
    expect_disconnect("w1");
    expect_left("w1", "no heartbeat");
    answers("fresh", 17, 1);
    expect_answer(17, 1);
    expect_deliver(18, 1, "w1");
    assert_int_equal(worker_called("fresh")->in_flight, 1);
}

static void somebody_of_another_name_does_not_get_it(void **state)
{
    (void)state;
    given_worker("w1", .heartbeats = true);
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    given_worker("w2", .holds = {HELD(17, 1)}, .heartbeats = true);
    assert_int_equal(worker_called("w1")->in_flight, 1);
    answers_with_error("w2", 17, 1, "no");
    expect_refused("past", 17, 1);
    answers("w1", 17, 1);
    expect_answer(17, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        script_test(a_worker_that_registers_again_keeps_what_it_holds),
        script_test(only_what_a_second_ready_does_not_name_has_failed),
        script_test(what_is_kept_may_be_more_than_the_new_slots_and_of_another_service),
        script_test(what_is_kept_has_no_more_time_than_before),
        script_test(what_has_not_come_to_it_yet_costs_nothing),
        script_test(where_there_is_no_room_for_its_new_service_all_has_failed),
        script_test(its_earlier_connection_gives_up_what_a_worker_names),
        script_test(somebody_of_another_name_does_not_get_it),
    };
    return cmocka_run_group_tests_name("dispatch: registering again", tests, NULL, NULL);
}
