/* What is on disk before something else may happen, and what never gets there: D6 of dispatch.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/script.h"

#define PAUSE (100 * SECOND)

/* Row 17 has failed once at w1, which is not on disk yet. */
static void given_an_unrecorded_failure(void)
{
    hold_records();
    given_worker("w1", .heartbeats = true);
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    answers_with_error("w1", 17, 1, "no");
    expect_retry(17, 1, "no");
}

/* Failures. */

static void no_attempt_begins_before_the_last_failure_is_on_disk(void **state)
{
    (void)state;
    given_an_unrecorded_failure();
    pass_us(3600 * SECOND); /* the pause is long over: the disk is slow */
    expect_nothing();
    assert_int_equal(dispatch_backing_off(core()), 1);
    given_worker("w2");
    beats("w2");
    expect_nothing();
    recorded(17);
    expect_deliver(17, 2, "w1");
}

static void being_on_disk_does_not_shorten_the_pause(void **state)
{
    int64_t due_us;
    (void)state;
    given_an_unrecorded_failure();
    due_us = last_action()->due_us;
    recorded(17);
    expect_nothing();
    pass_us(due_us - now_us() - 1);
    expect_nothing();
    pass_us(1);
    expect_deliver(17, 2, "w1");
}

static void a_late_answer_does_not_wait_for_the_disk(void **state)
{
    (void)state;
    given_an_unrecorded_failure();
    answers("w1", 17, 1);
    expect_answer(17, 1);
    recorded(17); /* it was under way */
    expect_nothing();
    committed(17);
    recorded(17);
    pass_us(PAUSE);
    expect_nothing();
    assert_int_equal(flights(), 0);
}

static void a_late_answer_after_the_pause_does_not_wait_for_the_disk_either(void **state)
{
    (void)state;
    given_an_unrecorded_failure();
    pass_us(PAUSE);
    answers("w1", 17, 1);
    expect_answer(17, 1);
    recorded(17);
    expect_nothing();
    committed(17);
}

static void each_of_two_failures_is_waited_for(void **state)
{
    (void)state;
    given_an_unrecorded_failure();
    worker_says_ready("w2", .holds = {HELD(17, 1)}, .heartbeats = true);
    expect_joined("w2");
    expect_adopted(17, 1, "w2");
    answers_with_error("w2", 17, 1, "no again");
    expect_retry(17, 1, "no again");
    pass_us(PAUSE);
    recorded(17); /* the first one */
    expect_nothing();
    recorded(17);
    expect_deliver(17, 2, "w1");
}

static void word_of_a_record_that_nobody_waits_for_changes_nothing(void **state)
{
    (void)state;
    given_worker("w1");
    recorded(17);
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    recorded(17);
    expect_nothing();
    answers("w1", 17, 1);
    expect_answer(17, 1);
}

/* Leases. */

static void fast_work_leaves_no_trace(void **state)
{
    (void)state;
    given_settings(.record_after_us = 250 * MS);
    given_worker("w1");
    for (int64_t id = 1; id <= 10; id++) {
        row_seen(id, "a", "default");
        expect_deliver(id, 1, "w1");
        pass_us(250 * MS - 1);
        answers("w1", id, 1);
        expect_answer(id, 1);
        assert_false(last_action()->recorded);
        committed(id);
    }
    pass_us(10 * SECOND);
    expect_nothing();
}

static void work_that_lasts_is_recorded_once(void **state)
{
    (void)state;
    given_settings(.record_after_us = 250 * MS, .lease_us = 60 * SECOND);
    given_worker("w1", .pid = 4321);
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    pass_us(250 * MS);
    expect_record(17, 1, "w1");
    assert_true(last_action()->due_us == now_us() - 250 * MS + 60 * SECOND);
    assert_int_equal(last_action()->pid, 4321);
    pass_us(50 * SECOND);
    answers("w1", 17, 1);
    expect_answer(17, 1);
    assert_true(last_action()->recorded);
}

static void the_lease_of_a_worker_that_beats_has_no_end_on_record(void **state)
{
    (void)state;
    given_settings(.record_after_us = 250 * MS);
    given_worker("w1", .heartbeats = true);
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    pass_us(250 * MS);
    expect_record(17, 1, "w1");
    assert_true(last_action()->due_us == 0);
    for (int i = 0; i < 10; i++) {
        pass_us(200 * SECOND);
        sends_partial("w1", 17, 1);
        expect_nothing();
    }
}

static void each_attempt_that_lasts_is_recorded(void **state)
{
    (void)state;
    given_settings(.record_after_us = 250 * MS);
    given_worker("w1");
    row_seen(17, "conv_a", "default");
    for (uint32_t attempt = 1; attempt <= 3; attempt++) {
        expect_deliver(17, attempt, "w1");
        pass_us(SECOND / 4);
        expect_record(17, attempt, "w1");
        assert_int_equal(last_action()->failed, attempt - 1);
        answers_with_error("w1", 17, attempt, "no");
        expect_retry(17, attempt, "no");
        pass_us(PAUSE);
    }
    expect_deliver(17, 4, "w1");
}

static void the_first_attempts_are_recorded_at_once(void **state)
{
    (void)state;
    given_settings(.record_after_us = 250 * MS, .record_at_once = 2);
    given_worker("w1", .slots = 4);
    for (int64_t id = 1; id <= 2; id++) {
        row_seen(id, "a", "default");
        expect_deliver(id, 1, "w1");
        expect_record(id, 1, "w1");
    }
    row_seen(3, "a", "default");
    expect_deliver(3, 1, "w1");
    expect_nothing();
    pass_us(250 * MS);
    expect_record(3, 1, "w1");
}

static void partials_that_move_the_end_of_a_lease_far_are_recorded_again(void **state)
{
    (void)state;
    given_settings(.record_after_us = SECOND, .lease_us = 60 * SECOND);
    given_worker("w1");
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    pass_us(SECOND);
    expect_record(17, 1, "w1");
    pass_us(29 * SECOND);
    sends_partial("w1", 17, 1); /* 30 s further: half a lease is left on record */
    expect_nothing();
    pass_us(1);
    sends_partial("w1", 17, 1);
    expect_record(17, 1, "w1");
    assert_true(last_action()->due_us == now_us() + 60 * SECOND);
    pass_us(30 * SECOND);
    sends_partial("w1", 17, 1);
    expect_nothing();
}

static void a_partial_of_a_fast_second_attempt_is_not_recorded(void **state)
{
    (void)state;
    given_settings(.record_after_us = SECOND);
    given_worker("w1");
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    answers_with_error("w1", 17, 1, "no");
    expect_retry(17, 1, "no");
    pass_us(PAUSE);
    expect_deliver(17, 2, "w1");
    sends_partial("w1", 17, 2);
    expect_nothing();
    pass_us(SECOND);
    expect_record(17, 2, "w1");
}

static void what_ended_before_is_not_recorded(void **state)
{
    (void)state;
    given_settings(.record_after_us = SECOND);
    given_worker("w1");
    given_worker("w2");
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    says_disconnect("w1");
    expect_retry_and_left(17, 1, "w1", "it said DISCONNECT");
    row_seen(18, "conv_b", "default");
    expect_deliver(18, 1, "w2");
    answers("stranger", 18, 1);
    expect_answer(18, 1);
    pass_us(SECOND / 2);
    expect_nothing();
    committed(18);
    pass_us(SECOND / 2);
    expect_nothing();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        script_test(no_attempt_begins_before_the_last_failure_is_on_disk),
        script_test(being_on_disk_does_not_shorten_the_pause),
        script_test(a_late_answer_does_not_wait_for_the_disk),
        script_test(a_late_answer_after_the_pause_does_not_wait_for_the_disk_either),
        script_test(each_of_two_failures_is_waited_for),
        script_test(word_of_a_record_that_nobody_waits_for_changes_nothing),
        script_test(fast_work_leaves_no_trace),
        script_test(work_that_lasts_is_recorded_once),
        script_test(the_lease_of_a_worker_that_beats_has_no_end_on_record),
        script_test(each_attempt_that_lasts_is_recorded),
        script_test(the_first_attempts_are_recorded_at_once),
        script_test(partials_that_move_the_end_of_a_lease_far_are_recorded_again),
        script_test(a_partial_of_a_fast_second_attempt_is_not_recorded),
        script_test(what_ended_before_is_not_recorded),
    };
    return cmocka_run_group_tests_name("dispatch: records", tests, NULL, NULL);
}
