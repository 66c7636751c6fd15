/* Troubles: crashes of the gateway, what other writers do to the file, operators, the clock. */
#include "tests/sim/sim.h"

/* Until when what WORKER has of ROW, on record, may not be executed again (D8): at most until its
 * attempt is over (D4). */
static int64_t guarded_until(const struct sim *self, const struct worker_sim *worker,
                             const struct row *row)
{
    const struct rules *rules = run_rules(self, row->service);
    int64_t last_us =
        row->delivery.leased_wall_us - self->wall_ahead_us + rules->attempt_hard_max_us;
    int64_t until_us = INT64_MAX;

    if (!worker->heartbeats)
        until_us = row->delivery.due_wall_us - self->wall_ahead_us;
    else if (!worker->holds)
        until_us = self->now_us;
    return until_us < last_us ? until_us : last_us;
}

/* What a worker has in its hands, on record, will be executed once in a peaceful run (D8). */
static void guard_tasks(struct sim *self)
{
    for (size_t i = 0; i < self->rows; i++)
        self->row[i].guarded.on = false;
    for (unsigned i = 0; i < WORKERS_MAX; i++) {
        const struct worker_sim *worker = &self->worker[i];
        for (unsigned j = 0; worker->alive && j < TASKS_MAX; j++) {
            const struct task *task = &worker->task[j];
            struct row *row = task->used ? &self->row[task->id - 1] : NULL;
            if (!row || row->delivery.state != DELIVERY_LEASED || row->delivery.holder != (int)i ||
                row->delivery.attempt != task->token.attempt || worker->protocol == WORKER_REQ)
                continue;
            self->totals->guarded++;
            row->guarded = (struct guarded){.on = true, .worker = i, .life = worker->life};
            row->guarded.task = j;
            row->guarded.generation = task->generation;
            row->guarded.until_us = guarded_until(self, worker, row);
        }
    }
}

void trouble_crash(struct sim *self)
{
    trace(self, "gateway crashes", 0, self->run, (int64_t)self->jobs);
    if (self->peaceful)
        guard_tasks(self);
    dispatch_destroy(&self->dispatch);
    self->jobs = self->dones = self->put_offs = 0;
    self->full = false;
    self->committing = self->tail_waits = self->refilling = false;
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
    run_at(self, self->now_us + between(self, MS, below(self, 3) ? 300 * MS : 3 * SECOND),
           WHAT_START, 0, 0, 0);
}

static void others_write(struct sim *self)
{
    struct row *row = &self->row[below(self, (unsigned)self->rows)];
    struct conversation_sim *conversation = &self->conversation[row->conversation];

    if (!row->read && row->exists && strikes(self, FAULT_READ_BY_OTHERS, 3)) {
        trace(self, "read by others", row->id, 0, 0);
        row->read = true;
    }
    if (strikes(self, FAULT_DELETED, 8)) {
        trace(self, "deleted", row->id, 0, 0);
        row->exists = false;
    }
    if (strikes(self, FAULT_AGENT, 8)) {
        trace(self, "an agent serves", 0, row->conversation, 0);
        conversation->agent_until_us = self->now_us + between(self, 100 * MS, 5 * SECOND);
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

static void operate(struct sim *self)
{
    unsigned service = below(self, SERVICES + 1);

    if (strikes(self, FAULT_PAUSED, 4))
        upkeep_pause(self, service, true);
    else if (self->paused[service] && below(self, 2))
        upkeep_pause(self, service, false);
    if (strikes(self, FAULT_DRAIN, 20)) {
        const struct event event = {.kind = EVENT_DRAIN};
        trace(self, "draining", 0, 0, 0);
        self->draining = true;
        carry_feed(self, &event);
        run_at(self, self->now_us + between(self, 100 * MS, 3 * SECOND), WHAT_STOP, self->run, 0,
               0);
    }
    if (strikes(self, FAULT_RELOAD, 8)) {
        trace(self, "rules change", 0, 0, 0);
        run_make_rules(self);
        self->order_changed = self->reloaded = true;
        dispatch_rules(self->dispatch, self->config.rulebook);
        gate_tick(self);
    }
}

void trouble(struct sim *self)
{
    int worker = (int)below(self, WORKERS_MAX);

    if (self->calm)
        return;
    run_at(self, self->now_us + between(self, 10 * MS, 2 * SECOND), WHAT_TROUBLE, 0, 0, 0);
    if (self->rows > 0)
        others_write(self);
    if (self->worker[worker].alive && strikes(self, FAULT_WORKER_CRASH, 10))
        worker_crash(self, worker);
    if (self->dispatch)
        operate(self);
    if (self->dispatch && strikes(self, FAULT_GATEWAY_CRASH, 12))
        trouble_crash(self);
    if (strikes(self, FAULT_CLOCK_JUMP, 20)) {
        int64_t ahead_us = between(self, SECOND, 20 * SECOND);
        trace(self, "clock jumps", 0, ahead_us, 0);
        if (below(self, 2))
            self->flowing_us = self->now_us += ahead_us;
        else
            self->wall_ahead_us += ahead_us;
    }
}

void trouble_over(struct sim *self)
{
    for (unsigned i = 0; i < CONVERSATIONS; i++)
        self->conversation[i].agent_until_us = 0;
    for (unsigned i = 0; i <= SERVICES; i++) {
        if (self->paused[i] && self->dispatch)
            upkeep_pause(self, i, false);
        self->paused[i] = false;
    }
}
