/* Bounds: D5 of dispatch.h (commit.queue), rows that cannot be read, draining, and the limits on
 * workers and services. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "tests/unit/script.h"

/* D5: the queue. */

static void dispatch_stops_at_the_queue_bound_and_goes_on_with_each_commit(void **state)
{
    (void)state;
    given_settings(.queue = 2);
    given_worker("w1", .slots = 5);
    row_seen(1, "a", "default");
    expect_deliver(1, 1, "w1");
    row_seen(2, "a", "default");
    expect_deliver(2, 1, "w1");
    row_seen(3, "a", "default");
    row_seen(4, "a", "default");
    expect_nothing();
    answers("w1", 1, 1); /* leased became committing: nothing is free yet */
    expect_answer(1, 1);
    expect_nothing();
    committed(1);
    expect_deliver(3, 1, "w1");
    answers("w1", 2, 1);
    expect_answer(2, 1);
    committed(2);
    expect_deliver(4, 1, "w1");
    assert_int_equal(dispatch_outstanding(core()), 2);
}

static void commits_that_do_not_get_through_stop_everybody(void **state)
{
    (void)state;
    given_settings(.queue = 3);
    given_worker("w1");
    row_seen(1, "a", "default");
    expect_deliver(1, 1, "w1");
    for (int64_t id = 2; id <= 10; id++)
        row_seen(id, "a", "default");
    for (int64_t id = 1; id <= 3; id++) {
        answers("w1", id, 1);
        expect_answer(id, 1);
        if (id < 3)
            expect_deliver(id + 1, 1, "w1");
    }
    expect_nothing();
    pass_us(3600 * SECOND); /* the database is locked; the worker beats and waits */
    expect_nothing();
    given_worker("w2", .service = "*");
    expect_nothing();
    committed(1);
    assert_int_equal(any_action()->kind, ACTION_DELIVER);
    expect_nothing();
    assert_int_equal(dispatch_outstanding(core()), 3);
}

static void nothing_is_handed_out_while_what_commits_is_full(void **state)
{
    (void)state;
    given_settings(.queue = 10);
    given_worker("w1", .service = "*", .slots = 2);
    full(true);
    row_seen(1, "a", "default");
    row_seen(2, "b", "other");
    row_seen(3, "c", "other");
    expect_nothing();
    full(false);
    expect_deliver(1, 1, "w1");
    expect_deliver(2, 1, "w1");
    full(true);
    answers("w1", 1, 1); /* what is in flight ends as ever */
    expect_answer(1, 1);
    committed(1);
    expect_nothing();
    full(false);
    expect_deliver(3, 1, "w1");
    expect_nothing();
}

static void a_service_that_was_held_back_is_not_forgotten_when_another_goes_on(void **state)
{
    (void)state;
    given_settings(.queue = 2);
    given_worker("w1", .service = "chess");
    given_worker("w2", .service = "poems");
    given_worker("w3", .service = "songs");
    row_seen(1, "a", "chess");
    expect_deliver(1, 1, "w1");
    row_seen(2, "b", "poems");
    expect_deliver(2, 1, "w2");
    row_seen(3, "c", "songs"); /* held back */
    expect_nothing();
    row_seen(4, "a", "chess");
    answers_with_error("w1", 1, 1, "no"); /* makes room, and frees w1 for 4 */
    expect_retry(1, 1, "no");
    while (any_action())
        continue;
    answers_with_error("w2", 2, 1, "no"); /* room again: everybody has something now */
    expect_retry(2, 1, "no");
    while (any_action())
        continue;
    assert_int_equal(worker_called("w3")->in_flight, 1);
}

static void an_error_makes_room_at_the_queue_bound(void **state)
{
    (void)state;
    given_settings(.queue = 1);
    given_worker("w1", .service = "chess");
    given_worker("w2", .service = "poems");
    row_seen(1, "a", "chess");
    expect_deliver(1, 1, "w1");
    row_seen(2, "a", "poems");
    expect_nothing();
    answers_with_error("w1", 1, 1, "no");
    expect_retry(1, 1, "no");
    expect_deliver(2, 1, "w2");
}

static void a_row_that_ended_makes_room_at_the_queue_bound(void **state)
{
    (void)state;
    given_settings(.queue = 1);
    given_worker("w1", .service = "chess");
    given_worker("w2", .service = "poems");
    row_seen(1, "a", "chess");
    expect_deliver(1, 1, "w1");
    row_seen(2, "a", "poems");
    expect_nothing();
    undeliverable(1, 1, UNDELIVERABLE_ENDED);
    expect_deliver(2, 1, "w2");
}

static void a_lost_worker_makes_room_at_the_queue_bound(void **state)
{
    (void)state;
    given_settings(.queue = 1);
    given_worker("w1", .service = "chess");
    given_worker("w2", .service = "poems");
    row_seen(1, "a", "chess");
    expect_deliver(1, 1, "w1");
    row_seen(2, "a", "poems");
    says_disconnect("w1");
    expect_retry_and_left(1, 1, "w1", "it said DISCONNECT");
    expect_deliver(2, 1, "w2");
}

static void services_share_what_the_queue_bound_leaves(void **state)
{
    bool served[2] = {false, false};
    (void)state;
    given_settings(.queue = 1);
    given_worker("w1", .service = "chess", .slots = 10);
    given_worker("w2", .service = "poems", .slots = 10);
    row_seen(1, "a", "chess");
    expect_deliver(1, 1, "w1");
    for (int64_t id = 2; id <= 10; id += 2) {
        row_seen(id, "a", "chess");
        row_seen(id + 1, "a", "poems");
    }
    answers("w1", 1, 1);
    expect_answer(1, 1);
    committed(1);
    for (int i = 0; i < 2; i++) {
        const struct action *action = any_action();
        bool chess = strcmp(action->service, "chess") == 0;
        int64_t id = action->id;
        served[chess] = true;
        answers(chess ? "w1" : "w2", id, 1);
        expect_answer(id, 1);
        committed(id);
    }
    while (any_action())
        continue;
    assert_true(served[0] && served[1]);
}

/* Rows that cannot be read just now. */

static void a_row_that_cannot_be_read_is_tried_again_soon_and_costs_nothing(void **state)
{
    (void)state;
    given_worker("w1");
    given_worker("w2", .service = "chess");
    row_seen(17, "conv_a", "default");
    expect_deliver(17, 1, "w1");
    for (int i = 0; i < 100; i++) {
        undeliverable(17, 1, UNDELIVERABLE_BUSY);
        row_seen(1000 + i, "conv_b", "chess"); /* the file is busy for everybody */
        expect_nothing();
        pass_us(9 * MS);
        expect_nothing();
        pass_us(1 * MS);
        if (i == 0)
            assert_int_equal(any_action()->kind, ACTION_DELIVER); /* one for w2, one for w1 */
        assert_int_equal(any_action()->kind, ACTION_DELIVER);
        expect_nothing();
    }
    answers("w1", 17, 1);
    expect_answer(17, 1);
}

static void a_service_without_workers_does_not_hold_up_the_others_after_a_pause(void **state)
{
    (void)state;
    row_seen(1, "a", "nobody's");
    given_worker("w1", .service = "chess", .slots = 4);
    row_seen(2, "a", "chess");
    expect_deliver(2, 1, "w1");
    undeliverable(2, 1, UNDELIVERABLE_BUSY);
    for (int64_t id = 3; id <= 5; id++)
        row_seen(id, "a", "chess");
    expect_nothing();
    pass_us(SECOND);
    for (int64_t id = 2; id <= 5; id++)
        expect_deliver(id, 1, "w1");
}

/* Draining. */

static void draining_delivers_nothing_more_and_takes_every_answer(void **state)
{
    (void)state;
    given_worker("w1", .slots = 2);
    row_seen(1, "a", "default");
    expect_deliver(1, 1, "w1");
    row_seen(2, "a", "default");
    expect_deliver(2, 1, "w1");
    row_seen(3, "a", "default");
    drain();
    answers("w1", 1, 1);
    expect_answer(1, 1);
    expect_nothing();
    committed(1);
    expect_nothing();
    row_seen(4, "a", "default");
    worker_says_ready("w2", .service = "*");
    expect_joined("w2");
    expect_nothing();
    answers_with_error("w1", 2, 1, "no");
    expect_retry(2, 1, "no");
    pass_us(100 * SECOND);
    expect_nothing();
    assert_int_equal(dispatch_outstanding(core()), 0);
}

static void a_query_may_still_become_dead_while_draining(void **state)
{
    (void)state;
    given_worker("w1");
    row_seen(1, "a", "default");
    expect_deliver(1, 1, "w1");
    drain();
    gives_up("w1", 1, 1, "no");
    expect_dead(1, 1, "no");
    assert_int_equal(dispatch_outstanding(core()), 1);
    committed(1);
    assert_int_equal(dispatch_outstanding(core()), 0);
}

/* Limits. */

static void one_worker_too_many_is_refused_and_room_is_given_again(void **state)
{
    char name[32];
    (void)state;
    for (int i = 0; i < LIMIT_WORKERS; i++) {
        snprintf(name, sizeof name, "w%d", i);
        given_worker(name, .protocol = WORKER_REQ);
    }
    worker_says_ready("late", .protocol = WORKER_REQ);
    expect_refused("full", 0, 0);
    assert_int_equal(last_action()->protocol, WORKER_REQ); /* or it would be sent MDP */
    assert_null(worker_called("late"));
    says_disconnect("w5");
    expect_left("w5", "it said DISCONNECT");
    given_worker("late");
}

static void one_service_too_many_finds_no_worker_but_the_default(void **state)
{
    char name[32];
    (void)state;
    for (int i = 0; i < LIMIT_SERVICES - 1; i++) { /* "default" is there already */
        snprintf(name, sizeof name, "s%d", i);
        row_seen(i + 1, "a", name);
    }
    worker_says_ready("w1", .service = "one more");
    expect_refused("full", 0, 0);
    row_seen(20000, "a", "one more");
    given_worker("w2");
    expect_deliver(20000, 1, "w2");
    assert_string_equal(last_action()->service, "default");
    given_worker("w3", .service = "s7"); /* a known one is still open */
    expect_deliver(8, 1, "w3");
}

static void services_that_come_and_go_leave_nothing_behind(void **state)
{
    char name[32];
    size_t services = 0;
    (void)state;
    given_worker("all", .service = "*");
    for (int i = 1; i <= 3 * LIMIT_SERVICES; i++) {
        snprintf(name, sizeof name, "s%d", i);
        row_seen(i, name, name);
        expect_deliver(i, 1, "all");
        assert_string_equal(last_action()->service, name);
        answers("all", i, 1);
        expect_answer(i, 1);
        committed(i);
    }
    for (const struct service *service = NULL;
         (service = pending_walk(dispatch_pending(core()), service));)
        services++;
    assert_int_equal(services, 1); /* "default" */
}

static void workers_that_come_and_go_leave_nothing_behind(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * LIMIT_WORKERS; i++) {
        given_worker("w1", .service = i % 2 ? "chess" : "poems");
        says_disconnect("w1");
        expect_left("w1", "it said DISCONNECT");
    }
    assert_int_equal(workers_count(dispatch_workers(core())), 0);
    assert_true(dispatch_next(core()) == INT64_MAX); /* no timer is left either */
}

static void a_core_may_end_with_everything_in_flight(void **state)
{
    (void)state;
    given_settings(.queue = 3);
    given_worker("w1", .slots = 3, .service = "*");
    given_worker("w2");
    for (int64_t id = 1; id <= 10; id++) {
        row_seen(id, "a", id % 2 ? "chess" : "poems");
        any_action();
    }
    answers("w1", 1, 1);
    expect_answer(1, 1);
    answers_with_error("w1", 2, 1, "no");
    while (any_action())
        continue;
    row_exists(11, "a", "sums");
    answers("stranger", 11, 1);
    expect_answer(11, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        script_test(dispatch_stops_at_the_queue_bound_and_goes_on_with_each_commit),
        script_test(commits_that_do_not_get_through_stop_everybody),
        script_test(nothing_is_handed_out_while_what_commits_is_full),
        script_test(a_service_that_was_held_back_is_not_forgotten_when_another_goes_on),
        script_test(an_error_makes_room_at_the_queue_bound),
        script_test(a_row_that_ended_makes_room_at_the_queue_bound),
        script_test(a_lost_worker_makes_room_at_the_queue_bound),
        script_test(services_share_what_the_queue_bound_leaves),
        script_test(a_row_that_cannot_be_read_is_tried_again_soon_and_costs_nothing),
        script_test(a_service_without_workers_does_not_hold_up_the_others_after_a_pause),
        script_test(draining_delivers_nothing_more_and_takes_every_answer),
        script_test(a_query_may_still_become_dead_while_draining),
        script_test(one_worker_too_many_is_refused_and_room_is_given_again),
        script_test(one_service_too_many_finds_no_worker_but_the_default),
        script_test(services_that_come_and_go_leave_nothing_behind),
        script_test(workers_that_come_and_go_leave_nothing_behind),
        script_test(a_core_may_end_with_everything_in_flight),
    };
    return cmocka_run_group_tests_name("dispatch: limits", tests, NULL, NULL);
}
