/* Who is registered, who lives, who is next: W1 to W3 of workers.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "gateway/workers.h"
#include "proto/token.h"

#define BEAT_US 2500000
#define START_US 1000000

/* What workers needs around it. */
struct world {
    struct timers timers;
    struct pending *pending;
    struct workers *workers;
};

static int setup(void **state)
{
    static const struct rulebook book = {.general = {.attempts = 5, .window = 100}};
    static struct world world;
    timers_init(&world.timers);
    world.pending = pending_new(42, &book);
    world.workers = workers_new(42, BEAT_US, &world.timers, world.pending);
    *state = &world;
    return token_init();
}

static int teardown(void **state)
{
    struct world *world = *state;
    workers_destroy(&world->workers);
    assert_null(world->workers);
    workers_destroy(&world->workers);
    assert_int_equal(world->timers.count, 0);
    assert_null(pending_walk(world->pending, NULL)); /* every hold was released */
    pending_destroy(&world->pending);
    timers_done(&world->timers);
    return 0;
}

static struct peer peer_of(const char *id)
{
    struct peer peer = {.size = (uint8_t)strlen(id)};
    memcpy(peer.id, id, peer.size);
    return peer;
}

static struct worker *add_as(struct world *world, const char *id, const char *service,
                             enum worker_protocol protocol, const struct worker_options *options)
{
    static const struct envelope envelope = {.count = 1};
    const struct peer peer = peer_of(id);
    return workers_add(world->workers, START_US, &peer, protocol, &envelope, span_str(service),
                       options);
}

static struct worker *add(struct world *world, const char *id, const char *service)
{
    struct worker_options options = {.slots = 1};
    snprintf(options.name, sizeof options.name, "%s", id);
    return add_as(world, id, service, WORKER_MDP_02, &options);
}

/* WORKER gets a query, or gives one back. */
static void use(struct world *world, struct worker *worker, int change)
{
    worker->in_flight = (uint32_t)((int)worker->in_flight + change);
    workers_used(world->workers, worker);
}

static struct worker *next(const struct world *world, const struct service *service)
{
    return workers_pick(world->workers, service, 99);
}

static void a_worker_is_found_by_its_peer_and_door(void **state)
{
    struct world *world = *state;
    struct worker *worker = add(world, "w1", "chess");
    struct peer peer = peer_of("w1");
    assert_ptr_equal(workers_find(world->workers, &peer), worker);
    peer.door = 1; /* the same routing id on another socket is somebody else */
    assert_null(workers_find(world->workers, &peer));
    peer = peer_of("w");
    assert_null(workers_find(world->workers, &peer));
    assert_string_equal(worker->options.name, "w1");
    assert_string_equal(worker_service(worker), "chess");
    assert_int_equal(worker->service->workers, 1);
    assert_int_equal(worker->envelope.count, 1);
}

static void nameless_workers_are_given_different_names(void **state)
{
    static const struct worker_options nameless = {.slots = 1};
    struct worker *one = add_as(*state, "a", "*", WORKER_REQ, &nameless);
    struct worker *other = add_as(*state, "b", "*", WORKER_REQ, &nameless);
    assert_string_equal(one->options.name, "worker-1");
    assert_string_equal(other->options.name, "worker-2");
    assert_string_equal(worker_service(one), "*");
    assert_null(one->service);
}

static void w1_the_least_recently_used_is_next(void **state)
{
    struct world *world = *state;
    struct worker *w1 = add(world, "w1", "chess"), *w2 = add(world, "w2", "chess");
    const struct service *chess = w1->service;
    assert_ptr_equal(next(world, chess), w1);
    use(world, w1, 1);
    assert_ptr_equal(next(world, chess), w2);
    use(world, w1, -1);
    assert_ptr_equal(next(world, chess), w2); /* w1 was used after it */
    use(world, w2, 1);
    assert_ptr_equal(next(world, chess), w1);
    use(world, w1, 1);
    assert_null(next(world, chess));
}

static void w1_dedicated_workers_come_first(void **state)
{
    struct world *world = *state;
    struct worker *all = add(world, "all", "*"), *own = add(world, "own", "chess");
    const struct service *chess = own->service;
    assert_ptr_equal(next(world, chess), own);
    use(world, own, 1);
    assert_ptr_equal(next(world, chess), all);
    assert_true(workers_any_idle(world->workers));
    use(world, all, 1);
    assert_null(next(world, chess));
    assert_false(workers_any_idle(world->workers));
}

static void w1_a_free_slot_keeps_a_worker_in_line(void **state)
{
    struct world *world = *state;
    const struct worker_options two = {.name = "w1", .slots = 2};
    struct worker *worker = add_as(world, "w1", "chess", WORKER_MDP_02, &two);
    const struct service *chess = worker->service;
    use(world, worker, 1);
    assert_ptr_equal(next(world, chess), worker);
    use(world, worker, 1);
    assert_null(next(world, chess));
    use(world, worker, -1);
    assert_ptr_equal(next(world, chess), worker);
}

static void w1_the_warm_worker_is_picked_for_its_conversation_only(void **state)
{
    struct world *world = *state;
    struct worker *w1 = add(world, "w1", "chess"), *w2 = add(world, "w2", "chess");
    const struct service *chess = w1->service;
    workers_chose(world->workers, w2, 7);
    assert_ptr_equal(workers_pick(world->workers, chess, 7), w2);
    assert_ptr_equal(workers_pick(world->workers, chess, 8), w1);
    assert_ptr_equal(workers_pick(world->workers, chess, 7 + (1 << 20)), w1); /* the same place */
    workers_chose(world->workers, w1, 7 + (1 << 20));
    use(world, w1, 1);
    use(world, w1, -1); /* w2 is the least recently used one now */
    assert_ptr_equal(workers_pick(world->workers, chess, 7 + (1 << 20)), w1);
    assert_ptr_equal(workers_pick(world->workers, chess, 7), w2);
    workers_remove(world->workers, 0, w1);
    assert_ptr_equal(workers_pick(world->workers, chess, 7 + (1 << 20)), w2);
}

static void w1_the_warm_worker_is_passed_over_while_it_is_busier(void **state)
{
    static const struct worker_options two = {.slots = 2, .name = "w"};
    struct world *world = *state;
    struct worker *w1 = add_as(world, "w1", "chess", WORKER_MDP_02, &two);
    struct worker *w2 = add_as(world, "w2", "chess", WORKER_MDP_02, &two);
    const struct service *chess = w1->service;
    workers_chose(world->workers, w1, 7);
    use(world, w1, 1);
    assert_ptr_equal(workers_pick(world->workers, chess, 7), w2);
    use(world, w2, 1); /* as busy: w1 is the least recently used, and warm */
    assert_ptr_equal(workers_pick(world->workers, chess, 7), w1);
    workers_chose(world->workers, w2, 7);
    assert_ptr_equal(workers_pick(world->workers, chess, 7), w2);
    use(world, w1, -1);
    assert_ptr_equal(workers_pick(world->workers, chess, 8), w2); /* in line, whatever it has */
    use(world, w2, -1);
    use(world, w1, 1);
    use(world, w1, -1);
    assert_ptr_equal(workers_pick(world->workers, chess, 7), w2);
}

static void any_place_in_the_line_can_be_left(void **state)
{
    struct world *world = *state;
    struct worker *w1 = add(world, "w1", "chess"), *w2 = add(world, "w2", "chess"),
                  *w3 = add(world, "w3", "chess"), *w4 = add(world, "w4", "chess");
    const struct service *chess = w1->service;
    workers_remove(world->workers, 0, w2);
    workers_remove(world->workers, 0, w4);
    assert_ptr_equal(next(world, chess), w1);
    workers_remove(world->workers, 0, w1);
    assert_ptr_equal(next(world, chess), w3);
    assert_int_equal(chess->workers, 1);
    assert_int_equal(workers_count(world->workers), 1);
}

static void w2_an_idle_worker_lives_three_intervals_beyond_its_last_word(void **state)
{
    struct world *world = *state;
    struct worker *worker = add(world, "w1", "chess");
    assert_true(workers_silent_from(world->workers, worker) == START_US + 3 * BEAT_US);
    workers_heard(world->workers, worker, START_US + 70);
    assert_true(workers_silent_from(world->workers, worker) == START_US + 70 + 3 * BEAT_US);
}

static void w2_its_own_interval_counts(void **state)
{
    const struct worker_options options = {.name = "w1", .slots = 1, .interval_ms = 400};
    struct worker *worker = add_as(*state, "w1", "chess", WORKER_MDP_02, &options);
    assert_true(workers_silent_from(((struct world *)*state)->workers, worker) ==
                START_US + 3 * 400 * 1000);
}

static void w2_silence_while_busy_counts_only_when_beats_were_promised(void **state)
{
    struct world *world = *state;
    const struct worker_options beating = {.name = "b", .slots = 1, .heartbeats = true};
    struct worker *quiet = add(world, "q", "chess"),
                  *loud = add_as(world, "b", "chess", WORKER_MDP_02, &beating);
    use(world, quiet, 1);
    use(world, loud, 1);
    assert_true(workers_silent_from(world->workers, quiet) == INT64_MAX);
    assert_true(workers_silent_from(world->workers, loud) == START_US + 3 * BEAT_US);
}

static void w2_a_plain_worker_has_no_beat_at_all(void **state)
{
    static const enum worker_protocol plain[] = {WORKER_REQ, WORKER_REP};
    struct world *world = *state;
    for (size_t i = 0; i < 2; i++) {
        const struct worker_options options = {.name = "r", .slots = 1, .heartbeats = true};
        struct worker *worker = add_as(world, i ? "rep" : "req", "chess", plain[i], &options);
        assert_true(workers_silent_from(world->workers, worker) == INT64_MAX);
        assert_int_equal(worker->timer.place, 0);
    }
}

static void w2_both_versions_of_majordomo_beat(void **state)
{
    struct world *world = *state;
    const struct worker_options options = {.name = "w1", .slots = 1};
    struct worker *worker = add_as(world, "w1", "chess", WORKER_MDP_01, &options);
    assert_true(workers_silent_from(world->workers, worker) == START_US + 3 * BEAT_US);
    assert_true(timers_next(&world->timers) == START_US + BEAT_US);
}

static void what_each_protocol_can_do_is_said_in_one_place(void **state)
{
    static const struct {
        enum worker_protocol protocol;
        const char *name;
        bool majordomo, beats, dismissed;
    } row[WORKER_PROTOCOLS] = {{WORKER_MDP_02, "MDP/0.2", true, true, true},
                               {WORKER_MDP_01, "MDP/0.1", true, true, true},
                               {WORKER_REQ, "REQ", false, false, false},
                               {WORKER_REP, "REP", false, false, true}};
    (void)state;
    for (size_t i = 0; i < WORKER_PROTOCOLS; i++) {
        assert_string_equal(worker_protocol_name(row[i].protocol), row[i].name);
        assert_int_equal(worker_is_majordomo(row[i].protocol), row[i].majordomo);
        assert_int_equal(worker_beats(row[i].protocol), row[i].beats);
        assert_int_equal(worker_is_dismissed(row[i].protocol), row[i].dismissed);
    }
}

static void a_service_is_served_by_its_own_workers_and_those_for_all(void **state)
{
    struct world *world = *state;
    struct worker *own = add(world, "own", "chess"), *all;
    const struct service *chess = own->service;
    assert_true(workers_serve(world->workers, chess));
    assert_false(workers_serve(world->workers, NULL));
    all = add(world, "all", "*");
    assert_true(workers_serve(world->workers, NULL));
    use(world, all, 1); /* busy or not */
    assert_true(workers_serve(world->workers, NULL));
    use(world, all, -1);
    workers_remove(world->workers, 0, all);
    assert_false(workers_serve(world->workers, NULL));
    assert_true(workers_serve(world->workers, chess));
}

static void the_timer_is_armed_for_what_comes_first(void **state)
{
    struct world *world = *state;
    const struct worker_options slow = {.name = "w1", .slots = 1, .interval_ms = 60000};
    struct worker *worker = add_as(world, "w1", "chess", WORKER_MDP_02, &slow);
    assert_true(timers_next(&world->timers) == START_US + BEAT_US); /* our heartbeat */
    worker->sent_us = START_US + 200000000;
    workers_rearm(world->workers, worker, START_US);
    assert_true(timers_next(&world->timers) == START_US + 180000000); /* the look at its life */
    workers_rearm(world->workers, worker, START_US + 500000000);
    assert_true(timers_next(&world->timers) > START_US + 500000000); /* never at once */
}

static void a_worker_that_beats_faster_is_beaten_to_faster(void **state)
{
    struct world *world = *state;
    const struct worker_options quick = {.name = "w1", .slots = 1, .interval_ms = 100};
    add_as(world, "w1", "chess", WORKER_MDP_02, &quick);
    assert_true(timers_next(&world->timers) == START_US + 100000);
}

static void w3_a_stalled_worker_gets_nothing_until_it_is_heard(void **state)
{
    struct world *world = *state;
    struct worker *worker = add(world, "w1", "chess");
    const struct service *chess = worker->service;
    workers_stall(world->workers, worker);
    assert_null(next(world, chess));
    workers_used(world->workers, worker);
    assert_null(next(world, chess));
    workers_heard(world->workers, worker, START_US + 5);
    assert_ptr_equal(next(world, chess), worker);
}

static void w3_being_heard_does_not_free_a_full_worker(void **state)
{
    struct world *world = *state;
    struct worker *worker = add(world, "w1", "chess");
    use(world, worker, 1);
    workers_stall(world->workers, worker);
    workers_heard(world->workers, worker, START_US + 5);
    assert_null(next(world, worker->service));
}

static void there_is_a_limit_on_workers(void **state)
{
    struct world *world = *state;
    char id[32];
    for (int i = 0; i < LIMIT_WORKERS; i++) {
        snprintf(id, sizeof id, "w%d", i);
        assert_non_null(add(world, id, "*"));
    }
    assert_null(add(world, "late", "*"));
    assert_null(add(world, "late", "a new service"));
    assert_null(pending_walk(world->pending, NULL)); /* the refused one holds nothing */
}

#define workers_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        workers_test(a_worker_is_found_by_its_peer_and_door),
        workers_test(nameless_workers_are_given_different_names),
        workers_test(w1_the_least_recently_used_is_next),
        workers_test(w1_dedicated_workers_come_first),
        workers_test(w1_a_free_slot_keeps_a_worker_in_line),
        workers_test(w1_the_warm_worker_is_picked_for_its_conversation_only),
        workers_test(w1_the_warm_worker_is_passed_over_while_it_is_busier),
        workers_test(any_place_in_the_line_can_be_left),
        workers_test(w2_an_idle_worker_lives_three_intervals_beyond_its_last_word),
        workers_test(w2_its_own_interval_counts),
        workers_test(w2_silence_while_busy_counts_only_when_beats_were_promised),
        workers_test(w2_a_plain_worker_has_no_beat_at_all),
        workers_test(w2_both_versions_of_majordomo_beat),
        workers_test(what_each_protocol_can_do_is_said_in_one_place),
        workers_test(a_service_is_served_by_its_own_workers_and_those_for_all),
        workers_test(the_timer_is_armed_for_what_comes_first),
        workers_test(a_worker_that_beats_faster_is_beaten_to_faster),
        workers_test(w3_a_stalled_worker_gets_nothing_until_it_is_heard),
        workers_test(w3_being_heard_does_not_free_a_full_worker),
        workers_test(there_is_a_limit_on_workers),
    };
    return cmocka_run_group_tests_name("workers", tests, NULL, NULL);
}
