/* One run: a stormy time in which about half of all faults may strike, then a calm one in which
 * everything has to come to its end. */
#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>

#define CALM_US (90 * SECOND) /* the longest that the end may take */
#define IDLE_US (4 * SECOND)  /* that a query may wait beside a free worker: a few heartbeats */
#define LAST_US (2 * SECOND)  /* after the last query's end: for what comes late */

/* What happens. */

static void happen_to_worker(struct sim *self, const struct item *item)
{
    int number = (int)item->a;
    struct worker_sim *worker = &self->worker[number];

    if (item->what == WHAT_TASK) {
        const struct task *task = &worker->task[item->b];
        if (worker->alive && task->used && task->generation == item->c)
            task_step(self, number, item->b);
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
    else if (item->what == WHAT_REFILL)
        upkeep_refill(self);
    else if (item->what == WHAT_DELIVER)
        carry_deliveries(self);
    else if (item->what == WHAT_SWEEP)
        upkeep_sweep(self);
    else if (item->what == WHAT_STOP)
        trouble_crash(self);
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
    case WHAT_REFILL:
    case WHAT_DELIVER:
    case WHAT_SWEEP:
    case WHAT_STOP:
        happen_to_gateway(self, item);
        break;
    case WHAT_ROW:
        if (!self->calm)
            store_insert(self);
        break;
    case WHAT_WITHDRAW:
        upkeep_withdraw(self, item->a);
        break;
    case WHAT_TROUBLE:
        trouble(self);
        break;
    case WHAT_START:
        upkeep_start(self);
        break;
    }
}

/* The beginning. */

const struct rules *run_rules(const struct sim *self, unsigned service)
{
    return rulebook_find(self->config.rulebook, span_str(service_name[service]));
}

static struct rules some_rules(struct sim *self)
{
    struct rules rules = {
        .lease_us = between(self, 3, 5) * SECOND,
        .attempt_max_us = between(self, 5, 10) * SECOND,
        .attempt_hard_max_us = between(self, 5, 16) * SECOND,
        .backoff_first_us = 200 * MS,
        .backoff_max_us = between(self, 1, 3) * SECOND,
        .attempts = 2 + below(self, 3),
        .window = below(self, 3) ? 1 + below(self, 8) : 1000,
        .order = below(self, 2) ? ORDER_FAIR : (enum order)below(self, 3),
    };
    return rules;
}

void run_make_rules(struct sim *self)
{
    unsigned next = !self->book;
    struct rulebook *book = &self->rulebook[next];

    book->entry = self->entry[next];
    book->count = 0;
    book->general = some_rules(self);
    for (unsigned i = 0; i < SERVICES; i++) {
        struct rules_entry *entry = &self->entry[next][book->count];
        if (below(self, 2))
            continue;
        snprintf(entry->service, sizeof entry->service, "%s", service_name[i]);
        entry->rules = some_rules(self);
        book->count++;
    }
    self->book = next;
    self->config.rulebook = book;
}

static void choose_faults(struct sim *self)
{
    static const enum fault mild[] = {FAULT_GATEWAY_CRASH, FAULT_CRASH_BEFORE_COMMIT,
                                      FAULT_CRASH_AFTER_COMMIT, FAULT_COMMIT_SLOW,
                                      FAULT_RECORD_LATE};

    self->peaceful = below(self, 6) == 0;
    for (int i = 0; i < FAULTS; i++)
        self->enabled[i] = !self->peaceful && below(self, 2);
    for (size_t i = 0; self->peaceful && i < sizeof mild / sizeof mild[0]; i++)
        self->enabled[mild[i]] = mild[i] == FAULT_GATEWAY_CRASH || below(self, 2);
}

static void configure(struct sim *self)
{
    struct dispatch_config *config = &self->config;

    run_make_rules(self);
    config->beat_us = SECOND;
    config->grace_us = between(self, 1000, 2500) * MS;
    config->record_after_us = below(self, 6) ? between(self, 50, 400) * MS : 0;
    config->claim = below(self, 3) == 0;
    self->claim_changes = below(self, 8) == 0;
    self->looks_again = below(self, 2);
    config->queue = 1 + below(self, 11);
    for (size_t i = 0; i < TOKEN_KEY_SIZE; i++)
        config->key.bytes[i] = (unsigned char)below(self, 256);
    self->commit_queue = config->queue * 4;
}

static void begin(struct sim *self)
{
    unsigned workers = 1 + below(self, 5);

    choose_faults(self);
    configure(self);
    self->rows_wanted = 8 + below(self, ROWS_MAX - 8);
    for (unsigned i = 0; i < CONVERSATIONS; i++) {
        struct conversation_sim *conversation = &self->conversation[i];
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

/* The run. */

static void calm_down(struct sim *self)
{
    self->calm = true;
    self->end_us = self->now_us + CALM_US;
    trace(self, "calm", 0, 0, 0);
    trouble_over(self);
    if (below(self, 8))
        worker_hire(self, WORKERS_MAX - 1, true);
}

static bool is_quiet(const struct sim *self)
{
    for (size_t i = 0; i < self->rows; i++)
        if (store_unsettled(self, &self->row[i]))
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
            struct item item = agenda_take(self);
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
