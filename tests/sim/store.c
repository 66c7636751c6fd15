/* The file: rows, the tail that reads them, the committer's queue before it. COMMIT is one instant
 * in which a whole group becomes true; a crash before it loses the group, a crash after it loses
 * only the announcement. */
#include "tests/sim/sim.h"

#include <assert.h>
#include <stdio.h>

struct row *store_row(struct sim *self, int64_t id)
{
    struct row *row = id > 0 && id <= (int64_t)self->rows ? &self->row[id - 1] : NULL;
    return row && row->exists ? row : NULL;
}

bool store_live(const struct sim *self, const struct row *row)
{
    const struct conversation_sim *conversation = &self->conversation[row->conversation];
    return conversation->exists && conversation->expires_us > self->now_us + self->wall_ahead_us;
}

bool store_open(const struct sim *self, const struct row *row, bool claimed)
{
    bool stands = row->delivery.claimed && row->delivery.state != DELIVERY_DEAD;
    return row->exists && (claimed ? stands : !row->read) && store_live(self, row);
}

bool store_agents(const struct sim *self, const struct row *row)
{
    return self->conversation[row->conversation].agent_until_us > self->now_us;
}

bool store_unsettled(const struct sim *self, const struct row *row)
{
    return store_open(self, row, false) || store_open(self, row, true);
}

static void wake_tail(struct sim *self)
{
    if (self->tail_waits || !self->dispatch)
        return;
    self->tail_waits = true;
    run_at(self, self->now_us + between(self, 20, below(self, 4) ? 2 * MS : 900 * MS), WHAT_TAIL,
           self->run, 0, 0);
}

void store_insert(struct sim *self)
{
    struct row *row = &self->row[self->rows];
    char text[32];
    int size;

    if (self->rows == self->rows_wanted)
        return;
    *row = (struct row){.id = (int64_t)++self->rows, .exists = true};
    row->conversation = below(self, CONVERSATIONS);
    row->service = below(self, SERVICES);
    row->poison = strikes(self, FAULT_POISON, 10);
    row->returned = strikes(self, FAULT_RETURNED, 10);
    size = snprintf(text, sizeof text, "question %lld", (long long)row->id);
    token_digest(span_str(self->conversation[row->conversation].name), span_of(text, (size_t)size),
                 &row->digest);
    trace(self, "question", row->id, row->conversation, row->service);
    wake_tail(self);
    if (strikes(self, FAULT_WITHDRAWN, 3))
        run_at(self, self->now_us + between(self, 0, below(self, 3) ? 300 * MS : 5 * SECOND),
               WHAT_WITHDRAW, (unsigned)row->id, 0, 0);
    run_at(self, self->now_us + between(self, 0, below(self, 3) ? 300 * MS : 3 * SECOND), WHAT_ROW,
           0, 0, 0);
}

void store_tail(struct sim *self)
{
    int64_t most = self->cursor + 1 + below(self, 12);

    self->tail_waits = false;
    while (self->cursor < (int64_t)self->rows && self->cursor < most) {
        struct row *row = &self->row[self->cursor++];
        struct event event;
        if (!store_open(self, row, false))
            continue;
        row->left = store_agents(self, row);
        if (row->left)
            continue;
        trace(self, "tail sees", row->id, 0, 0);
        self->known[row->id - 1].seen = true;
        event = upkeep_query(self, row);
        dispatch_feed(self->dispatch, self->now_us, &event);
    }
    carry_all(self);
    if (self->cursor < (int64_t)self->rows)
        wake_tail(self);
}

/* The committer. */

static void wake_committer(struct sim *self)
{
    int64_t delay_us = between(self, 10, 500);

    if (self->committing || self->jobs == 0)
        return;
    self->committing = true;
    if (strikes(self, FAULT_COMMIT_SLOW, 6))
        delay_us = between(self, 10 * MS, 2 * SECOND);
    if (self->job[0].kind >= JOB_LEASE && strikes(self, FAULT_RECORD_LATE, 4))
        delay_us += between(self, 10 * MS, 3 * SECOND);
    run_at(self, self->now_us + delay_us, WHAT_COMMIT, self->run, 0, 0);
}

struct job *store_submit(struct sim *self, enum job_kind kind, int64_t id)
{
    struct job *job = &self->job[self->jobs++];

    assert(self->jobs <= JOBS_MAX);
    *job = (struct job){.kind = kind, .id = id};
    wake_committer(self);
    return job;
}

void store_commit(struct sim *self)
{
    if (strikes(self, FAULT_COMMIT_FAILS, 12))
        self->failing_until_us = self->now_us + between(self, 50 * MS, 5 * SECOND);
    if (!self->calm && self->now_us < self->failing_until_us) {
        trace(self, "commit fails", 0, (int64_t)self->jobs, 0);
        run_at(self, self->now_us + 50 * MS, WHAT_COMMIT, self->run, 0, 0);
        return;
    }
    self->group = 1 + below(self, 8);
    if (self->group > self->jobs)
        self->group = self->jobs;
    run_at(self, self->now_us + between(self, 100, 3 * MS), WHAT_APPLY, self->run, 0, 0);
}

void store_apply(struct sim *self)
{
    if (strikes(self, FAULT_CRASH_BEFORE_COMMIT, 40)) {
        trouble_crash(self);
        return;
    }
    for (size_t i = 0; i < self->group; i++)
        commit_apply(self, &self->job[i]);
    for (size_t i = 0; i < self->group; i++)
        self->done[self->dones++] = self->job[i];
    self->jobs -= self->group;
    memmove(self->job, self->job + self->group, self->jobs * sizeof self->job[0]);
    self->committing = false;
    if (strikes(self, FAULT_CRASH_AFTER_COMMIT, 40)) {
        trouble_crash(self);
        return;
    }
    run_at(self, self->now_us + between(self, 0, below(self, 5) ? MS : 400 * MS), WHAT_ANNOUNCE,
           self->run, 0, 0);
    wake_committer(self);
}

void store_announce(struct sim *self)
{
    size_t count = self->dones;

    for (size_t i = 0; i < count && !self->broken; i++)
        carry_done(self, &self->done[i]);
    self->dones -= count;
    memmove(self->done, self->done + count, self->dones * sizeof self->done[0]);
    if (!self->broken)
        carry_fullness(self);
}
