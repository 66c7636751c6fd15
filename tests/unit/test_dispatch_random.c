/* Thousands of random events against the core, from fixed seeds, and after each of them:
 *
 *   - no query is leased twice at once, and attempts and failures are counted without a gap;
 *   - a query is given only to a worker for its service, never after its end, never before its last
 *     failure is on disk, and with `claim` never before its row is claimed;
 *   - a valid answer is taken exactly when the query has none;
 *   - what is withdrawn ends, exactly when it waits and nothing is being written of it;
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

#include "tests/unit/random_model.h"

#define SEEDS 24

static const char *const services[] = {"default", "chess", "poems", "*"};
static const char *const conversations[] = {"a", "b", "c", "d", "e"};

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

static void refill(bool reliable)
{
    while (refills_once(NULL))
        take_actions(reliable);
}

/* Workers. */

/* Up to 8 tokens of what WORKER has, or had. */
static void name_holdings(unsigned worker, struct held *holds)
{
    size_t count = 0;

    for (size_t i = 0; i < model.works && count < HOLDS_MAX; i++)
        if (model.work[i].worker == worker && below(4))
            holds[count++] =
                (struct held)HELD(model.work[i].id, model.work[i].attempt, .forged = below(9) == 0);
}

static void hire_somebody(void)
{
    static const enum worker_protocol protocols[] = {WORKER_MDP_02, WORKER_MDP_02, WORKER_MDP_02,
                                                     WORKER_MDP_01, WORKER_REQ,    WORKER_REP};
    unsigned worker = below(WORKERS);
    struct hire hire = {.given = true, .service = services[below(4)]};

    model.service[worker] = hire.service;
    hire.protocol = protocols[below(6)];
    if (worker_is_majordomo(hire.protocol)) {
        hire.slots = 1 + below(4);
        hire.heartbeats = below(2) == 0;
        if (below(2))
            name_holdings(worker, hire.holds);
    }
    script_ready(name_of(worker), hire);
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
    unsigned what = below(22);

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
        else if (what < 11)
            gives_back(name, work.id, work.attempt, "not now");
        else
            valid_answer(name, work.id, work.attempt);
    }
}

static void somebody_answers_from_an_earlier_run(void)
{
    int64_t id;

    if (below(2))
        new_row(false);
    id = model.last_id;
    if (id == 0)
        return;
    valid_answer("stranger", id, 1 + below(2));
    if (below(2) == 0)
        see(id);
}

/* What goes to disk. */

static void commit(size_t item)
{
    committed(take_write(model.ending, &model.endings, item).id);
}

static void record(size_t item)
{
    struct write write = take_write(model.failing, &model.failings, item);
    struct query *query = &model.query[write.id];

    query->writing -= query->writing > 0;
    query->disk = write.disk;
    recorded(write.id);
}

/* A claim is lost only while nobody has the query. */
static void end_claim(size_t item, bool reliable)
{
    struct write write = take_write(model.claiming, &model.claimings, item);
    struct query *query = &model.query[write.id];
    bool open = !query->leased && query->ends == 0 && query->writing == 0;

    query->claiming = false;
    if (!reliable && open && !query->elsewhere && query->failed == 0 && below(4) == 0) {
        query->elsewhere = true;
        claim_lost(write.id);
        return;
    }
    query->claimed = true;
    write.disk.failed = query->failed;
    query->disk = write.disk;
    claimed(write.id);
}

/* The file of the query whose id is drawn says that it has ended without us. */
static void end_one(void)
{
    int64_t id = 1 + (int64_t)below((unsigned)model.last_id);
    struct query *query = &model.query[id];

    if (query->ends || query->elsewhere || !query->seen ||
        dispatch_where(core(), id, NULL) == PLACE_LEASED)
        return;
    query->elsewhere = true;
    query->held = false;
    row_read_by_others(id);
    ended(id);
}

/* The query whose id is drawn is withdrawn, exactly if it waits and nothing is written of it. */
static void withdraw(int64_t id)
{
    const struct query *query = &model.query[id];
    bool waits = dispatch_where(core(), id, NULL) == PLACE_WAITS && !query->held &&
                 !query->claimed && !query->claiming && query->writing == 0;

    model.withdrawing = id;
    withdrawn(id, below(2) ? "nobody came" : NULL);
    take_actions(false);
    assert_int_equal(model.withdrawing == 0, waits);
    model.withdrawing = 0;
}

static void withdraw_some(void)
{
    for (int i = 0; i < 10; i++)
        withdraw(1 + (int64_t)below((unsigned)model.last_id));
}

static void write_one(void)
{
    if (model.endings && below(3))
        commit(below((unsigned)model.endings));
    else if (model.failings && below(2))
        record(below((unsigned)model.failings));
    else if (model.claimings)
        end_claim(below((unsigned)model.claimings), false);
}

/* Steps. */

/* Lets time pass, and has carried out what comes of it when it comes. */
static void pass(int64_t us, bool reliable)
{
    int64_t end_us = now_us() + us;

    while (now_us() < end_us) {
        int64_t due_us = dispatch_next(core());
        if (due_us > end_us)
            due_us = end_us;
        pass_us(due_us > now_us() ? due_us - now_us() : 1);
        take_actions(reliable);
    }
}

static struct settings random_settings(uint64_t seed)
{
    return (struct settings){.seed = seed,
                             .queue = 4 + seed % 20,
                             .attempts = ATTEMPTS,
                             .lease_us = 20 * SECOND,
                             .attempt_max_us = 90 * SECOND,
                             .attempt_hard_max_us = 200 * SECOND,
                             .record_after_us = SECOND,
                             .claim = seed % 3 == 0,
                             .window = 1 + below(20),
                             .order = (enum order)below(3)};
}

static void manage(uint64_t seed)
{
    static const char *const whose[] = {NULL, "default", "chess", "poems"};
    unsigned what = below(40);

    if (what == 0) {
        script_settings(random_settings(seed));
        hold_records();
        restart();
        for (int64_t id = 1; id <= model.last_id; id++) {
            see(id);
            take_actions(false);
        }
    } else if (what < 6) {
        script_rules(whose[below(4)], random_settings(seed));
    } else if (what < 16) {
        pauses(whose[below(4)], what < 10);
    } else if (model.last_id > 0 && what < 25) {
        end_one();
    } else if (model.last_id > 0) {
        withdraw_some();
    }
}

static void step(uint64_t seed)
{
    static const int64_t pause_us[] = {1, 10 * MS, 300 * MS, 3 * SECOND, 30 * SECOND};
    unsigned what = below(100);

    if (what < 25)
        new_row(true);
    else if (what < 27)
        somebody_answers_from_an_earlier_run();
    else if (what < 33)
        hire_somebody();
    else if (what < 36)
        lose_somebody();
    else if (what < 66)
        somebody_speaks();
    else if (what < 90)
        write_one();
    else if (what < 93)
        manage(seed);
    else
        pass(pause_us[below(5)], false);
    take_actions(false);
    refill(false);
}

static size_t unfinished(void)
{
    size_t count = 0;

    for (int64_t id = 1; id <= model.last_id; id++)
        count += model.query[id].ends == 0 && !model.query[id].elsewhere;
    return count;
}

static void write_all(void)
{
    while (model.endings || model.failings || model.claimings) {
        if (model.endings)
            commit(0);
        else if (model.failings)
            record(0);
        else
            end_claim(0, true);
        take_actions(true);
    }
}

/* Nothing is paused any more, time passes, a worker for everything takes all there is, and
 * everything goes to disk. */
static void pump_to_the_end(void)
{
    static const char *const whose[] = {NULL, "default", "chess", "poems"};

    for (size_t i = 0; i < 4; i++) {
        pauses(whose[i], false);
        take_actions(true);
    }
    for (int64_t id = 1; id <= model.last_id; id++) {
        see(id);
        take_actions(true);
    }
    worker_says_ready("last", .service = "*", .slots = 40, .heartbeats = true);
    take_actions(true);
    for (int turn = 0; turn < 10000 && (unfinished() || model.works); turn++) {
        while (model.works) {
            struct work work = model.work[--model.works];
            answers(name_of(work.worker), work.id, work.attempt);
            take_actions(true);
        }
        write_all();
        refill(true);
        pass(5 * SECOND, true); /* less than a lease */
    }
    write_all();
}

static void check_that_all_has_ended(void)
{
    for (int64_t id = 1; id <= model.last_id; id++)
        assert_int_equal(model.query[id].ends + model.query[id].elsewhere, 1);
    assert_int_equal(dispatch_outstanding(core()), 0);
    assert_int_equal(dispatch_backing_off(core()), 0);
    assert_int_equal(dispatch_held(core()), 0);
    assert_int_equal(pending_backlog(dispatch_pending(core())), 0);
    assert_int_equal(flights(), 0);
    assert_false(refills_once(NULL));
}

static void every_query_ends_exactly_once_whatever_happens(void **state)
{
    struct model sum = {0};
    (void)state;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        model_done();
        model.random = seed * 0x9e3779b97f4a7c15u;
        model.claim = seed % 3 == 0;
        script_settings(random_settings(seed));
        hold_records();
        for (int i = 0; i < STEPS; i++)
            step(seed);
        pump_to_the_end();
        check_that_all_has_ended();
        sum.answers += model.answers;
        sum.deads += model.deads;
        sum.duplicates += model.duplicates;
        sum.undelivered += model.undelivered;
        sum.returns += model.returns;
        sum.adopted += model.adopted;
        sum.recorded += model.recorded;
        sum.restored += model.restored;
        sum.withdrawn += model.withdrawn;
        script_end(NULL);
        script_begin(NULL);
    }
    model_done();
    /* The sequences are worth something only if they go everywhere. */
    assert_true(sum.answers > 1000 && sum.deads > 100);
    assert_true(sum.duplicates > 100 && sum.undelivered > 100);
    assert_true(sum.returns > 100 && sum.adopted > 30);
    assert_true(sum.recorded > 100 && sum.restored > 100);
    assert_true(sum.withdrawn > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        script_test(every_query_ends_exactly_once_whatever_happens),
    };
    return cmocka_run_group_tests_name("dispatch: random", tests, NULL, NULL);
}
