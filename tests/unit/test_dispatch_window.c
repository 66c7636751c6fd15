/* Windows, orders and affinity, seen from outside: P2 and P5 of pending.h, W1 of workers.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include <stdio.h>

#include "tests/unit/script.h"

/* Windows. */

/* Rows FIRST to LAST of one conversation. */
static void given_rows(int64_t first, int64_t last)
{
    for (int64_t id = first; id <= last; id++)
        row_seen(id, "a", "default");
}

/* NAME takes and answers rows FIRST to LAST, in this order; the file is read when it is wanted. */
static void expect_served(const char *name, int64_t first, int64_t last)
{
    for (int64_t id = first; id <= last; id++) {
        while (refills_once("default"))
            continue;
        expect_deliver(id, 1, name);
        answers(name, id, 1);
        expect_answer(id, 1);
    }
    while (refills_once("default"))
        continue;
}

static void what_does_not_fit_waits_in_the_file_and_comes_in_order(void **state)
{
    (void)state;
    given_settings(.window = 8);
    given_rows(1, 100);
    assert_true(pending_backlog(dispatch_pending(core())) <= 10); /* and a quarter */
    assert_false(refills_once("default"));                        /* there is no room */
    given_worker("w1");
    expect_served("w1", 1, 100);
    for (int64_t id = 1; id <= 100; id++)
        committed(id);
    assert_int_equal(pending_backlog(dispatch_pending(core())), 0);
    assert_int_equal(flights(), 0);
}

static void what_comes_back_waits_in_its_place_window_or_not(void **state)
{
    (void)state;
    given_settings(.window = 4, .backoff_first_us = 100 * SECOND, .backoff_max_us = 100 * SECOND);
    given_rows(1, 8);
    given_worker("w1", .slots = 3);
    expect_deliver(1, 1, "w1");
    expect_deliver(2, 1, "w1");
    expect_deliver(3, 1, "w1");
    answers("w1", 2, 1); /* being committed: its row is unread still */
    expect_answer(2, 1);
    expect_deliver(4, 1, "w1");
    answers_with_error("w1", 3, 1, "no"); /* pauses */
    expect_retry(3, 1, "no");
    assert_true(refills_once("default"));
    expect_deliver(5, 1, "w1");
    while (refills_once("default"))
        continue;
    says_disconnect("w1");
    for (int i = 0; i < 3; i++)
        assert_int_equal(any_action()->kind, ACTION_RETRY); /* 1, 4 and 5 */
    expect_left("w1", "it said DISCONNECT");
    committed(2);
    pass_us(200 * SECOND); /* they wait again, in their places, beyond the window or not */
    given_worker("w2");
    expect_deliver(1, 2, "w2");
    answers("w2", 1, 2);
    expect_answer(1, 2);
    expect_deliver(3, 2, "w2");
}

static void what_is_in_flight_is_passed_over_when_the_file_is_read_again(void **state)
{
    (void)state;
    given_settings(.window = 2);
    row_exists(6, "a", "default");
    row_exists(7, "a", "default");
    given_restored(6, .leased = true, .for_us = 3600 * SECOND);
    given_restored(7, .failed = 1, .for_us = 3600 * SECOND);
    given_rows(1, 10);
    answers("stranger", 8, 1); /* being committed: its row is unread still */
    expect_answer(8, 1);
    given_worker("w1");
    expect_served("w1", 1, 5);
    expect_deliver(9, 1, "w1");
    answers("w1", 9, 1);
    expect_answer(9, 1);
    expect_deliver(10, 1, "w1");
}

static void a_refill_is_given_out_at_once(void **state)
{
    (void)state;
    given_settings(.window = 1);
    given_rows(1, 3);
    given_worker("w1", .slots = 3);
    expect_deliver(1, 1, "w1");
    expect_nothing();
    assert_true(refills_once("default"));
    expect_deliver(2, 1, "w1");
    assert_true(refills_once("default"));
    expect_deliver(3, 1, "w1");
}

static void a_full_window_does_not_touch_another_service(void **state)
{
    (void)state;
    given_settings(.window = 4);
    given_rules("chess", .window = 100);
    given_rows(1, 50);
    for (int64_t id = 51; id <= 90; id++)
        row_seen(id, "a", "chess");
    assert_true(pending_backlog(dispatch_pending(core())) <= 5 + 40);
    given_worker("w1", .service = "chess", .slots = 40);
    for (int64_t id = 51; id <= 90; id++)
        expect_deliver(id, 1, "w1");
}

static void one_conversation_cannot_fill_the_window_against_newcomers(void **state)
{
    (void)state;
    given_settings(.window = 8);
    given_rows(1, 50);
    row_seen(51, "new", "default");
    given_worker("w1", .slots = 2);
    expect_deliver(1, 1, "w1");
    expect_deliver(51, 1, "w1");
}

static void an_answer_for_a_row_that_waits_in_the_file_counts(void **state)
{
    (void)state;
    given_settings(.window = 2);
    given_rows(1, 10);
    answers("stranger", 9, 1);
    expect_answer(9, 1);
    committed(9);
    given_worker("w1");
    expect_served("w1", 1, 8);
    expect_deliver(10, 1, "w1");
}

/* Orders. */

static void order_fifo_is_the_order_of_arrival_over_all_conversations(void **state)
{
    static const char *const conversation[] = {"a", "a", "a", "b", "a", "c", "b"};
    (void)state;
    given_settings(.order = ORDER_FIFO);
    for (int64_t id = 1; id <= 7; id++)
        row_seen(id, conversation[id - 1], "default");
    given_worker("w1");
    expect_deliver(1, 1, "w1");
    answers_with_error("w1", 1, 1, "no");
    expect_retry(1, 1, "no");
    expect_deliver(2, 1, "w1");
    pass_us(2 * SECOND);
    answers("w1", 2, 1);
    expect_answer(2, 1);
    expect_deliver(1, 2, "w1"); /* back in its place */
    for (int64_t id = 3; id <= 7; id++) {
        answers("w1", id == 3 ? 1 : id - 1, id == 3 ? 2 : 1);
        expect_answer(id == 3 ? 1 : id - 1, id == 3 ? 2 : 1);
        expect_deliver(id, 1, "w1");
    }
}

static void order_conversation_has_one_in_flight_for_each(void **state)
{
    (void)state;
    given_settings(.order = ORDER_CONVERSATION);
    for (int64_t id = 1; id <= 3; id++)
        row_seen(id, "a", "default");
    row_seen(4, "b", "default");
    given_worker("w1", .slots = 4);
    expect_deliver(1, 1, "w1");
    expect_deliver(4, 1, "w1");
    expect_nothing();
    answers("w1", 1, 1);
    expect_answer(1, 1);
    expect_nothing(); /* not before the commit */
    committed(1);
    expect_deliver(2, 1, "w1");
    expect_nothing();
}

static void order_conversation_waits_through_failure_and_pause(void **state)
{
    (void)state;
    given_settings(.order = ORDER_CONVERSATION, .attempts = 2);
    row_seen(1, "a", "default");
    row_seen(2, "a", "default");
    given_worker("w1", .slots = 2);
    expect_deliver(1, 1, "w1");
    answers_with_error("w1", 1, 1, "no");
    expect_retry(1, 1, "no");
    expect_nothing(); /* 2 waits through the pause, */
    pass_us(2 * SECOND);
    expect_deliver(1, 2, "w1");
    expect_nothing();
    answers_with_error("w1", 1, 2, "no");
    expect_dead(1, 2, "no");
    expect_nothing(); /*   and until the error reply is committed */
    committed(1);
    expect_deliver(2, 1, "w1");
}

static void order_conversation_waits_through_the_loss_of_a_worker(void **state)
{
    (void)state;
    given_settings(.order = ORDER_CONVERSATION);
    given_worker("w1");
    row_seen(1, "a", "default");
    expect_deliver(1, 1, "w1");
    row_seen(2, "a", "default");
    says_disconnect("w1");
    expect_retry_and_left(1, 1, "w1", "it said DISCONNECT");
    given_worker("w2", .slots = 2);
    expect_nothing();
    pass_us(2 * SECOND);
    expect_deliver(1, 2, "w2");
    undeliverable(1, 2, UNDELIVERABLE_BUSY);
    pass_us(SECOND);
    expect_deliver(1, 2, "w2");
    undeliverable(1, 2, UNDELIVERABLE_ENDED);
    expect_deliver(2, 1, "w2");
}

static void order_conversation_waits_for_an_answer_from_before_a_restart(void **state)
{
    (void)state;
    given_settings(.order = ORDER_CONVERSATION);
    row_exists(1, "a", "default");
    answers("stranger", 1, 1);
    expect_answer(1, 1);
    given_worker("w1");
    row_seen(2, "a", "default");
    expect_nothing();
    committed(1);
    expect_deliver(2, 1, "w1");
}

/* Affinity. */

static void the_worker_that_last_served_a_conversation_is_chosen(void **state)
{
    (void)state;
    given_worker("w1");
    given_worker("w2");
    row_seen(1, "a", "default");
    expect_deliver(1, 1, "w1");
    row_seen(2, "b", "default");
    expect_deliver(2, 1, "w2");
    answers("w2", 2, 1);
    expect_answer(2, 1);
    answers("w1", 1, 1);
    expect_answer(1, 1);
    row_seen(3, "a", "default"); /* w2 is the least recently used one */
    expect_deliver(3, 1, "w1");
    row_seen(4, "a", "default"); /* the warm one is busy */
    expect_deliver(4, 1, "w2");
    answers("w1", 3, 1);
    expect_answer(3, 1);
    answers("w2", 4, 1);
    expect_answer(4, 1);
    row_seen(5, "a", "default"); /* the last one counts */
    expect_deliver(5, 1, "w2");
}

static void a_dedicated_worker_comes_before_a_warm_one_for_all(void **state)
{
    (void)state;
    given_worker("all", .service = "*");
    row_seen(1, "a", "chess");
    expect_deliver(1, 1, "all");
    answers("all", 1, 1);
    expect_answer(1, 1);
    given_worker("own", .service = "chess");
    row_seen(2, "a", "chess");
    expect_deliver(2, 1, "own");
    row_seen(3, "a", "chess");
    expect_deliver(3, 1, "all");
}

static void a_worker_of_another_service_is_not_chosen_for_being_warm(void **state)
{
    (void)state;
    given_worker("w1", .service = "chess");
    given_worker("w2", .service = "poems");
    row_seen(1, "a", "chess");
    expect_deliver(1, 1, "w1");
    answers("w1", 1, 1);
    expect_answer(1, 1);
    row_seen(2, "a", "poems");
    expect_deliver(2, 1, "w2");
}

static void a_worker_that_left_is_not_remembered(void **state)
{
    (void)state;
    given_worker("w1");
    given_worker("w2");
    row_seen(1, "a", "default");
    expect_deliver(1, 1, "w1");
    answers("w1", 1, 1);
    expect_answer(1, 1);
    says_disconnect("w1");
    expect_left("w1", "it said DISCONNECT");
    given_worker("w1"); /* another one by that name: its memory is empty */
    row_seen(2, "a", "default");
    expect_deliver(2, 1, "w2");
}

static void a_full_worker_is_not_chosen_for_being_warm(void **state)
{
    (void)state;
    given_worker("w1");
    given_worker("w2");
    row_seen(1, "a", "default");
    expect_deliver(1, 1, "w1");
    answers("w1", 1, 1);
    expect_answer(1, 1);
    row_seen(2, "a", "default");
    expect_deliver(2, 1, "w1");
    undeliverable(2, 1, UNDELIVERABLE_PEER_FULL);
    expect_deliver(2, 1, "w2");
}

static void the_warm_worker_is_not_chosen_when_it_is_busier(void **state)
{
    (void)state;
    given_worker("w1", .slots = 3);
    given_worker("w2", .slots = 3);
    row_seen(1, "a", "default");
    expect_deliver(1, 1, "w1");
    row_seen(2, "a", "default"); /* it would wait behind 1, beside an idle worker */
    expect_deliver(2, 1, "w2");
    row_seen(3, "b", "default");
    expect_deliver(3, 1, "w1");
    row_seen(4, "a", "default"); /* w2 has one, w1 two */
    expect_deliver(4, 1, "w2");
    row_seen(5, "a", "default"); /* two each: w1 is the least recently used, w2 is warm */
    expect_deliver(5, 1, "w2");
}

/* What the gateway asks. */

static void what_waits_in_the_file_only_is_told_from_what_nobody_knows(void **state)
{
    (void)state;
    given_settings(.window = 4);
    given_rows(1, 10);
    assert_int_equal(dispatch_where(core(), 9, NULL), PLACE_UNKNOWN);
    assert_true(dispatch_is_beyond(core(), span_str("default"), 9));
    assert_true(dispatch_is_beyond(core(), span_str("default"), 99));
    assert_false(dispatch_is_beyond(core(), span_str("default"), 1));
    assert_false(dispatch_is_beyond(core(), span_str("chess"), 9)); /* another queue */
    assert_null(pending_find(dispatch_pending(core()), span_str("chess")));
    given_worker("w1");
    expect_served("w1", 1, 10);
    expect_nothing();
    while (refills_once(NULL))
        continue;
    assert_false(dispatch_is_beyond(core(), span_str("default"), 9)); /* all has come */
}

static void what_finds_no_room_of_its_own_is_asked_for_under_default(void **state)
{
    char name[32];
    (void)state;
    given_settings(.window = 1);
    assert_true(dispatch_is_under(core(), span_str("chess"), span_str("chess")));
    assert_false(dispatch_is_under(core(), span_str("chess"), span_str("default")));
    assert_false(dispatch_is_under(core(), span_str("chess"), span_str("poems")));
    assert_true(pending_find(dispatch_pending(core()), span_str("default")) != NULL);
    assert_null(pending_find(dispatch_pending(core()), span_str("chess"))); /* asking makes none */
    for (int i = 0; i < LIMIT_SERVICES - 1; i++) {
        snprintf(name, sizeof name, "s%d", i);
        row_seen(i + 1, "a", name);
    }
    row_seen(20000, "a", "chess");
    row_seen(20001, "a", "chess");
    row_seen(20002, "a", "chess");
    assert_true(dispatch_is_under(core(), span_str("chess"), span_str("default")));
    assert_false(dispatch_is_under(core(), span_str("chess"), span_str("s1")));
    assert_true(dispatch_is_under(core(), span_str("s1"), span_str("s1")));
    assert_false(dispatch_is_under(core(), span_str("s1"), span_str("default")));
    assert_true(dispatch_is_beyond(core(), span_str("chess"), 20002));
    assert_false(dispatch_is_beyond(core(), span_str("s1"), 20002));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        script_test(what_does_not_fit_waits_in_the_file_and_comes_in_order),
        script_test(what_comes_back_waits_in_its_place_window_or_not),
        script_test(what_is_in_flight_is_passed_over_when_the_file_is_read_again),
        script_test(a_refill_is_given_out_at_once),
        script_test(a_full_window_does_not_touch_another_service),
        script_test(one_conversation_cannot_fill_the_window_against_newcomers),
        script_test(an_answer_for_a_row_that_waits_in_the_file_counts),
        script_test(order_fifo_is_the_order_of_arrival_over_all_conversations),
        script_test(order_conversation_has_one_in_flight_for_each),
        script_test(order_conversation_waits_through_failure_and_pause),
        script_test(order_conversation_waits_through_the_loss_of_a_worker),
        script_test(order_conversation_waits_for_an_answer_from_before_a_restart),
        script_test(the_worker_that_last_served_a_conversation_is_chosen),
        script_test(a_dedicated_worker_comes_before_a_warm_one_for_all),
        script_test(a_worker_of_another_service_is_not_chosen_for_being_warm),
        script_test(a_worker_that_left_is_not_remembered),
        script_test(a_full_worker_is_not_chosen_for_being_warm),
        script_test(the_warm_worker_is_not_chosen_when_it_is_busier),
        script_test(what_waits_in_the_file_only_is_told_from_what_nobody_knows),
        script_test(what_finds_no_room_of_its_own_is_asked_for_under_default),
    };
    return cmocka_run_group_tests_name("dispatch: window", tests, NULL, NULL);
}
