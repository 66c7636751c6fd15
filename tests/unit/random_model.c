#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "gateway/core.h"
#include "proto/buffer.h"
#include "tests/unit/random_model.h"

struct model model;

unsigned below(unsigned bound)
{
    model.random ^= model.random << 13;
    model.random ^= model.random >> 7;
    model.random ^= model.random << 17;
    return (unsigned)((model.random >> 32) % bound);
}

const char *name_of(unsigned worker)
{
    static const char *const name[WORKERS + 1] = {"w0", "w1", "w2", "w3",  "w4",
                                                  "w5", "w6", "w7", "last"};
    return name[worker];
}

static unsigned number_of(const char *name)
{
    return strcmp(name, "last") == 0 ? WORKERS : (unsigned)(name[1] - '0');
}

void model_done(void)
{
    free(model.work);
    memset(&model, 0, sizeof model);
}

struct write take_write(struct write *list, size_t *count, size_t item)
{
    struct write write = list[item];

    list[item] = list[--*count];
    return write;
}

/* Deliveries. */

static bool is_current(unsigned worker, int64_t id, uint32_t attempt)
{
    const struct flight *flight = inflight_find(core()->inflight, id);

    return flight && flight->lease && flight->attempt == attempt &&
           number_of(flight->lease->worker->options.name) == worker;
}

/* The attempt was over before its delivery was carried out (time has passed meanwhile), and has
 * been counted: its RETRY or DEAD is on its way. */
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

static void note_work(unsigned worker, int64_t id, uint32_t attempt)
{
    if (model.works == model.room) {
        model.room = model.room ? model.room * 2 : 64;
        model.work = memory_grow(model.work, model.room * sizeof *model.work);
    }
    model.work[model.works++] = (struct work){worker, id, attempt};
}

static void check_handed_out(const struct action *action, const struct query *query)
{
    unsigned worker = number_of(action->worker);
    const char *service = worker < WORKERS ? model.service[worker] : "*";

    assert_true(query->seen);
    assert_false(query->leased || query->held);
    assert_false(query->elsewhere);
    assert_int_equal(query->ends, 0);
    assert_int_equal(query->writing, 0); /* D6 */
    assert_int_equal(action->attempt, query->attempt + 1);
    assert_int_equal(action->failed, query->failed);
    assert_string_equal(action->service, query->service);
    assert_true(strcmp(service, "*") == 0 || strcmp(service, query->service) == 0);
}

static void on_deliver(const struct action *action, bool reliable)
{
    struct query *query = &model.query[action->id];
    unsigned worker = number_of(action->worker);
    int64_t id = action->id;
    uint32_t attempt = action->attempt;

    check_handed_out(action, query);
    assert_true(query->claimed || !model.claim); /* D7 */
    query->leased = true;
    query->attempt++;
    if ((!reliable && below(12) == 0) || !is_current(worker, id, attempt))
        fail_delivery(worker, id, attempt);
    else
        note_work(worker, id, attempt);
}

static void on_claim(const struct action *action)
{
    struct query *query = &model.query[action->id];

    assert_true(model.claim);
    assert_false(query->claimed || query->claiming);
    check_handed_out(action, query);
    query->claiming = true;
    model.claiming[model.claimings++] = (struct write){
        .id = action->id,
        .disk = {.row = true, .leased = true, .claimed = true, .attempt = action->attempt}};
}

/* What else happens to a query. */

static void on_adopted(const struct action *action)
{
    struct query *query = &model.query[action->id];

    assert_false(query->leased);
    assert_false(query->elsewhere);
    assert_int_equal(query->ends, 0);
    query->seen = query->leased = true;
    query->held = false;
    if (query->attempt < action->attempt)
        query->attempt = action->attempt;
    model.adopted++;
}

static void on_record(const struct action *action)
{
    struct query *query = &model.query[action->id];

    if (inflight_find(core()->inflight, action->id)->state == FLIGHT_LEASED)
        assert_true(query->leased);
    query->disk = (struct disk){.row = true,
                                .leased = true,
                                .claimed = query->claimed,
                                .attempt = action->attempt,
                                .failed = query->failed};
    model.recorded++;
}

/* A query is taken out of where it waits: nobody has it, and nothing has failed (D9). */
static void on_withdrawn(const struct action *action, struct query *query)
{
    assert_false(query->leased || query->held);
    assert_false(query->claimed || query->claiming);
    assert_int_equal(query->writing, 0);
    assert_int_equal(action->failed, query->failed);
    if (action->kind == ACTION_DEAD)
        assert_string_equal(action->reason, "nobody came");
    model.withdrawing = 0;
    model.withdrawn++;
}

static void on_end(const struct action *action)
{
    struct query *query = &model.query[action->id];

    assert_int_equal(query->ends++, 0);
    assert_false(query->elsewhere);
    if (model.withdrawing == action->id) {
        on_withdrawn(action, query);
    } else if (action->kind == ACTION_DEAD) {
        assert_true(query->leased || query->held);
        assert_int_equal(action->attempt, query->attempt);
        assert_int_equal(action->failed, ++query->failed);
        assert_true(query->failed >= ATTEMPTS || strcmp(action->reason, "never") == 0);
        model.deads++;
    } else {
        assert_int_equal(action->kind, ACTION_ANSWER);
        model.answers++;
    }
    query->leased = query->held = false;
    model.ending[model.endings++] = (struct write){.id = action->id};
}

static void on_failure(const struct action *action)
{
    struct query *query = &model.query[action->id];
    bool fails = action->kind == ACTION_RETRY;

    assert_true(query->leased || query->held);
    assert_int_equal(action->attempt, query->attempt);
    query->failed += fails;
    assert_int_equal(action->failed, query->failed);
    assert_true(query->failed < ATTEMPTS);
    query->leased = query->held = false;
    model.retries += fails;
    model.returns += !fails;
    if (!fails && !action->recorded)
        return;
    query->writing++;
    model.failing[model.failings++] = (struct write){.id = action->id,
                                                     .disk = {.row = true,
                                                              .claimed = query->claimed,
                                                              .attempt = query->attempt,
                                                              .failed = query->failed}};
}

void take_actions(bool reliable)
{
    const struct action *action;

    while ((action = any_action())) {
        switch (action->kind) {
        case ACTION_DELIVER:
            on_deliver(action, reliable);
            break;
        case ACTION_CLAIM:
            on_claim(action);
            break;
        case ACTION_RECORD:
            on_record(action);
            break;
        case ACTION_ANSWER:
        case ACTION_DEAD:
        case ACTION_DROP:
            on_end(action);
            break;
        case ACTION_RETRY:
        case ACTION_RETURNED:
            on_failure(action);
            break;
        case ACTION_ADOPTED:
            on_adopted(action);
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

/* A restart. */

static void forget(struct query *query)
{
    query->seen = query->leased = query->held = query->claiming = false;
    query->writing = 0;
    query->claimed = query->disk.row && query->disk.claimed;
    query->attempt = query->disk.row ? query->disk.attempt : 0;
    query->failed = query->disk.row ? query->disk.failed : 0;
}

void restart(void)
{
    while (model.endings) {
        int64_t id = take_write(model.ending, &model.endings, 0).id;
        if (below(2))
            row_read_by_others(id); /* it was committed, and nobody was told */
        else
            model.query[id].ends = 0;
    }
    model.failings = model.claimings = 0;
    memset(model.service, 0, sizeof model.service);
    for (int64_t id = 1; id <= model.last_id; id++) {
        struct query *query = &model.query[id];
        if (query->ends || query->elsewhere)
            continue;
        forget(query);
        if (!query->disk.row)
            continue;
        given_restored(id, .leased = query->disk.leased, .claimed = query->disk.claimed,
                       .attempt = query->disk.attempt, .failed = query->disk.failed,
                       .for_us = below(20) * SECOND);
        query->seen = true;
        query->held = query->disk.leased;
        model.restored++;
    }
    take_actions(false);
}
