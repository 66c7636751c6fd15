/* Queries that a worker gives back: D4 of dispatch.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/script.h"

#define PAUSE (100 * SECOND)

/* Row 17 is with w1 for its first attempt. */
static void given_a_query_at_w1(void)
{
    given_worker("w1");
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
}

/* w1 gives row 17 back COUNT times, from attempt FIRST on, and has it again in the end. */
static void give_back_from(uint32_t first, uint32_t count)
{
    for (uint32_t attempt = first; attempt < first + count; attempt++) {
        gives_back("w1", 17, attempt, "not now");
        expect_returned(17, attempt, "not now");
        pass_us(PAUSE);
        expect_deliver(17, attempt + 1, "w1");
    }
}

static void a_query_given_back_pauses_and_costs_nothing(void **state)
{
    (void)state;
    given_a_query_at_w1();
    gives_back("w1", 17, 1, "stopping");
    expect_returned(17, 1, "stopping");
    assert_int_equal(last_action()->failed, 0);
    assert_int_equal(worker_called("w1")->in_flight, 0);
    assert_int_equal(dispatch_outstanding(core()), 0);
    pass_us(last_action()->due_us - now_us() - 1);
    expect_nothing();
    pass_us(1);
    expect_deliver(17, 2, "w1");
}

static void what_was_given_back_may_go_to_another_worker(void **state)
{
    (void)state;
    given_a_query_at_w1();
    gives_back("w1", 17, 1, "stopping");
    expect_returned(17, 1, "stopping");
    says_disconnect("w1");
    expect_left("w1", "it said DISCONNECT");
    given_worker("w2");
    pass_us(PAUSE);
    expect_deliver(17, 2, "w2");
}

static void the_first_twenty_returns_are_free_and_the_next_one_costs(void **state)
{
    (void)state;
    given_settings(.attempts = 2);
    given_a_query_at_w1();
    give_back_from(1, RETURNS_FREE);
    gives_back("w1", 17, 21, "again not");
    expect_retry(17, 21, "again not");
    assert_int_equal(last_action()->failed, 1);
    pass_us(PAUSE);
    expect_deliver(17, 22, "w1");
    gives_back("w1", 17, 22, "never");
    expect_dead(17, 2, "never");
}

static void returns_use_up_no_attempts(void **state)
{
    (void)state;
    given_a_query_at_w1();
    give_back_from(1, 10);
    for (uint32_t failed = 1; failed < 5; failed++) {
        answers_with_error("w1", 17, 10 + failed, "no");
        expect_retry(17, 10 + failed, "no");
        pass_us(PAUSE);
        expect_deliver(17, 11 + failed, "w1");
    }
    answers_with_error("w1", 17, 15, "no");
    expect_dead(17, 5, "no");
    assert_int_equal(last_action()->attempt, 15);
}

static void an_answer_after_a_return_wins(void **state)
{
    (void)state;
    given_a_query_at_w1();
    gives_back("w1", 17, 1, "not now");
    expect_returned(17, 1, "not now");
    answers("w1", 17, 1); /* on second thoughts */
    expect_answer(17, 1);
    pass_us(PAUSE);
    expect_nothing();
}

static void a_return_of_a_past_attempt_is_refused(void **state)
{
    (void)state;
    given_a_late_worker();
    gives_back("late", 17, 1, "too late");
    expect_refused("past", 17, 1);
    assert_int_equal(worker_called("late")->in_flight, 1); /* 18; the slot of 17 is free again */
    answers("next", 17, 2);
    expect_answer(17, 2);
}

static void a_return_by_somebody_else_is_refused(void **state)
{
    (void)state;
    given_a_query_at_w1();
    gives_back("stranger", 17, 1, "not for you");
    expect_refused("past", 17, 1);
    row_exists(18, "conv_a", "default");
    gives_back("stranger", 18, 1, "nor this");
    expect_refused("past", 18, 1);
    answers("w1", 17, 1);
    expect_answer(17, 1);
}

static void a_return_while_the_answer_is_committed_is_a_duplicate(void **state)
{
    (void)state;
    given_a_late_worker();
    answers("late", 17, 1);
    expect_answer(17, 1);
    gives_back("next", 17, 2, "oh");
    expect_refused("duplicate", 17, 2);
    assert_int_equal(worker_called("next")->in_flight, 0);
}

static void a_return_is_written_only_where_something_is_on_record(void **state)
{
    (void)state;
    given_settings(.record_after_us = SECOND);
    hold_records();
    given_a_query_at_w1();
    gives_back("w1", 17, 1, "at once");
    expect_returned(17, 1, "at once");
    assert_false(last_action()->recorded);
    pass_us(10 * SECOND);
    expect_deliver(17, 2, "w1"); /* it waited for nobody to write */
    pass_us(SECOND);
    expect_record(17, 2, "w1");
    gives_back("w1", 17, 2, "later");
    expect_returned(17, 2, "later");
    assert_true(last_action()->recorded);
    pass_us(PAUSE);
    expect_nothing();
    recorded(17);
    expect_deliver(17, 3, "w1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        script_test(a_query_given_back_pauses_and_costs_nothing),
        script_test(what_was_given_back_may_go_to_another_worker),
        script_test(the_first_twenty_returns_are_free_and_the_next_one_costs),
        script_test(returns_use_up_no_attempts),
        script_test(an_answer_after_a_return_wins),
        script_test(a_return_of_a_past_attempt_is_refused),
        script_test(a_return_by_somebody_else_is_refused),
        script_test(a_return_while_the_answer_is_committed_is_a_duplicate),
        script_test(a_return_is_written_only_where_something_is_on_record),
    };
    return cmocka_run_group_tests_name("dispatch: returns", tests, NULL, NULL);
}
