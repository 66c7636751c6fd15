/* Thousands of random events against the core, from fixed seeds, and after each of them:
 *
 *   - no query is leased twice at once, and attempts are counted without a gap;
 *   - a query is given only to a worker for its service, and never after its end;
 *   - a valid answer is taken exactly when the query has none;
 *   - the counters add up (script.c, check_sums()).
 *
 * Then the sequence is pumped to its end: every query that was seen has ended exactly once, and
 * nothing is left in the core. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "gateway/core.h"
#include "tests/unit/script.h"

#define SEEDS 24
#define STEPS 4000
#define QUERIES (STEPS + 1)
#define WORKERS 8
#define ATTEMPTS 3

static const char *const services[] = {"default", "chess", "poems", "*"};
static const char *const conversations[] = {"a", "b", "c", "d", "e"};

/* What must be true of a query, as told by the actions. */
struct query {
    const char *service, *conversation;
    bool seen;
    bool leased;
    uint32_t attempt; /* the highest that was given out */
    unsigned ends;    /* ANSWER or DEAD */
    bool elsewhere;   /* somebody else ended it */
};

/* A query in the hands of a worker, as the worker knows it. */
struct work {
    unsigned worker;
    int64_t id;
    uint32_t attempt;
};

static struct {
    uint64_t random;
    struct query query[QUERIES + 1]; /* by id */
    int64_t last_id;
    struct work work[QUERIES * ATTEMPTS];
    size_t works;
    int64_t commit[QUERIES]; /* to be committed */
    size_t commits;
    const char *service[WORKERS]; /* what each worker last said READY for */
    unsigned answers, deads, duplicates, retries, undelivered;
} model;

static unsigned below(unsigned bound)
{
    model.random ^= model.random << 13;
    model.random ^= model.random >> 7;
    model.random ^= model.random << 17;
    return (unsigned)((model.random >> 32) % bound);
}

static const char *name_of(unsigned worker)
{
    static const char *const name[WORKERS + 1] = {"w0", "w1", "w2", "w3",  "w4",
                                                  "w5", "w6", "w7", "last"};
    return name[worker];
}

static unsigned number_of(const char *name)
{
    return strcmp(name, "last") == 0 ? WORKERS : (unsigned)(name[1] - '0');
}

/* Actions. */

static bool is_current(unsigned worker, int64_t id, uint32_t attempt)
{
    const struct flight *flight = inflight_find(core()->inflight, id);
    return flight && flight->lease && flight->attempt == attempt &&
           number_of(flight->lease->worker->options.name) == worker;
}

/* The attempt was over before its delivery was carried out (time has passed meanwhile), and has been counted:
 * its RETRY or DEAD is on its way. */
static bool is_counted(int64_t id, uint32_t attempt)
{
    const struct flight *flight = inflight_find(core()->inflight, id);
    return flight && (flight->lease ? flight->attempt > attempt : flight->attempt >= attempt);
}

/* The delivery does not get through, for one reason or another. */
static void fail_delivery(unsigned worker, int64_t id, uint32_t attempt)
{
    enum undeliverable why = (enum undeliverable)below(4);
    struct query *query = &model.query[id];

    if (is_counted(id, attempt)) {
        undeliverable(id, attempt, UNDELIVERABLE_PEER_GONE);
        return;
    }
    model.undelivered++;
    query->leased = false;
    query->attempt--;
    if (!is_current(worker, id, attempt)) { /* its worker was lost for another query */
        undeliverable(id, attempt, UNDELIVERABLE_PEER_GONE);
        return;
    }
    if (why == UNDELIVERABLE_ENDED) {
        query->elsewhere = true;
        row_read_by_others(id);
    }
    undeliverable(id, attempt, why);
}

static void on_deliver(const struct action *action, bool reliable)
{
    struct query *query = &model.query[action->id];
    unsigned worker = number_of(action->worker);
    const char *service = worker < WORKERS ? model.service[worker] : "*";
    struct work work = {worker, action->id, action->attempt};

    assert_true(query->seen);
    assert_false(query->leased);
    assert_false(query->elsewhere);
    assert_int_equal(query->ends, 0);
    assert_int_equal(action->attempt, query->attempt + 1);
    assert_string_equal(action->service, query->service);
    assert_true(strcmp(service, "*") == 0 || strcmp(service, query->service) == 0);
    query->leased = true;
    query->attempt++;
    if ((!reliable && below(12) == 0) || !is_current(worker, work.id, work.attempt))
        fail_delivery(worker, work.id, work.attempt);
    else
        model.work[model.works++] = work;
}

static void on_end(const struct action *action)
{
    struct query *query = &model.query[action->id];

    assert_int_equal(query->ends++, 0);
    assert_false(query->elsewhere);
    if (action->kind == ACTION_DEAD) {
        assert_true(query->leased);
        assert_int_equal(action->attempt, query->attempt);
        assert_true(action->attempt <= ATTEMPTS);
        model.deads++;
    } else {
        model.answers++;
    }
    query->leased = false;
    model.commit[model.commits++] = action->id;
}

static void on_retry(const struct action *action)
{
    struct query *query = &model.query[action->id];

    assert_true(query->leased);
    assert_int_equal(action->attempt, query->attempt);
    assert_true(action->attempt < ATTEMPTS);
    query->leased = false;
    model.retries++;
}

static void take_actions(bool reliable)
{
    const struct action *action;

    while ((action = any_action())) {
        switch (action->kind) {
        case ACTION_DELIVER:
            on_deliver(action, reliable);
            break;
        case ACTION_ANSWER:
        case ACTION_DEAD:
            on_end(action);
            break;
        case ACTION_RETRY:
            on_retry(action);
            break;
        case ACTION_REFUSED:
            model.duplicates += action->refusal == REFUSED_DUPLICATE;
            break;
        case ACTION_GONE:
        case ACTION_HEARTBEAT:
        case ACTION_PARTIAL:
            fail_msg("an action that nothing asked for");
            break;
        case ACTION_DISCONNECT:
        case ACTION_JOINED:
        case ACTION_LEFT:
            break;
        }
    }
}

/* Steps. */

static void new_row(bool seen)
{
    int64_t id = ++model.last_id;
    struct query *query = &model.query[id];

    query->service = services[below(3)];
    query->conversation = conversations[below(5)];
    query->seen = seen;
    if (seen)
        row_seen(id, query->conversation, query->service);
    else
        row_exists(id, query->conversation, query->service);
}

/* The tail comes by; a row whose answer is committed it passes. */
static void see(int64_t id)
{
    struct query *query = &model.query[id];

    if (query->seen || row_is_read(id))
        return;
    query->seen = true;
    row_seen(id, query->conversation, query->service);
}

static void hire_somebody(void)
{
    unsigned worker = below(WORKERS);

    model.service[worker] = services[below(4)];
    if (below(4) == 0)
        worker_says_ready(name_of(worker), .service = model.service[worker],
                          .protocol = WORKER_REQ, .slots = 1);
    else
        worker_says_ready(name_of(worker), .service = model.service[worker], .slots = 1 + below(4),
                          .heartbeats = below(2) == 0);
}

static void lose_somebody(void)
{
    unsigned worker = below(WORKERS);

    if (!model.service[worker])
        return;
    if (below(2))
        says_disconnect(name_of(worker));
    else
        falls_silent(name_of(worker));
}

static void valid_answer(const char *name, int64_t id, uint32_t attempt)
{
    const struct query *query = &model.query[id];
    bool first = query->ends == 0 && !query->elsewhere;
    unsigned answers_before = model.answers;

    answers(name, id, attempt);
    take_actions(false);
    assert_int_equal(model.answers, answers_before + first);
}

/* A worker says something about what it has, or had. */
static void somebody_speaks(void)
{
    size_t at;
    struct work work;
    const char *name;
    unsigned what = below(20);

    if (model.works == 0)
        return;
    at = below((unsigned)model.works);
    work = model.work[at];
    name = name_of(work.worker);
    if (what == 0) {
        answers_with_forged_token(name, work.id, work.attempt);
    } else if (what < 3) {
        sends_partial(name, work.id, work.attempt);
    } else if (what == 3) { /* and will answer again */
        valid_answer(name, work.id, work.attempt);
    } else {
        model.work[at] = model.work[--model.works];
        if (what < 8)
            answers_with_error(name, work.id, work.attempt, "no");
        else if (what == 8)
            gives_up(name, work.id, work.attempt, "never");
        else
            valid_answer(name, work.id, work.attempt);
    }
}

static void somebody_answers_from_an_earlier_run(void)
{
    int64_t id = 1 + (int64_t)below((unsigned)model.last_id + 1);

    if (id > model.last_id)
        new_row(false);
    id = model.last_id;
    valid_answer("stranger", id, 1 + below(2));
    if (below(2) == 0)
        see(id);
}

static void commit_one(void)
{
    size_t at;
    int64_t id;

    if (model.commits == 0)
        return;
    at = below((unsigned)model.commits);
    id = model.commit[at];
    model.commit[at] = model.commit[--model.commits];
    committed(id);
}

static void step(void)
{
    static const int64_t pause_us[] = {1, 10 * MS, 300 * MS, 3 * SECOND, 30 * SECOND};
    unsigned what = below(100);

    if (what < 28)
        new_row(true);
    else if (what < 30)
        somebody_answers_from_an_earlier_run();
    else if (what < 36)
        hire_somebody();
    else if (what < 39)
        lose_somebody();
    else if (what < 72)
        somebody_speaks();
    else if (what < 93)
        commit_one();
    else
        pass_us(pause_us[below(5)]);
    take_actions(false);
}

static size_t unfinished(void)
{
    size_t count = 0;

    for (int64_t id = 1; id <= model.last_id; id++)
        count += model.query[id].ends == 0 && !model.query[id].elsewhere;
    return count;
}

/* Time passes, a worker for everything takes all there is, and everything is committed. */
static void pump_to_the_end(void)
{
    for (int64_t id = 1; id <= model.last_id; id++) {
        see(id);
        take_actions(true);
    }
    worker_says_ready("last", .service = "*", .slots = 40, .heartbeats = true);
    take_actions(true);
    for (int turn = 0; turn < 10000 && (unfinished() || model.commits || model.works); turn++) {
        while (model.works) {
            struct work work = model.work[--model.works];
            answers(name_of(work.worker), work.id, work.attempt);
            take_actions(true);
        }
        while (model.commits) {
            committed(model.commit[--model.commits]);
            take_actions(true);
        }
        pass_us(5 * SECOND); /* less than a lease */
        take_actions(true);
    }
}

static void check_that_all_has_ended(void)
{
    for (int64_t id = 1; id <= model.last_id; id++)
        assert_int_equal(model.query[id].ends + model.query[id].elsewhere, 1);
    assert_int_equal(dispatch_outstanding(core()), 0);
    assert_int_equal(dispatch_backing_off(core()), 0);
    assert_int_equal(pending_backlog(dispatch_pending(core())), 0);
    assert_int_equal(inflight_count(core()->inflight), 0);
}

static void every_query_ends_exactly_once_whatever_happens(void **state)
{
    unsigned all_answers = 0, all_deads = 0, all_duplicates = 0, all_undelivered = 0;
    (void)state;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        memset(&model, 0, sizeof model);
        model.random = seed * 0x9e3779b97f4a7c15u;
        given_settings(.seed = seed, .queue = 4 + seed % 20, .attempts = ATTEMPTS,
                       .lease_us = 20 * SECOND, .attempt_max_us = 90 * SECOND);
        for (int i = 0; i < STEPS; i++)
            step();
        pump_to_the_end();
        check_that_all_has_ended();
        all_answers += model.answers;
        all_deads += model.deads;
        all_duplicates += model.duplicates;
        all_undelivered += model.undelivered;
        script_end(NULL);
        script_begin(NULL);
    }
    /* The sequences are worth something only if they go everywhere. */
    assert_true(all_answers > 1000 && all_deads > 100);
    assert_true(all_duplicates > 100 && all_undelivered > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        script_test(every_query_ends_exactly_once_whatever_happens),
    };
    return cmocka_run_group_tests_name("dispatch: random", tests, NULL, NULL);
}
