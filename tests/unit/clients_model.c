#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/clients_model.h"

struct clients_model model;
const struct clients_limits model_limits = {
    .window = WINDOW, .coalesce_us = 600 * SECOND, .expire_us = 60 * SECOND};

/* What waited has attached to a row: its cargo is its ask. */
static void on_discard(void *cargo)
{
    int ask = *(int *)cargo;

    free(cargo);
    model.discarded++;
    if (!model.in_next)
        return; /* its connection is gone */
    assert_int_equal(model_first(model.ask[ask].peer, WAITS), ask);
    assert_in_range(model_running(model.ask[ask].peer), 0, WINDOW - 1);
    assert_int_equal(model.ask[ask].not_before_us, 0);
    model_join(ask, model_orphan(model.ask[ask].question));
    model.attached++;
}

void model_begin(uint64_t seed)
{
    memset(&model, 0, sizeof model);
    model.random = seed * 0x9e3779b97f4a7c15u;
    model.now_us = 1000 * (int64_t)SECOND;
    model.clients = clients_new(seed, model.now_us - (int64_t)model_below(1200) * SECOND,
                                &model_limits, on_discard);
    for (unsigned peer = 0; peer < PEERS; peer++)
        model.connection[peer].pause_us = 10000;
}

unsigned model_below(unsigned n)
{
    model.random = model.random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(model.random >> 33) % n;
}

struct peer model_peer(unsigned peer)
{
    struct peer result = {.size = 1};

    result.id[0] = (unsigned char)('a' + peer);
    return result;
}

int model_first(unsigned peer, enum stage stage)
{
    const struct connection *connection = &model.connection[peer];

    for (size_t i = 0; i < connection->count; i++)
        if (model.ask[connection->line[i]].stage == stage)
            return connection->line[i];
    return -1;
}

size_t model_running(unsigned peer)
{
    const struct connection *connection = &model.connection[peer];
    size_t running = 0;

    for (size_t i = 0; i < connection->count; i++) {
        enum stage stage = model.ask[connection->line[i]].stage;
        running += stage == TOLD || stage == MAKING || stage == ASKED;
    }
    return running;
}

static bool is_orphan(const struct row *row)
{
    return !row->over && row->askers == 0;
}

static bool is_young(const struct row *row)
{
    return model.now_us - row->since_us < model_limits.coalesce_us;
}

static int find_orphan(unsigned question)
{
    int orphan = -1;

    for (size_t i = 0; i < model.rows; i++) {
        const struct row *row = &model.row[i];
        if (row->question == question && is_orphan(row) && is_young(row) &&
            (orphan < 0 || row->orphan_at < model.row[orphan].orphan_at))
            orphan = (int)i;
    }
    return orphan;
}

int model_orphan(unsigned question)
{
    return model_ticket(question) ? -1 : find_orphan(question);
}

bool model_twin(unsigned peer, unsigned question)
{
    for (size_t i = 0; i < model.asks; i++) {
        const struct ask *ask = &model.ask[i];
        if (ask->question == question && ask->peer != peer && ask->stage != OVER && ask->row >= 0 &&
            model.now_us - model.row[ask->row].waited_us >= TWIN_OLD_US)
            return true;
    }
    return false;
}

void model_check_look(unsigned question, bool look)
{
    bool known = false;

    if (find_orphan(question) >= 0) {
        assert_true(look);
        return;
    }
    for (size_t i = 0; i < model.rows; i++) {
        const struct row *row = &model.row[i];
        if (row->question != question)
            continue;
        if (row->ended && is_young(row)) {
            assert_true(look);
            return;
        }
        if (row->over)
            continue;
        known |= row->askers > 0 || row->making || is_young(row);
    }
    if (known)
        assert_false(look); /* what is not known may be so still: it is forgotten later */
}

void model_join(int ask, int row)
{
    assert_in_range(row, 0, model.rows - 1);
    if (model.row[row].askers++ == 0)
        model.row[row].waited_us = model.now_us;
    model.ask[ask].row = row;
    model.ask[ask].stage = model.row[row].making ? MAKING : ASKED;
}

void model_leave(int ask)
{
    struct row *row = &model.row[model.ask[ask].row];

    model.ask[ask].row = -1;
    if (--row->askers == 0)
        row->orphan_at = ++model.orphans;
}

void model_make(int ask)
{
    model.row[model.rows] = (struct row){.question = model.ask[ask].question,
                                         .making = true,
                                         .maker = ask,
                                         .since_us = model.now_us};
    model_join(ask, (int)model.rows++);
}

void model_done(int ask, const char *text, size_t size)
{
    struct ask *done = &model.ask[ask];
    const struct connection *connection = &model.connection[done->peer];
    size_t kept = 0;

    done->stage = DONE;
    done->size = size;
    snprintf(done->reply, sizeof done->reply, "%s", text);
    for (size_t i = 0; i < connection->count; i++)
        kept +=
            model.ask[connection->line[i]].stage == DONE ? model.ask[connection->line[i]].size : 0;
    if (kept > LIMIT_CLIENT_BYTES)
        model_drop(done->peer, true);
}

static void forget(int ask)
{
    if (model.ask[ask].row >= 0)
        model_leave(ask);
    model.ask[ask].stage = OVER;
}

void model_drop(unsigned peer, bool cut)
{
    struct connection *connection = &model.connection[peer];

    for (size_t i = 0; i < connection->count; i++) {
        const struct ask *ask = &model.ask[connection->line[i]];
        if (ask->stage == DONE && ask->id && !model_ticket(ask->question)) {
            model.lost_cut[model.lost_count] = cut;
            model.lost[model.lost_count++] = ask->id;
            model.row[model.rows++] = (struct row){
                .question = ask->question, .over = true, .ended = true, .since_us = model.now_us};
        }
        forget(connection->line[i]);
    }
    if (cut) {
        connection->count = 0;
        connection->cut = true;
        model.cut++;
        return;
    }
    memset(connection, 0, sizeof *connection);
    connection->pause_us = 10000;
}

void model_over(int ask)
{
    struct connection *connection = &model.connection[model.ask[ask].peer];
    int row = model.ask[ask].row;

    assert_int_equal(connection->line[0], ask);
    forget(ask);
    if (row >= 0 && model.row[row].askers == 0)
        model.row[row].over = true; /* its receipt is delivered */
    memmove(connection->line, connection->line + 1, --connection->count * sizeof(int));
    connection->pause_us = 10000;
    model.sent++;
}

int model_pick(size_t count, bool (*is)(size_t))
{
    size_t start = count ? model_below((unsigned)count) : 0;

    for (size_t i = 0; i < count; i++)
        if (is((start + i) % count))
            return (int)((start + i) % count);
    return -1;
}

bool model_told(size_t ask)
{
    return model.ask[ask].stage == TOLD;
}

bool model_making(size_t row)
{
    return model.row[row].making;
}

bool model_can_end(size_t row)
{
    return !model.row[row].making && !model.row[row].over && model.row[row].id > 0;
}

void model_answer(int number, const char *text, size_t size, int64_t id)
{
    model.row[number].ended = id && model.row[number].askers == 0;
    for (size_t i = 0; i < model.asks; i++) {
        if (model.ask[i].row != number || model.ask[i].stage == OVER)
            continue;
        model_leave((int)i);
        model.ask[i].id = id;
        model_done((int)i, text, size);
    }
    model.row[number].over = true;
}

void model_merge(int row, int same)
{
    for (size_t i = 0; i < model.asks; i++) {
        if (model.ask[i].row != row || model.ask[i].stage == OVER)
            continue;
        model_leave((int)i);
        model_join((int)i, same);
        model.row[same].waited_us =
            model.row[same].askers == 1 ? model.row[row].waited_us : model.row[same].waited_us;
    }
    model.row[row].over = true;
}

/* Checking. */

static void check_lost(void)
{
    int64_t id;
    bool cut;

    while (clients_lost(model.clients, &id, &cut)) {
        size_t i = 0;
        while (i < model.lost_count && (model.lost[i] != id || model.lost_cut[i] != cut))
            i++;
        assert_in_range(i, 0, model.lost_count - 1);
        model.lost[i] = model.lost[--model.lost_count];
        model.lost_cut[i] = model.lost_cut[model.lost_count];
    }
    assert_int_equal(model.lost_count, 0);
}

static bool listens(const struct ask *ask, int row)
{
    const struct connection *connection = &model.connection[ask->peer];

    return ask->stage == ASKED && ask->row == row && ask->protocol == CLIENT_MDP_02 &&
           !connection->stalled && &model.ask[connection->line[0]] == ask;
}

static void check_listeners(int row)
{
    struct client_parcel parcel;
    void *at = NULL;
    size_t expected = 0, heard = 0;

    for (size_t i = 0; i < model.asks; i++)
        expected += listens(&model.ask[i], row);
    while (clients_listener(model.clients, model.row[row].id, &at, &parcel)) {
        unsigned peer = parcel.peer->id[0] - 'a';
        assert_true(listens(&model.ask[model.connection[peer].line[0]], row));
        heard++;
    }
    assert_int_equal(heard, expected);
}

static void check_row(int number)
{
    const struct row *row = &model.row[number];

    if (row->id == 0 || model_ticket(row->question))
        return;
    if (row->over)
        assert_false(clients_know(model.clients, row->id));
    else if (row->askers > 0 || is_young(row))
        assert_true(clients_know(model.clients, row->id));
    if (!row->over)
        check_listeners(number);
}

void model_check(void)
{
    struct clients_view view;
    size_t clients = 0, requests = 0, waiting = 0;

    check_lost();
    for (size_t i = 0; i < model.asks; i++) {
        requests += model.ask[i].stage != OVER;
        waiting += model.ask[i].stage == WAITS;
    }
    for (size_t i = 0; i < model.rows; i++) /* their makers are gone, and remembered */
        requests += model.row[i].making && model.ask[model.row[i].maker].stage == OVER;
    for (unsigned peer = 0; peer < PEERS; peer++)
        clients += model.connection[peer].count > 0 || model.connection[peer].cut;
    clients_look(model.clients, &view);
    assert_int_equal(view.clients, clients);
    assert_int_equal(view.requests, requests);
    assert_int_equal(view.waiting, waiting);
    assert_int_equal(view.attached, model.attached);
    assert_int_equal(view.cut, model.cut);
    check_row((int)model_below((unsigned)model.rows + 1) % (int)(model.rows ? model.rows : 1));
}
