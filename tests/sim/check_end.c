/* What is promised of the file, of time, of the whole, and of the end. */
#include "tests/sim/sim.h"

/* The file. */

void check_commit(struct sim *self, const struct job *job, const struct row *row)
{
    const struct given *given = &self->given[job->given];

    if (job->kind == JOB_END && job->outcome == END_ANSWERED)
        check_broke(self, "I1", job->id, "recorded as ended, and wants an answer");
    else if (job->outcome == END_SUPERSEDED && (row->ours || row->dropped))
        check_broke(self, "I2", job->id, "a second end was tried");
    else if (job->outcome == END_ANSWERED && (given->id != job->id || !given->genuine))
        check_broke(self, "I5", job->id,
                    "the committed answer was given for another row, or forged");
    else if (job->outcome == END_ANSWERED && (given->error || given->returned))
        check_broke(self, "I5", job->id, "an error was committed as an answer");
    else if (job->kind == JOB_DEAD && job->row.failed < row->failures)
        check_broke(self, "D6", job->id, "a failure was forgotten");
}

void check_record(struct sim *self, const struct job *job, const struct row *row)
{
    bool ended = row->ours || row->dropped;

    if (!store_unsettled(self, row) && !ended)
        return; /* it has ended, and the core does not know yet */
    if (job->row.failed < row->failures)
        check_broke(self, "D6", job->id, "the number of its failures went back");
    else if (job->row.failed > row->failures + 1)
        check_broke(self, "D6", job->id, "a failure is missing in the file");
    else if (ended)
        check_broke(self, "I1", job->id, "a delivery row came after its end");
}

/* Time. */

void check_execution(struct sim *self, unsigned worker, const struct row *row)
{
    const struct guarded *guarded = &row->guarded;
    const struct worker_sim *has = &self->worker[guarded->worker];
    const struct task *task = &has->task[guarded->task];

    if (!guarded->on || self->now_us >= guarded->until_us)
        return;
    if (has->alive && has->life == guarded->life && task->used &&
        task->generation == guarded->generation) {
        trace(self, "which had it", row->id, guarded->worker, worker);
        check_broke(self, "D8", row->id, "executed twice: its worker still had it");
    }
}

void check_tick(struct sim *self)
{
    check_silence(self);
    for (int64_t id = 1; id <= (int64_t)self->rows && !self->broken; id++) {
        const struct known *known = check_known(self, id);
        bool has = known->holder != NOBODY && known->holder_sent;
        if (has && self->now_us > known->lease_end_us)
            check_broke(self, "I7", id, "its lease goes on beyond its end");
        else if (has && !known->recorded &&
                 self->now_us > known->delivered_us + self->config.record_after_us)
            check_broke(self, "D6", id, "it lasts, and is not on record");
        else if (known->held && self->now_us > known->held_until_us)
            check_broke(self, "D8", id, "held for ever");
    }
}

/* Nothing waits while there is somebody for it and room: what was held back goes on by itself.
 * After a row could not be read, deliveries pause for a moment. */
static void check_flow(struct sim *self)
{
    const struct pending *pending = dispatch_pending(self->dispatch);
    const struct workers *workers = dispatch_workers(self->dispatch);
    struct service *service = NULL;
    bool waits = false;

    if (dispatch_outstanding(self->dispatch) < self->config.queue && !self->paused[SERVICES] &&
        !self->draining && dispatch_next(self->dispatch) > self->now_us && !self->full &&
        self->now_us >= self->paused_until_us)
        while (!waits && (service = pending_walk(pending, service)))
            waits = pending_gives(service) && service->backing_off < self->config.queue &&
                    workers_free(workers, service);
    if (!waits)
        self->flowing_us = self->now_us;
    else if (self->now_us - self->flowing_us > self->idle_us)
        check_broke(self, "D5", 0, "a query waits, though there is a free worker and room");
}

/* A worker's leases, as the core counts them. UNSAID: so many may be more. */
static void check_slots(struct sim *self, size_t unsaid)
{
    const struct workers *workers = dispatch_workers(self->dispatch);
    const struct worker *worker = NULL;

    while ((worker = workers_walk(workers, worker))) {
        int number = network_connection(&worker->peer);
        unsigned held = self->connection[number].held;
        if (worker->in_flight < held || worker->in_flight > held + unsaid) {
            trace(self, "worker's leases", 0, number, worker->in_flight);
            check_broke(self, "I7", 0, "a worker's leases are miscounted");
        }
    }
}

void check_sums(struct sim *self)
{
    size_t unsaid = 0, outstanding = dispatch_outstanding(self->dispatch);

    for (size_t i = 0; self->config.claim && i < self->rows; i++)
        unsaid += self->known[i].relet && self->known[i].holder == NOBODY;
    if (outstanding < self->outstanding || outstanding > self->outstanding + unsaid)
        check_broke(self, "I7", 0, "outstanding is miscounted");
    check_slots(self, unsaid);
    if (!self->broken)
        check_flow(self);
}

/* The end. */

static bool somebody_could(const struct sim *self, const struct row *row)
{
    for (size_t i = 0; i < WORKERS_MAX; i++) {
        const struct worker_sim *worker = &self->worker[i];
        if (worker->alive && (worker->service == SERVICES || worker->service == row->service))
            return true;
    }
    return false;
}

static void check_record_left(struct sim *self, const struct row *row)
{
    bool dead = row->replies && row->reply_is_error;

    if (dead != (row->delivery.state == DELIVERY_DEAD))
        check_broke(self, "D4", row->id, "its delivery row does not say whether it is dead");
    else if ((row->replies || row->dropped) && !dead && row->delivery.state != DELIVERY_NONE)
        check_broke(self, "D6", row->id, "it was answered, and its delivery row is left");
}

static enum end end_of(const struct sim *self, const struct row *row)
{
    if (row->replies)
        return row->reply_is_error ? END_DEAD : END_ANSWERED;
    if (row->dropped)
        return END_DROPPED;
    if (row->exists && row->read && !row->delivery.claimed && !row->audit[END_EXPIRED])
        return END_SUPERSEDED;
    if (!row->exists)
        return END_DELETED;
    return store_live(self, row) ? END_SUPERSEDED : END_EXPIRED;
}

static void check_row(struct sim *self, const struct row *row)
{
    unsigned replies = row->audit[END_ANSWERED] + row->audit[END_DEAD];
    bool live = store_live(self, row);

    if (row->replies > 1 || row->replies != row->ours || row->replies != replies ||
        (row->replies && !row->read))
        check_broke(self, "I2", row->id, "reply, read flag and audit do not agree");
    else if (row->audit[END_DROPPED] != row->dropped ||
             (row->dropped && (row->replies || !row->read)))
        check_broke(self, "I2", row->id, "it was dropped, and not only that");
    else if (row->audit[END_DEAD] != (row->replies && row->reply_is_error))
        check_broke(self, "I2", row->id, "reply and audit do not agree on what it is");
    else if (store_unsettled(self, row) && somebody_could(self, row))
        check_broke(self, "I1", row->id, "nobody answered it, though somebody could");
    else if (row->audit[END_EXPIRED] && live && row->exists)
        check_broke(self, "I1", row->id, "recorded as expired, and is not");
    else if (row->audit[END_DELETED] && row->exists)
        check_broke(self, "I1", row->id, "recorded as deleted, and is not");
    else if (row->audit[END_SUPERSEDED] && (row->ours || row->dropped))
        check_broke(self, "I1", row->id, "recorded as superseded, and we have ended it");
    check_record_left(self, row);
    if (row->replies || !store_unsettled(self, row))
        self->totals->ends[end_of(self, row)]++;
}

void check_end(struct sim *self)
{
    for (size_t i = 0; i < self->rows && !self->broken; i++)
        check_row(self, &self->row[i]);
    for (size_t i = 0; i < self->jobs && !self->broken; i++)
        if (self->job[i].settles)
            check_broke(self, "I1", self->job[i].id, "its commit never came about");
}

const char *const service_name[SERVICES + 1] = {"chess", "poems", "default", SERVICE_ALL};
