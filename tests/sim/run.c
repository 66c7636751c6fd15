/* One run: a stormy time in which about half of all faults may strike, then a calm one in which
 * everything has to come to its end. */
#include "tests/sim/sim.h"

#include <stdlib.h>

#include "proto/buffer.h"

#define CALM_US (90 * SECOND) /* the longest that the end may take */
#define IDLE_US (4 * SECOND)  /* that a query may wait beside a free worker: a few heartbeats */
#define LAST_US (2 * SECOND)  /* after the last query's end: for what comes late */

/* Chance. */

static uint64_t draw(struct sim *self)
{
    self->random ^= self->random << 13;
    self->random ^= self->random >> 7;
    self->random ^= self->random << 17;
    return self->random * UINT64_C(2685821657736338717) >> 32;
}

unsigned below(struct sim *self, unsigned bound)
{
    return (unsigned)(draw(self) % bound);
}

int64_t between(struct sim *self, int64_t least, int64_t most)
{
    return least + (int64_t)(draw(self) % (uint64_t)(most - least + 1));
}

bool strikes(struct sim *self, enum fault fault, unsigned of)
{
    if (self->calm || !self->enabled[fault] || below(self, of))
        return false;
    self->totals->faults[fault]++;
    return true;
}

/* The agenda: a heap of what is to happen, by time, then by when it was decided. */

static bool is_before(const struct item *a, const struct item *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

void run_at(struct sim *self, int64_t at_us, enum what what, unsigned a, unsigned b, unsigned c)
{
    struct item item = {at_us, self->order++, what, a, b, c};
    size_t at = self->items++;

    if (self->items > self->room) {
        self->room = self->room ? self->room * 2 : 256;
        self->heap = memory_grow(self->heap, self->room * sizeof *self->heap);
    }
    for (; at > 0 && is_before(&item, &self->heap[(at - 1) / 2]); at = (at - 1) / 2)
        self->heap[at] = self->heap[(at - 1) / 2];
    self->heap[at] = item;
}

static struct item take(struct sim *self)
{
    struct item first = self->heap[0], last = self->heap[--self->items];
    size_t at = 0, child;

    while ((child = 2 * at + 1) < self->items) {
        if (child + 1 < self->items && is_before(&self->heap[child + 1], &self->heap[child]))
            child++;
        if (!is_before(&self->heap[child], &last))
            break;
        self->heap[at] = self->heap[child];
        at = child;
    }
    self->heap[at] = last;
    return first;
}

/* Troubles. */

void run_crash(struct sim *self)
{
    trace(self, "gateway crashes", 0, self->run, (int64_t)self->jobs);
    dispatch_destroy(&self->dispatch);
    self->jobs = self->dones = 0;
    self->committing = self->tail_waits = false;
    for (size_t i = 0; i < self->connections; i++) {
        struct connection *lost = &self->connection[i];
        lost->open = lost->registered = false;
        lost->held = 0;
        if (lost->up)
            network_cut(self, (int)i, false);
    }
    for (int i = 0; i < WORKERS_MAX; i++)
        if (self->worker[i].alive)
            worker_reconnect(self, i);
    run_at(self, self->now_us + between(self, MS, 3 * SECOND), WHAT_START, 0, 0, 0);
}

static void others_write(struct sim *self)
{
    struct row *row = &self->row[below(self, (unsigned)self->rows)];
    struct conversation *conversation = &self->conversation[row->conversation];

    if (!row->read && row->exists && strikes(self, FAULT_READ_BY_OTHERS, 3)) {
        trace(self, "read by others", row->id, 0, 0);
        row->read = true;
    }
    if (strikes(self, FAULT_DELETED, 8)) {
        trace(self, "deleted", row->id, 0, 0);
        row->exists = false;
    }
    if (conversation->exists && strikes(self, FAULT_EXPIRED, 15)) {
        trace(self, "expired", 0, row->conversation, 0);
        conversation->expires_us = self->now_us + self->wall_ahead_us;
    }
    if (conversation->exists && strikes(self, FAULT_DELETED, 40)) {
        trace(self, "conversation deleted", 0, row->conversation, 0);
        conversation->exists = false;
        for (size_t i = 0; i < self->rows; i++)
            if (self->row[i].conversation == row->conversation)
                self->row[i].exists = false;
    }
}

static void trouble(struct sim *self)
{
    int worker = (int)below(self, WORKERS_MAX);

    if (self->calm)
        return;
    run_at(self, self->now_us + between(self, 10 * MS, 2 * SECOND), WHAT_TROUBLE, 0, 0, 0);
    if (self->rows > 0)
        others_write(self);
    if (self->worker[worker].alive && strikes(self, FAULT_WORKER_CRASH, 10))
        worker_crash(self, worker);
    if (self->dispatch && strikes(self, FAULT_GATEWAY_CRASH, 15))
        run_crash(self);
    if (strikes(self, FAULT_CLOCK_JUMP, 20)) {
        int64_t ahead_us = between(self, SECOND, 20 * SECOND);
        trace(self, "clock jumps", 0, ahead_us, 0);
        if (below(self, 2))
            self->flowing_us = self->now_us += ahead_us;
        else
            self->wall_ahead_us += ahead_us;
    }
}

/* What happens. */

static void happen_to_worker(struct sim *self, const struct item *item)
{
    int number = (int)item->a;
    struct worker_sim *worker = &self->worker[number];

    if (item->what == WHAT_TASK) {
        const struct task *task = &worker->task[item->b];
        if (worker->alive && task->used && task->generation == item->c)
            worker_task(self, number, item->b);
        return;
    }
    if (worker->life != item->b)
        return;
    if (item->what == WHAT_BEAT) {
        worker_beat(self, number);
    } else if (item->what == WHAT_REVIVE) {
        worker_hire(self, number, false);
    } else if (item->what == WHAT_CONNECT) {
        bool new = worker->connection == NOBODY && self->dispatch;
        worker_connect(self, number);
        if (new && item->c && worker->connection != NOBODY)
            worker_ready(self, number);
    }
}

static void happen_to_gateway(struct sim *self, const struct item *item)
{
    if (!self->dispatch || item->a != self->run)
        return;
    if (item->what == WHAT_TAIL)
        store_tail(self);
    else if (item->what == WHAT_COMMIT)
        store_commit(self);
    else if (item->what == WHAT_APPLY)
        store_apply(self);
    else
        store_announce(self);
}

static void happen(struct sim *self, const struct item *item)
{
    switch (item->what) {
    case WHAT_GATE_FRAME:
    case WHAT_WORKER_FRAME:
        network_arrive(self, item);
        break;
    case WHAT_BEAT:
    case WHAT_TASK:
    case WHAT_CONNECT:
    case WHAT_REVIVE:
        happen_to_worker(self, item);
        break;
    case WHAT_TAIL:
    case WHAT_COMMIT:
    case WHAT_APPLY:
    case WHAT_ANNOUNCE:
        happen_to_gateway(self, item);
        break;
    case WHAT_ROW:
        if (!self->calm)
            store_insert(self);
        break;
    case WHAT_TROUBLE:
        trouble(self);
        break;
    case WHAT_START:
        gate_start(self);
        break;
    }
}

/* The run. */

static void begin(struct sim *self)
{
    struct dispatch_config *config = &self->config;
    unsigned workers = 1 + below(self, 5);

    for (int i = 0; i < FAULTS; i++)
        self->enabled[i] = below(self, 2);
    config->lease_us = 4 * SECOND;
    config->attempt_max_us = 10 * SECOND;
    config->beat_us = SECOND;
    config->backoff_first_us = 200 * MS;
    config->backoff_max_us = 2 * SECOND;
    config->attempts = 2 + below(self, 3);
    config->queue = 2 + below(self, 10);
    for (size_t i = 0; i < TOKEN_KEY_SIZE; i++)
        config->key.bytes[i] = (unsigned char)below(self, 256);
    self->commit_queue = config->queue;
    self->rows_wanted = 8 + below(self, ROWS_MAX - 8);
    for (unsigned i = 0; i < CONVERSATIONS; i++) {
        struct conversation *conversation = &self->conversation[i];
        conversation->name[0] = (char)('a' + i);
        conversation->exists = true;
        conversation->expires_us =
            self->enabled[FAULT_EXPIRED] ? between(self, 5 * SECOND, 200 * SECOND) : 3600 * SECOND;
    }
    for (unsigned i = 0; i < workers; i++)
        worker_hire(self, (int)i, false);
    self->calm_us = between(self, 8 * SECOND, 25 * SECOND);
    self->end_us = INT64_MAX;
    run_at(self, 0, WHAT_START, 0, 0, 0);
    run_at(self, between(self, 0, 10 * MS), WHAT_ROW, 0, 0, 0);
    run_at(self, SECOND, WHAT_TROUBLE, 0, 0, 0);
}

static void calm_down(struct sim *self)
{
    self->calm = true;
    self->end_us = self->now_us + CALM_US;
    trace(self, "calm", 0, 0, 0);
    if (below(self, 8))
        worker_hire(self, WORKERS_MAX - 1, true);
}

static bool is_quiet(const struct sim *self)
{
    for (size_t i = 0; i < self->rows; i++)
        if (store_open(self, &self->row[i]))
            return false;
    return self->jobs == 0 && self->dones == 0;
}

static void go(struct sim *self)
{
    bool quiet = false, late = false;

    while (!self->broken && self->now_us < self->end_us) {
        int64_t item_us = self->heap[0].at_us;
        int64_t tick_us = self->dispatch ? dispatch_next(self->dispatch) : INT64_MAX;
        int64_t next_us = item_us <= tick_us ? item_us : tick_us;

        if (next_us > self->now_us)
            self->now_us = next_us;
        if (item_us <= tick_us) {
            struct item item = take(self);
            happen(self, &item);
        } else {
            gate_tick(self);
        }
        if (!self->calm && self->now_us >= self->calm_us)
            calm_down(self);
        if (self->now_us >= self->end_us && self->jobs + self->dones > 0 && !late) {
            late = true; /* something was recorded in the last moment: let it be committed */
            self->end_us += LAST_US;
        }
        if (self->calm && !quiet && self->dispatch && is_quiet(self)) {
            quiet = true;
            self->end_us = self->now_us + LAST_US;
        }
    }
}

void run_done(struct sim *self)
{
    dispatch_destroy(&self->dispatch);
    free(self->heap);
    free(self->frame);
}

void run_seed(struct sim *self, uint64_t seed, struct totals *totals, bool print, bool strict)
{
    memset(self, 0, sizeof *self);
    self->seed = seed;
    self->totals = totals;
    self->print = print;
    self->frame_free = UINT32_MAX;
    self->idle_us = strict ? 0 : IDLE_US;
    self->random = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
    begin(self);
    go(self);
    if (!self->broken)
        check_end(self);
}
