/* One job inside its group's transaction: what adapters/bridge/store does with messages and with
 * tailgate_delivery. */
#include "tests/sim/sim.h"

/* Takes the query: the read flag, or with a claim the delivery row. */
static bool take(struct sim *self, const struct job *job, struct row *row)
{
    if (!store_open(self, row, job->claimed))
        return false;
    row->read = true;
    return true;
}

static enum end classify(const struct sim *self, const struct row *row, bool claimed)
{
    if (!row->exists || !self->conversation[row->conversation].exists)
        return END_DELETED;
    if (claimed)
        return store_live(self, row) ? END_SUPERSEDED : END_EXPIRED;
    return row->read ? END_SUPERSEDED : END_EXPIRED;
}

/* How it ended without us. */
static void end(struct sim *self, struct job *job, struct row *row)
{
    job->outcome = classify(self, row, job->claimed);
    check_commit(self, job, row);
    row->audit[job->outcome]++;
    if (!job->recorded && !job->claimed && job->kind != JOB_LEASE)
        return;
    row->failures = 0;
    row->delivery = (struct delivery_row){.state = DELIVERY_NONE};
}

static void reply(struct sim *self, struct job *job, struct row *row)
{
    if (!take(self, job, row)) {
        end(self, job, row);
        return;
    }
    job->outcome = job->kind == JOB_DEAD ? END_DEAD : END_ANSWERED;
    check_commit(self, job, row);
    row->audit[job->outcome]++;
    row->ours = true;
    row->replies++;
    row->reply_is_error = job->kind == JOB_DEAD;
    row->given = job->given;
    if (job->kind == JOB_DEAD)
        row->delivery = (struct delivery_row){.state = DELIVERY_DEAD, .failed = job->row.failed};
    else if (job->recorded || job->claimed)
        row->delivery = (struct delivery_row){.state = DELIVERY_NONE};
}

static void drop(struct sim *self, struct job *job, struct row *row)
{
    if (!take(self, job, row)) {
        end(self, job, row);
        return;
    }
    job->outcome = END_DROPPED;
    check_commit(self, job, row);
    row->audit[END_DROPPED]++;
    row->dropped = true;
    row->delivery = (struct delivery_row){.state = DELIVERY_NONE};
}

static void lease(struct sim *self, struct job *job, struct row *row)
{
    bool claimed = row->delivery.claimed && row->delivery.state != DELIVERY_DEAD;

    job->outcome = END_ANSWERED;
    if (job->claim && !claimed) {
        if (!take(self, job, row)) {
            end(self, job, row);
            return;
        }
        claimed = true;
    }
    check_record(self, job, row);
    row->delivery = job->row;
    row->delivery.state = DELIVERY_LEASED;
    row->delivery.claimed = claimed;
}

static void fail(struct sim *self, struct job *job, struct row *row)
{
    struct delivery_row *delivery = &row->delivery;
    bool claimed = delivery->claimed;

    if (delivery->state == DELIVERY_DEAD || (job->returned && delivery->state == DELIVERY_NONE))
        return;
    check_record(self, job, row);
    *delivery = job->row;
    delivery->state = DELIVERY_WAITING;
    delivery->claimed = claimed;
    delivery->pid = 0;
    if (!job->returned && delivery->failed > row->failures)
        row->failures = delivery->failed;
}

void commit_apply(struct sim *self, struct job *job)
{
    struct row *row = &self->row[job->id - 1];

    switch (job->kind) {
    case JOB_ANSWER:
    case JOB_DEAD:
        reply(self, job, row);
        break;
    case JOB_DROP:
        drop(self, job, row);
        break;
    case JOB_END:
        if (store_open(self, row, job->claimed))
            job->outcome = END_ANSWERED; /* it has not ended: check_commit() says so */
        if (store_open(self, row, job->claimed))
            check_commit(self, job, row);
        else
            end(self, job, row);
        break;
    case JOB_LEASE:
        lease(self, job, row);
        break;
    case JOB_FAIL:
        fail(self, job, row);
        break;
    }
    trace(self, "committed as", job->id, job->outcome, job->kind);
}
