/* Flights and leases, and what is counted of them: F1 and F2 of inflight.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "gateway/inflight.h"
#include "proto/token.h"

/* A world with one service and two workers, who need not be registered for this. */
struct world {
    struct timers timers;
    struct pending *pending;
    struct service *service;
    struct inflight *inflight;
    struct worker w1, w2;
};

static int setup(void **state)
{
    static const struct rulebook book = {.general = {.attempts = 5, .window = 100}};
    static struct world world;
    memset(&world, 0, sizeof world);
    timers_init(&world.timers);
    world.pending = pending_new(42, &book);
    world.service = pending_hold(world.pending, span_str("chess"));
    world.inflight = inflight_new(42, &world.timers);
    *state = &world;
    return token_init();
}

static int teardown(void **state)
{
    struct world *world = *state;
    struct worker *both[] = {&world->w1, &world->w2};
    for (size_t i = 0; i < 2; i++)
        while (both[i]->leases)
            inflight_end_lease(world->inflight, both[i]->leases);
    inflight_destroy(&world->inflight);
    assert_null(world->inflight);
    inflight_destroy(&world->inflight);
    pending_destroy(&world->pending);
    timers_done(&world->timers);
    return 0;
}

static struct flight *add(struct world *world, int64_t id)
{
    pending_hold_again(world->service);
    return inflight_add(world->inflight, id, world->service, 99, 1000);
}

static struct lease *lease(struct world *world, struct flight *flight, struct worker *worker)
{
    static const struct lease_times times = {
        .now_us = 2000, .end_us = 3000, .deadline_us = 9000, .hard_us = 20000};
    return inflight_lease(world->inflight, flight, worker, ++flight->attempt, &times);
}

static void a_flight_is_found_by_its_id(void **state)
{
    struct world *world = *state;
    struct flight *flight = add(world, 17);
    assert_ptr_equal(inflight_find(world->inflight, 17), flight);
    assert_null(inflight_find(world->inflight, 18));
    assert_int_equal(flight->state, FLIGHT_QUEUED);
    assert_int_equal(flight->attempt, 0);
    assert_ptr_equal(inflight_remove(world->inflight, flight), world->service);
    assert_null(inflight_find(world->inflight, 17));
}

static void a_lease_begins_an_attempt_and_is_counted_everywhere(void **state)
{
    struct world *world = *state;
    struct flight *flight = add(world, 17);
    struct lease *one = lease(world, flight, &world->w1);
    assert_int_equal(flight->state, FLIGHT_LEASED);
    assert_int_equal(flight->attempt, 1);
    assert_int_equal(flight->leased_us, 2000);
    assert_ptr_equal(flight->lease, one);
    assert_int_equal(one->attempt, 1);
    assert_int_equal(world->w1.in_flight, 1);
    assert_int_equal(world->service->in_flight, 1);
    assert_int_equal(inflight_outstanding(world->inflight), 1);
    assert_true(timers_next(&world->timers) == 3000);
    assert_ptr_equal(inflight_lease_of(world->inflight, &world->w1, 17, 1), one);
    assert_null(inflight_lease_of(world->inflight, &world->w1, 17, 2));
    assert_null(inflight_lease_of(world->inflight, &world->w2, 17, 1));
}

static void a_lease_is_never_renewed_beyond_its_deadline(void **state)
{
    struct world *world = *state;
    struct lease *one = lease(world, add(world, 17), &world->w1);
    inflight_renew(world->inflight, one, 8000);
    assert_true(timers_next(&world->timers) == 8000);
    inflight_renew(world->inflight, one, 20000);
    assert_true(timers_next(&world->timers) == 9000);
}

static void the_end_of_a_lease_is_counted_everywhere(void **state)
{
    struct world *world = *state;
    struct flight *flight = add(world, 17);
    struct lease *one = lease(world, flight, &world->w1);
    inflight_end_lease(world->inflight, one);
    assert_null(flight->lease);
    assert_int_equal(world->w1.in_flight, 0);
    assert_null(world->w1.leases);
    assert_true(timers_next(&world->timers) == INT64_MAX);
    inflight_state(world->inflight, flight, FLIGHT_QUEUED);
    assert_int_equal(world->service->in_flight, 0);
    assert_int_equal(inflight_outstanding(world->inflight), 0);
}

static void f1_a_query_has_one_current_lease_and_its_attempt_is_the_highest(void **state)
{
    struct world *world = *state;
    struct flight *flight = add(world, 17);
    struct lease *old = lease(world, flight, &world->w1), *current;
    inflight_disown(flight);
    inflight_state(world->inflight, flight, FLIGHT_QUEUED);
    current = lease(world, flight, &world->w2);
    assert_ptr_equal(flight->lease, current);
    assert_int_equal(flight->attempt, 2);
    assert_int_equal(old->attempt, 1);
    assert_int_equal(world->service->in_flight, 1);
    assert_int_equal(inflight_outstanding(world->inflight), 1);
}

static void f2_a_disowned_lease_keeps_its_worker_busy_but_not_at_work(void **state)
{
    struct world *world = *state;
    struct flight *flight = add(world, 17);
    struct lease *old = lease(world, flight, &world->w1);
    assert_true(inflight_works(world->inflight, &world->w1));
    inflight_disown(flight);
    assert_false(inflight_works(world->inflight, &world->w1));
    assert_int_equal(world->w1.in_flight, 1);
    inflight_state(world->inflight, flight, FLIGHT_QUEUED);
    lease(world, flight, &world->w2);
    inflight_end_lease(world->inflight, old); /* the current one stays */
    assert_non_null(flight->lease);
    assert_true(inflight_works(world->inflight, &world->w2));
    assert_int_equal(world->w1.in_flight, 0);
}

static void f2_a_lease_may_outlive_its_flight(void **state)
{
    struct world *world = *state;
    struct flight *flight = add(world, 17);
    struct lease *one = lease(world, flight, &world->w1);
    inflight_disown(flight);
    inflight_remove(world->inflight, flight);
    assert_false(inflight_works(world->inflight, &world->w1));
    assert_int_equal(inflight_outstanding(world->inflight), 0);
    inflight_end_lease(world->inflight, one);
    assert_int_equal(world->w1.in_flight, 0);
}

static void leased_and_committing_count_as_outstanding(void **state)
{
    static const enum flight_state others[] = {FLIGHT_BACKOFF, FLIGHT_QUEUED, FLIGHT_HELD};
    struct world *world = *state;
    struct flight *flight = add(world, 17);
    for (size_t i = 0; i < 3; i++) {
        inflight_state(world->inflight, flight, FLIGHT_COMMITTING);
        assert_int_equal(inflight_outstanding(world->inflight), 1);
        assert_int_equal(world->service->in_flight, 1);
        inflight_state(world->inflight, flight, others[i]);
        assert_int_equal(inflight_outstanding(world->inflight), 0);
        assert_int_equal(world->service->in_flight, 0);
    }
    inflight_state(world->inflight, flight, FLIGHT_COMMITTING);
    inflight_remove(world->inflight, flight);
    assert_int_equal(inflight_outstanding(world->inflight), 0);
    assert_int_equal(world->service->in_flight, 0);
}

static void any_lease_of_a_worker_can_end(void **state)
{
    struct world *world = *state;
    struct lease *one[5];
    for (int64_t id = 0; id < 5; id++)
        one[id] = lease(world, add(world, id + 1), &world->w1);
    inflight_end_lease(world->inflight, one[2]);
    inflight_end_lease(world->inflight, one[0]);
    inflight_end_lease(world->inflight, one[4]);
    assert_int_equal(world->w1.in_flight, 2);
    assert_non_null(inflight_lease_of(world->inflight, &world->w1, 2, 1));
    assert_non_null(inflight_lease_of(world->inflight, &world->w1, 4, 1));
    assert_null(inflight_lease_of(world->inflight, &world->w1, 3, 1));
}

static void the_last_reason_is_kept_up_to_its_limit(void **state)
{
    static char text[LIMIT_REASON + 500];
    struct world *world = *state;
    struct flight *flight = add(world, 17);
    memset(text, 'x', sizeof text);
    inflight_reason(flight, span_str("first"));
    assert_string_equal(flight->reason, "first");
    inflight_reason(flight, span_of(text, sizeof text));
    assert_int_equal(strlen(flight->reason), LIMIT_REASON);
    inflight_reason(flight, span_of(NULL, 0));
    assert_string_equal(flight->reason, "");
}

#define inflight_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        inflight_test(a_flight_is_found_by_its_id),
        inflight_test(a_lease_begins_an_attempt_and_is_counted_everywhere),
        inflight_test(a_lease_is_never_renewed_beyond_its_deadline),
        inflight_test(the_end_of_a_lease_is_counted_everywhere),
        inflight_test(f1_a_query_has_one_current_lease_and_its_attempt_is_the_highest),
        inflight_test(f2_a_disowned_lease_keeps_its_worker_busy_but_not_at_work),
        inflight_test(f2_a_lease_may_outlive_its_flight),
        inflight_test(leased_and_committing_count_as_outstanding),
        inflight_test(any_lease_of_a_worker_can_end),
        inflight_test(the_last_reason_is_kept_up_to_its_limit),
    };
    return cmocka_run_group_tests_name("inflight", tests, NULL, NULL);
}
