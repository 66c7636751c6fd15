/* Carrying out what the core wants, as gateway/carry.c does, and feeding what the committer has
 * done, as gateway/settle.c does. */
#include "tests/sim/sim.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

void carry_feed(struct sim *self, const struct event *event)
{
    dispatch_feed(self->dispatch, self->now_us, event);
    carry_all(self);
}

static struct job *submit(struct sim *self, enum job_kind kind, const struct action *action)
{
    struct job *job = store_submit(self, kind, action->id);

    job->claimed = action->claimed;
    job->recorded = action->recorded;
    job->row.attempt = action->attempt;
    job->row.failed = action->failed;
    job->row.pid = action->pid;
    if (action->due_us)
        job->row.due_wall_us = action->due_us + self->wall_ahead_us;
    job->row.leased_wall_us = action->leased_us + self->wall_ahead_us;
    if (kind == JOB_LEASE)
        job->row.holder = self->connection[network_connection(&action->peer)].worker;
    snprintf(job->row.worker, sizeof job->row.worker, "%.15s", action->worker);
    return job;
}

static bool deliver(struct sim *self, const struct action *action, enum undeliverable *ret_why)
{
    struct frame frame = {.kind = FRAME_REQUEST, .named = true, .id = action->id};
    struct row *row = store_row(self, action->id);
    int error;

    *ret_why = UNDELIVERABLE_PEER_GONE;
    if (!dispatch_worker(self->dispatch, &action->peer))
        return false;
    *ret_why = UNDELIVERABLE_BUSY;
    if (strikes(self, FAULT_ROW_BUSY, 15))
        return false;
    if (!row || !store_open(self, row, action->claimed)) {
        submit(self, JOB_END, action);
        *ret_why = UNDELIVERABLE_ENDED;
        return false;
    }
    if (action->attempt == 1 && !action->claimed && store_agents(self, row)) {
        row->left = true;
        *ret_why = UNDELIVERABLE_ENDED;
        return false;
    }
    token_sign(&self->config.key, action->id, action->attempt, &row->digest, &frame.token);
    error = network_to_worker(self, network_connection(&action->peer), &frame);
    *ret_why = error == -EAGAIN ? UNDELIVERABLE_PEER_FULL : UNDELIVERABLE_PEER_GONE;
    return error == 0;
}

static void on_deliver(struct sim *self, const struct action *action)
{
    struct event event = {.kind = EVENT_UNDELIVERABLE};
    enum undeliverable why;

    self->nested = true;
    if (deliver(self, action, &why)) {
        event.kind = EVENT_DELIVERED;
        event.delivered.id = action->id;
        event.delivered.attempt = action->attempt;
        event.delivered.peer = &action->peer;
        check_delivered(self, action);
    } else {
        event.undeliverable.id = action->id;
        event.undeliverable.attempt = action->attempt;
        event.undeliverable.peer = &action->peer;
        event.undeliverable.why = why;
        check_undelivered(self, action, why);
    }
    dispatch_feed(self->dispatch, self->now_us, &event);
}

/* As gateway/deliveries.c: what is to be delivered is put off, and others come before it. */
static void put_off(struct sim *self, const struct action *action)
{
    if (self->put_offs == 0)
        run_at(self, self->now_us + below(self, 200), WHAT_DELIVER, self->run, 0, 0);
    assert(self->put_offs < PUT_OFF_MAX);
    self->put_off[self->put_offs++] = *action;
}

void carry_fullness(struct sim *self)
{
    struct event event = {.kind = EVENT_FULL};

    event.full.on = self->jobs >= self->commit_queue;
    if (event.full.on == self->full)
        return;
    self->full = event.full.on;
    carry_feed(self, &event);
}

void carry_deliveries(struct sim *self)
{
    size_t count;

    carry_fullness(self);
    count = self->put_offs;
    for (size_t i = 0; i < count && !self->broken; i++)
        if (dispatch_awaits(self->dispatch, &self->put_off[i]))
            on_deliver(self, &self->put_off[i]);
    self->put_offs = 0;
    carry_all(self);
}

static void send_command(struct sim *self, const struct action *action, enum frame_kind kind)
{
    const struct frame frame = {.kind = kind};
    network_to_worker(self, network_connection(&action->peer), &frame);
}

static void on_claim(struct sim *self, const struct action *action)
{
    struct row *row = &self->row[action->id - 1];
    struct event event = {.kind = EVENT_CLAIMED};
    struct job left = {.kind = JOB_LEASE, .id = action->id, .outcome = END_SUPERSEDED}, *submitted;

    self->totals->claims++;
    if (action->attempt == 1 && store_open(self, row, false) && store_agents(self, row)) {
        trace(self, "left to its agent", action->id, 0, 0);
        row->left = self->nested = true;
        check_done(self, &left);
        event.claimed.id = action->id;
        dispatch_feed(self->dispatch, self->now_us, &event);
        return;
    }
    submitted = submit(self, JOB_LEASE, action);
    submitted->claimed = false; /* the guard is the read flag */
    submitted->claim = submitted->told = true;
}

/* What goes to the committer. */
static void carry_job(struct sim *self, const struct action *action)
{
    struct job *job = NULL;

    switch (action->kind) {
    case ACTION_ANSWER:
        job = submit(self, JOB_ANSWER, action);
        job->given = self->in_hand ? self->in_hand->given : 0;
        job->settles = true;
        break;
    case ACTION_DEAD:
        job = submit(self, store_row(self, action->id) ? JOB_DEAD : JOB_END, action);
        job->settles = true;
        break;
    case ACTION_DROP:
        submit(self, JOB_DROP, action)->settles = true;
        break;
    case ACTION_GONE:
        submit(self, JOB_END, action)->settles = true;
        break;
    case ACTION_RECORD:
        self->totals->records++;
        submit(self, JOB_LEASE, action);
        break;
    case ACTION_RETRY:
        submit(self, JOB_FAIL, action)->told = true;
        break;
    default: /* RETURNED */
        if (!action->recorded)
            break;
        job = submit(self, JOB_FAIL, action);
        job->told = job->returned = true;
        break;
    }
}

static void carry(struct sim *self, const struct action *action)
{
    switch (action->kind) {
    case ACTION_DELIVER:
        put_off(self, action);
        break;
    case ACTION_CLAIM:
        on_claim(self, action);
        break;
    case ACTION_HEARTBEAT:
        send_command(self, action, FRAME_BEAT);
        break;
    case ACTION_DISCONNECT:
        if (action->protocol == WORKER_REP)
            worker_hung_up(self, network_connection(&action->peer));
        else
            send_command(self, action, FRAME_DISCONNECT);
        break;
    case ACTION_ANSWER:
    case ACTION_DEAD:
    case ACTION_DROP:
    case ACTION_GONE:
    case ACTION_RECORD:
    case ACTION_RETRY:
    case ACTION_RETURNED:
        carry_job(self, action);
        break;
    case ACTION_JOINED:
    case ACTION_LEFT:
    case ACTION_ADOPTED:
    case ACTION_PARTIAL:
    case ACTION_REFUSED:
        break;
    }
}

void carry_all(struct sim *self)
{
    const struct action *action;

    self->nested = false;
    while (!self->broken && (action = dispatch_take(self->dispatch))) {
        check_action(self, action);
        if (!self->broken)
            carry(self, action);
    }
    self->nested = false;
    check_sums(self);
    upkeep_refill_soon(self);
}

void carry_done(struct sim *self, const struct job *job)
{
    struct event event = {.kind = EVENT_COMMITTED};

    if (!job->settles && !job->told)
        return;
    trace(self, "announced", job->id, job->outcome, job->kind);
    event.committed.id = job->id;
    if (job->kind == JOB_LEASE) {
        event.kind = EVENT_CLAIMED;
        event.claimed.id = job->id;
        event.claimed.ours = job->outcome == END_ANSWERED;
    } else if (job->kind == JOB_FAIL) {
        event.kind = EVENT_RECORDED;
        event.recorded.id = job->id;
    }
    check_done(self, job);
    carry_feed(self, &event);
}
