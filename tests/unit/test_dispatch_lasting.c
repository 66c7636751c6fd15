/* How long an attempt may last that a restart, or the loss of its worker, interrupts: D4 and D8 of
 * dispatch.h. It goes on, and its time with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/script.h"

#define STOPPED "the gateway stopped, and its worker did not come back"
#define ATTEMPT_OVER "the attempt lasted longer than attempt.max"

/* An attempt of 17 began AGE_US before the restart; it may last 100 s, and with partials 200 s. */
static void given_an_attempt_of_age(int64_t age_us, int64_t held_us)
{
    given_settings(.attempt_max_us = 100 * SECOND, .attempt_hard_max_us = 200 * SECOND,
                   .grace_us = 2 * SECOND, .lease_us = 50 * SECOND, .record_after_us = SECOND);
    row_exists(17, "conv_a", "default");
    given_restored(17, .leased = true, .for_us = held_us, .age_us = age_us, .pid = 7);
}

static void takes_it_up(const char *name, bool heartbeats)
{
    worker_says_ready(name, .holds = {HELD(17, 1)}, .heartbeats = heartbeats, .slots = 2);
    expect_joined(name);
}

static void expect_time_is_over(const char *name)
{
    expect_retry(17, 1, ATTEMPT_OVER);
    expect_disconnect(name);
    expect_left(name, ATTEMPT_OVER);
}

/* Waiting for its worker. */

static void nothing_is_held_longer_than_its_attempt_may_last(void **state)
{
    (void)state;
    given_an_attempt_of_age(190 * SECOND, 3600 * SECOND);
    pass_us(10 * SECOND - 1);
    expect_nothing();
    pass_us(1);
    expect_retry(17, 1, ATTEMPT_OVER);
}

static void partials_prolong_the_waiting_no_further_than_that(void **state)
{
    (void)state;
    given_an_attempt_of_age(195 * SECOND, SECOND);
    for (int i = 0; i < 9; i++) {
        sends_partial("stranger", 17, 1);
        pass_us(500 * MS);
        expect_nothing();
    }
    sends_partial("stranger", 17, 1);
    pass_us(500 * MS);
    expect_retry(17, 1, ATTEMPT_OVER);
}

static void an_attempt_that_is_over_fails_at_once(void **state)
{
    (void)state;
    given_an_attempt_of_age(5000 * SECOND, 3600 * SECOND);
    pass_us(1);
    expect_retry(17, 1, ATTEMPT_OVER);
    assert_int_equal(last_action()->failed, 1);
}

static void an_attempt_of_unknown_age_counts_from_the_restart(void **state)
{
    (void)state;
    given_an_attempt_of_age(0, 3600 * SECOND);
    pass_us(200 * SECOND - 1);
    expect_nothing();
    pass_us(1);
    expect_retry(17, 1, ATTEMPT_OVER);
}

/* Taken up again. */

static void attempt_max_goes_on_counting_over_a_restart(void **state)
{
    (void)state;
    given_an_attempt_of_age(60 * SECOND, 10 * SECOND);
    takes_it_up("w1", true);
    expect_adopted(17, 1, "w1");
    assert_true(last_action()->leased_us == now_us() - 60 * SECOND);
    assert_true(last_action()->seen_us == now_us() - 60 * SECOND); /* it has not waited since */
    pass_us(SECOND);
    expect_record(17, 1, "w1"); /* so that the next restart knows it, too */
    assert_true(last_action()->leased_us == now_us() - 61 * SECOND);
    pass_us(39 * SECOND - 1);
    expect_nothing();
    pass_us(1);
    expect_time_is_over("w1");
}

static void hard_max_goes_on_counting_over_a_restart(void **state)
{
    static const bool heartbeats[] = {true, false};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        given_an_attempt_of_age(60 * SECOND, 10 * SECOND);
        takes_it_up("w1", heartbeats[i]);
        expect_adopted(17, 1, "w1");
        pass_us(SECOND);
        expect_record(17, 1, "w1");
        for (int partial = 0; partial < 6; partial++) {
            pass_us(20 * SECOND);
            sends_partial("w1", 17, 1);
            if (!heartbeats[i] && partial % 2 == 0)
                expect_record(17, 1, "w1"); /* its end has moved by more than half a lease */
        }
        pass_us(19 * SECOND - 1);
        expect_nothing();
        pass_us(1);
        expect_time_is_over("w1");
    }
}

static void beyond_attempt_max_a_partial_within_the_grace_carries_it_on(void **state)
{
    (void)state;
    given_an_attempt_of_age(150 * SECOND, 10 * SECOND); /* partials have carried it so far */
    takes_it_up("w1", true);
    expect_adopted(17, 1, "w1");
    pass_us(SECOND);
    expect_record(17, 1, "w1");
    sends_partial("w1", 17, 1);
    pass_us(49 * SECOND - 1);
    expect_nothing();
    pass_us(1);
    expect_time_is_over("w1");
}

static void beyond_attempt_max_without_one_it_is_over(void **state)
{
    (void)state;
    given_an_attempt_of_age(150 * SECOND, 10 * SECOND);
    takes_it_up("w1", true);
    expect_adopted(17, 1, "w1");
    pass_us(SECOND);
    expect_record(17, 1, "w1");
    pass_us(SECOND - 1);
    expect_nothing();
    pass_us(1);
    expect_time_is_over("w1");
}

static void what_is_over_is_not_taken_up_again_but_may_still_be_answered(void **state)
{
    (void)state;
    given_an_attempt_of_age(200 * SECOND, 10 * SECOND);
    takes_it_up("w1", true);
    expect_retry(17, 1, ATTEMPT_OVER);
    assert_int_equal(worker_called("w1")->in_flight, 1);
    answers("w1", 17, 1);
    expect_answer(17, 1);
    assert_int_equal(worker_called("w1")->in_flight, 0);
}

static void its_worker_is_told_and_a_second_time_costs_nothing(void **state)
{
    (void)state;
    given_an_attempt_of_age(200 * SECOND, 10 * SECOND);
    takes_it_up("w1", true);
    expect_retry(17, 1, ATTEMPT_OVER);
    pass_us(1);
    expect_disconnect("w1");
    expect_left("w1", ATTEMPT_OVER);
    takes_it_up("w1", true); /* it insists */
    pass_us(1);
    expect_disconnect("w1");
    expect_left("w1", ATTEMPT_OVER);
    given_worker("w2");
    pass_us(2 * SECOND);
    expect_deliver(17, 2, "w2");
    assert_int_equal(last_action()->failed, 1);
}

/* Without a restart. */

static void an_attempt_does_not_begin_anew_when_its_worker_comes_again(void **state)
{
    (void)state;
    given_settings(.attempt_max_us = 100 * SECOND, .attempt_hard_max_us = 100 * SECOND,
                   .backoff_first_us = 60 * SECOND);
    given_worker("w1", .heartbeats = true);
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    pass_us(60 * SECOND);
    says_disconnect("w1");
    expect_retry_and_left(17, 1, "w1", "it said DISCONNECT");
    pass_us(20 * SECOND);
    takes_it_up("w1", true);
    expect_adopted(17, 1, "w1");
    pass_us(20 * SECOND - 1);
    expect_nothing();
    pass_us(1);
    expect_time_is_over("w1");
}

static void what_a_later_attempt_never_was_does_not_make_it_younger(void **state)
{
    (void)state;
    given_settings(.attempt_max_us = 100 * SECOND, .attempt_hard_max_us = 100 * SECOND);
    given_worker("w1");
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    pass_us(30 * SECOND);
    says_disconnect("w1");
    expect_retry_and_left(17, 1, "w1", "it said DISCONNECT");
    pass_us(10 * SECOND);
    given_worker("full");
    expect_deliver(17, 2, "full");
    undeliverable(17, 2, UNDELIVERABLE_PEER_GONE);
    expect_left("full", "its connection is closed");
    takes_it_up("w1", true);
    expect_adopted(17, 1, "w1");
    pass_us(60 * SECOND - 1);
    expect_nothing();
    pass_us(1);
    expect_retry(17, 1, ATTEMPT_OVER);
    expect_disconnect("w1");
    expect_left("w1", ATTEMPT_OVER);
}

static void a_later_attempt_has_all_its_time(void **state)
{
    int64_t begun_us;
    (void)state;
    given_an_attempt_of_age(150 * SECOND, SECOND);
    given_worker("w2", .heartbeats = true);
    pass_us(SECOND);
    expect_retry(17, 1, STOPPED);
    pass_us(1250 * MS);
    expect_deliver(17, 2, "w2");
    begun_us = last_action()->leased_us;
    assert_true(begun_us > now_us() - SECOND);
    assert_true(last_action()->deadline_us == begun_us + 100 * SECOND);
    pass_us(SECOND);
    expect_record(17, 2, "w2");
    assert_true(last_action()->leased_us == begun_us);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        script_test(nothing_is_held_longer_than_its_attempt_may_last),
        script_test(partials_prolong_the_waiting_no_further_than_that),
        script_test(an_attempt_that_is_over_fails_at_once),
        script_test(an_attempt_of_unknown_age_counts_from_the_restart),
        script_test(attempt_max_goes_on_counting_over_a_restart),
        script_test(hard_max_goes_on_counting_over_a_restart),
        script_test(beyond_attempt_max_a_partial_within_the_grace_carries_it_on),
        script_test(beyond_attempt_max_without_one_it_is_over),
        script_test(what_is_over_is_not_taken_up_again_but_may_still_be_answered),
        script_test(its_worker_is_told_and_a_second_time_costs_nothing),
        script_test(an_attempt_does_not_begin_anew_when_its_worker_comes_again),
        script_test(what_a_later_attempt_never_was_does_not_make_it_younger),
        script_test(a_later_attempt_has_all_its_time),
    };
    return cmocka_run_group_tests_name("dispatch: lasting", tests, NULL, NULL);
}
