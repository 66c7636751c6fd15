/* What the core makes of a worker's protocol (W2 of workers.h), and who serves a service. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "tests/unit/script.h"

static bool serves(const char *service)
{
    return dispatch_serves(core(), span_str(service));
}

/* Protocols. */

static void majordomo_0_1_is_beaten_to_and_missed_for_silence_as_0_2(void **state)
{
    (void)state;
    given_worker("w1", .protocol = WORKER_MDP_01, .heartbeats = true);
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    assert_int_equal(last_action()->protocol, WORKER_MDP_01);
    pass_us(10 * SECOND);
    assert_true(heartbeats_sent("w1") > 0);
    falls_silent("w1");
    pass_us(8 * SECOND);
    expect_retry(17, 1, "no heartbeat");
    expect_disconnect("w1");
    assert_int_equal(last_action()->protocol, WORKER_MDP_01);
    expect_left("w1", "no heartbeat");
}

static void majordomo_0_1_answers_by_token(void **state)
{
    (void)state;
    given_worker("w1", .protocol = WORKER_MDP_01, .slots = 2);
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    row_seen(18, "conv_b", "default");
    expect_deliver(18, 1, "w1");
    answers("w1", 17, 1);
    expect_answer(17, 1);
    assert_int_equal(worker_called("w1")->in_flight, 1);
}

static void a_rep_worker_gets_no_heartbeat_and_is_never_missed_for_silence(void **state)
{
    (void)state;
    given_worker("rep", .protocol = WORKER_REP);
    pass_us(86400 * SECOND);
    expect_nothing();
    assert_int_equal(heartbeats_sent("rep"), 0);
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "rep");
    assert_int_equal(last_action()->protocol, WORKER_REP);
    row_seen(18, "conv_a", "default");
    expect_nothing();
    answers("rep", 17, 1);
    expect_answer(17, 1);
    expect_deliver(18, 1, "rep");
}

static void a_rep_worker_is_told_when_its_lease_is_over(void **state)
{
    (void)state;
    given_settings(.lease_us = 10 * SECOND);
    given_worker("rep", .protocol = WORKER_REP);
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "rep");
    pass_us(10 * SECOND);
    expect_retry(17, 1, "no answer within the lease");
    expect_disconnect("rep");
    assert_int_equal(last_action()->protocol, WORKER_REP);
    expect_left("rep", "no answer within the lease");
    assert_null(worker_called("rep"));
}

/* Its connection before may still say something, while a query is with it over a fresh one. */
static void what_a_rep_worker_says_is_about_the_attempt_that_its_token_names(void **state)
{
    (void)state;
    given_worker("rep", .protocol = WORKER_REP);
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "rep");
    row_seen(18, "conv_a", "default");
    row_exists(19, "conv_a", "default");
    answers_with_forged_token("rep", 19, 7);
    expect_refused("forged", 19, 7);
    expect_nothing();
    answers("rep", 17, 1);
    expect_answer(17, 1);
    expect_deliver(18, 1, "rep");
}

/* Who serves. */

static void a_service_is_served_while_a_worker_is_registered_for_it(void **state)
{
    (void)state;
    assert_false(serves("chess"));
    given_worker("w1", .service = "chess");
    assert_true(serves("chess"));
    assert_true(dispatch_unserved_since(core(), span_str("chess")) == INT64_MAX);
    assert_false(serves("poems"));
    row_seen(17, "conv_a", "chess");
    expect_deliver(17, 1, "w1");
    assert_true(serves("chess")); /* busy */
    row_seen(18, "conv_a", "poems");
    assert_false(serves("poems")); /* it is known, and nobody comes for it */
    says_disconnect("w1");
    expect_retry_and_left(17, 1, "w1", "it said DISCONNECT");
    assert_false(serves("chess"));
    assert_in_range(dispatch_unserved_since(core(), span_str("chess")), 1, INT64_MAX - 1);
    assert_int_equal(dispatch_unserved_since(core(), span_str("poems")), 0);
}

static void a_worker_for_all_services_serves_every_one(void **state)
{
    (void)state;
    given_worker("w1", .service = "*");
    given_worker("w2", .service = "*");
    assert_true(serves("chess"));
    says_disconnect("w1");
    expect_left("w1", "it said DISCONNECT");
    assert_true(serves("chess"));
    worker_says_ready("w2", .service = "poems"); /* it has changed its mind */
    expect_left("w2", "registered again");
    expect_joined("w2");
    assert_false(serves("chess"));
    assert_true(serves("poems"));
}

static void what_finds_no_room_of_its_own_is_served_as_default(void **state)
{
    char name[32];
    (void)state;
    for (int i = 0; i < LIMIT_SERVICES - 1; i++) { /* and "default" */
        snprintf(name, sizeof name, "service%d", i);
        row_seen(1 + i, "conv_a", name);
    }
    assert_false(serves("another"));
    given_worker("w1");
    assert_true(serves("another"));
    assert_false(serves("service7"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        script_test(majordomo_0_1_is_beaten_to_and_missed_for_silence_as_0_2),
        script_test(majordomo_0_1_answers_by_token),
        script_test(a_rep_worker_gets_no_heartbeat_and_is_never_missed_for_silence),
        script_test(a_rep_worker_is_told_when_its_lease_is_over),
        script_test(what_a_rep_worker_says_is_about_the_attempt_that_its_token_names),
        script_test(a_service_is_served_while_a_worker_is_registered_for_it),
        script_test(a_worker_for_all_services_serves_every_one),
        script_test(what_finds_no_room_of_its_own_is_served_as_default),
    };
    return cmocka_run_group_tests_name("dispatch: protocols", tests, NULL, NULL);
}
