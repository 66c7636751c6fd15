/* Attempts that fail: D3 and D4 of dispatch.h, back-off, and the end of all attempts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/script.h"

/* Takes query 17 to attempt LAST at w1, by errors. */
static void fail_until(uint32_t last)
{
    for (uint32_t attempt = 1; attempt < last; attempt++) {
        expect_deliver(17, attempt, "w1");
        answers_with_error("w1", 17, attempt, "no luck");
        expect_retry(17, attempt, "no luck");
        pass_us(100 * SECOND);
    }
    expect_deliver(17, last, "w1");
}

/* D3: errors and partials. */

static void an_error_of_a_past_attempt_is_refused(void **state)
{
    (void)state;
    given_a_late_worker();
    answers_with_error("late", 17, 1, "too late");
    expect_refused("past", 17, 1);
    assert_int_equal(worker_called("late")->in_flight, 1); /* 18; the slot of 17 is free again */
    answers("next", 17, 2);
    expect_answer(17, 2);
}

static void a_past_error_that_forbids_another_try_is_refused_too(void **state)
{
    (void)state;
    given_a_late_worker();
    gives_up("late", 17, 1, "never");
    expect_refused("past", 17, 1);
    answers("next", 17, 2);
    expect_answer(17, 2);
}

static void an_error_while_the_answer_is_committed_is_a_duplicate(void **state)
{
    (void)state;
    given_a_late_worker();
    answers("late", 17, 1);
    expect_answer(17, 1);
    answers_with_error("next", 17, 2, "oh");
    expect_refused("duplicate", 17, 2);
}

static void an_error_for_a_query_of_an_earlier_run_is_refused(void **state)
{
    (void)state;
    row_exists(17, "conv_a", "default");
    answers_with_error("stranger", 17, 1, "oh");
    expect_refused("past", 17, 1);
    row_seen(17, "conv_a", "default");
    answers_with_error("stranger", 17, 1, "oh");
    expect_refused("past", 17, 1);
    given_worker("w1");
    expect_deliver(17, 1, "w1");
}

static void a_partial_of_a_past_attempt_is_refused(void **state)
{
    (void)state;
    given_a_late_worker();
    sends_partial("late", 17, 1);
    expect_refused("past", 17, 1);
    sends_partial("next", 17, 2);
    expect_nothing();
    sends_partial("stranger", 17, 2);
    expect_refused("past", 17, 2);
}

/* D4: attempts and back-off. */

static void five_failures_make_a_query_dead_with_their_number(void **state)
{
    (void)state;
    given_worker("w1");
    row_seen(17, "conv_a", "default");
    fail_until(5);
    answers_with_error("w1", 17, 5, "no luck at all");
    expect_dead(17, 5, "no luck at all");
    assert_string_equal(last_action()->worker, "w1");
    answers("w1", 17, 5);
    expect_refused("duplicate", 17, 5);
    committed(17);
    pass_us(1000 * SECOND);
    expect_nothing();
    assert_int_equal(dispatch_outstanding(core()), 0);
    assert_int_equal(dispatch_backing_off(core()), 0);
}

static void retry_false_makes_a_query_dead_at_once(void **state)
{
    (void)state;
    given_worker("w1");
    row_seen(17, "conv_a", "default");
    fail_until(2);
    gives_up("w1", 17, 2, "not a question");
    expect_dead(17, 2, "not a question");
    committed(17);
    row_seen(18, "conv_a", "default");
    expect_deliver(18, 1, "w1");
}

static void one_attempt_is_all_when_so_configured(void **state)
{
    (void)state;
    given_settings(.attempts = 1);
    given_worker("w1");
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    answers_with_error("w1", 17, 1, "no");
    expect_dead(17, 1, "no");
}

static void an_answer_after_failures_is_an_answer(void **state)
{
    (void)state;
    given_worker("w1");
    row_seen(17, "conv_a", "default");
    fail_until(5);
    answers("w1", 17, 5);
    expect_answer(17, 5);
}

static void a_long_reason_is_cut(void **state)
{
    char reason[LIMIT_REASON * 2 + 1], cut[LIMIT_REASON + 1];
    (void)state;
    memset(reason, 'x', sizeof reason - 1);
    reason[sizeof reason - 1] = '\0';
    memset(cut, 'x', sizeof cut - 1);
    cut[sizeof cut - 1] = '\0';
    given_worker("w1");
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    gives_up("w1", 17, 1, reason);
    expect_dead(17, 1, cut);
}

/* The pauses of one query that fails at every attempt, as told by RETRY and as kept. */
static void measure_pauses(int64_t id, int64_t *pause_us, uint32_t count)
{
    row_seen(id, "conv_a", "default");
    for (uint32_t attempt = 1; attempt <= count; attempt++) {
        int64_t due_us;
        expect_deliver(id, attempt, "w1");
        answers_with_error("w1", id, attempt, "no");
        expect_retry(id, attempt, "no");
        due_us = last_action()->due_us;
        pause_us[attempt - 1] = due_us - now_us();
        pass_us(pause_us[attempt - 1] - 1);
        expect_nothing();
        pass_us(1);
    }
    expect_deliver(id, count + 1, "w1");
    answers("w1", id, count + 1);
    expect_answer(id, count + 1);
    committed(id);
}

static void back_off_doubles_within_its_jitter_up_to_its_cap(void **state)
{
    enum { QUERIES = 200, PAUSES = 7 };
    static const int64_t middle_us[PAUSES] = {SECOND,      2 * SECOND,  4 * SECOND, 8 * SECOND,
                                              10 * SECOND, 10 * SECOND, 10 * SECOND};
    int64_t least[PAUSES], most[PAUSES];

    (void)state;
    given_settings(.attempts = 20, .backoff_max_us = 10 * SECOND);
    given_worker("w1");
    for (int64_t id = 1; id <= QUERIES; id++) {
        int64_t pause_us[PAUSES];
        measure_pauses(id, pause_us, PAUSES);
        for (size_t i = 0; i < PAUSES; i++) {
            if (id == 1 || pause_us[i] < least[i])
                least[i] = pause_us[i];
            if (id == 1 || pause_us[i] > most[i])
                most[i] = pause_us[i];
        }
    }
    for (size_t i = 0; i < PAUSES; i++) {
        assert_in_range(least[i], middle_us[i] * 3 / 4, middle_us[i] * 4 / 5);
        assert_in_range(most[i], middle_us[i] * 6 / 5, middle_us[i] * 5 / 4);
    }
}

static void the_same_seed_gives_the_same_pauses(void **state)
{
    int64_t first[4], again[4], other[4];
    (void)state;
    given_settings(.seed = 1234);
    given_worker("w1");
    measure_pauses(17, first, 4);
    given_settings(.seed = 1234);
    given_worker("w1");
    measure_pauses(18, again, 4);
    given_settings(.seed = 1235);
    given_worker("w1");
    measure_pauses(19, other, 4);
    assert_memory_equal(first, again, sizeof first);
    assert_memory_not_equal(first, other, sizeof first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        script_test(an_error_of_a_past_attempt_is_refused),
        script_test(a_past_error_that_forbids_another_try_is_refused_too),
        script_test(an_error_while_the_answer_is_committed_is_a_duplicate),
        script_test(an_error_for_a_query_of_an_earlier_run_is_refused),
        script_test(a_partial_of_a_past_attempt_is_refused),
        script_test(five_failures_make_a_query_dead_with_their_number),
        script_test(retry_false_makes_a_query_dead_at_once),
        script_test(one_attempt_is_all_when_so_configured),
        script_test(an_answer_after_failures_is_an_answer),
        script_test(a_long_reason_is_cut),
        script_test(back_off_doubles_within_its_jitter_up_to_its_cap),
        script_test(the_same_seed_gives_the_same_pauses),
    };
    return cmocka_run_group_tests_name("dispatch: attempts", tests, NULL, NULL);
}
