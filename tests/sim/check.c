/* What is promised, judged from what goes into the core and what comes out of it, by counts of the
 * checker's own.
 *
 *   I1  every query ends in exactly one way, or still waits for want of a living worker
 *   I2  one reply, in one commit with the read flag and its audit row; one decision in each run
 *   I5  answers count with the valid token of any attempt, errors only for the current one
 *   I7  no more outstanding than `queue` when something is given out, no more leases than slots
 *   D1  one current lease for each query
 *   D4  `attempts` attempts, each counted once; what was not handed over costs nothing
 *   D5  what was held back goes on by itself */
#include "tests/sim/sim.h"

#define PAUSE_US (10 * MS) /* the core's, after a row could not be read */

void check_start(struct sim *self)
{
    for (size_t i = 0; i < ROWS_MAX; i++)
        self->known[i] = (struct known){.holder = NOBODY};
    self->outstanding = 0;
}

static struct known *known_of(struct sim *self, int64_t id)
{
    return &self->known[id - 1];
}

static bool is_out(const struct known *known)
{
    return known->holder != NOBODY || known->committing;
}

static void let_go(struct sim *self, struct known *known)
{
    self->outstanding -= is_out(known);
    known->holder = NOBODY;
    known->committing = false;
}

static void broke(struct sim *self, const char *promise, int64_t id, const char *text)
{
    trace_violation(self, promise, id, text);
}

/* Takes the lease out of what CONNECTION's worker has; false when it is not there. */
static bool end_lease(struct connection *connection, int64_t id, uint32_t attempt)
{
    for (unsigned i = 0; i < connection->held; i++) {
        if (connection->lease[i].id == id && connection->lease[i].attempt == attempt) {
            connection->lease[i] = connection->lease[--connection->held];
            return true;
        }
    }
    return false;
}

static void on_deliver(struct sim *self, const struct action *action)
{
    int number = network_connection(&action->peer);
    struct connection *to = &self->connection[number];
    struct known *known = known_of(self, action->id);
    unsigned service = self->row[action->id - 1].service;

    trace(self, "deliver", action->id, number, action->attempt);
    if (!known->seen || known->settled || known->over)
        broke(self, "I2", action->id, "given out after its end was decided");
    else if (known->holder != NOBODY)
        broke(self, "D1", action->id, "leased to two workers at once");
    else if (action->attempt != known->sent + 1)
        broke(self, "D4", action->id, "the attempt's number is not one more than was handed over");
    else if (action->attempt > self->config.attempts)
        broke(self, "D4", action->id, "more attempts than there may be");
    else if (self->now_us < known->not_before_us)
        broke(self, "D4", action->id, "given out before its back-off is over");
    else if (!to->registered || (to->service != SERVICES && to->service != service))
        broke(self, "D1", action->id, "given to a worker that does not serve it");
    else if (to->held >= to->slots)
        broke(self, "I7", action->id, "more leases than the worker has slots");
    else if (self->outstanding >= self->config.queue)
        broke(self, "I7", action->id, "more outstanding than the queue allows");
    if (self->broken)
        return;
    to->lease[to->held++] = (struct held){action->id, action->attempt};
    known->holder = number;
    known->holder_sent = false;
    known->attempt = action->attempt;
    self->outstanding++;
}

void check_delivered(struct sim *self, const struct action *action)
{
    struct known *known = known_of(self, action->id);

    if (known->holder != network_connection(&action->peer) || known->attempt != action->attempt) {
        broke(self, "D1", action->id, "sent to a worker that does not have it");
        return;
    }
    known->holder_sent = true;
    known->sent++;
}

void check_undelivered(struct sim *self, const struct action *action, enum undeliverable why)
{
    static const char *const what[] = {"not delivered: ended", "not delivered: peer gone",
                                       "not delivered: peer full", "not delivered: row busy"};
    struct known *known = known_of(self, action->id);
    int number = network_connection(&action->peer);

    trace(self, what[why], action->id, number, action->attempt);
    if (why == UNDELIVERABLE_BUSY)
        self->paused_until_us = self->now_us + PAUSE_US + 1;
    if (known->holder != number || known->attempt != action->attempt)
        return;
    end_lease(&self->connection[number], action->id, action->attempt);
    let_go(self, known);
    known->over = known->over || why == UNDELIVERABLE_ENDED;
}

/* An attempt has failed, by RETRY or DEAD. */
static void on_failed(struct sim *self, const struct action *action)
{
    struct known *known = known_of(self, action->id);
    bool dead = action->kind == ACTION_DEAD;
    bool at_once = dead && !self->nested && self->no_retry == action->id;

    trace(self, dead ? "dead" : "retry", action->id, known->holder, action->attempt);
    if (known->settled)
        broke(self, "I2", action->id, "failed after its end was decided");
    else if (known->holder == NOBODY || !known->holder_sent || action->attempt != known->attempt)
        broke(self, "D4", action->id, "an attempt failed that nobody has");
    else if (!self->nested && self->past_error == action->id)
        broke(self, "I5", action->id, "an error counted that is not of the current attempt");
    else if (dead && !at_once && known->sent < self->config.attempts)
        broke(self, "D4", action->id, "dead before its attempts were made");
    else if (!dead && (known->sent >= self->config.attempts || self->no_retry == action->id))
        broke(self, "D4", action->id, "another attempt where there is none");
    let_go(self, known);
    if (dead) {
        known->settled = known->committing = true;
        self->outstanding++;
    }
    known->not_before_us =
        self->now_us + self->config.backoff_first_us - self->config.backoff_first_us / 4;
}

static void on_answer(struct sim *self, const struct action *action)
{
    struct known *known = known_of(self, action->id);

    trace(self, action->kind == ACTION_GONE ? "gone" : "accepted", action->id, 0, action->attempt);
    if (known->settled)
        broke(self, "I2", action->id, "its end was decided twice");
    if (!self->in_hand)
        broke(self, "I2", action->id, "an answer out of nothing");
    self->took = true;
    let_go(self, known);
    known->settled = known->committing = true;
    self->outstanding++;
}

static void on_joined(struct sim *self, const struct action *action)
{
    int number = network_connection(&action->peer);
    struct connection *connection = &self->connection[number];
    const struct worker_sim *worker = &self->worker[connection->worker];

    trace(self, "joined", 0, number, worker->slots);
    connection->registered = true;
    connection->held = 0;
    connection->protocol = worker->protocol;
    connection->slots = worker->slots;
    connection->service = worker->service;
}

static void on_left(struct sim *self, const struct action *action)
{
    int number = network_connection(&action->peer);
    struct connection *connection = &self->connection[number];

    trace(self, "left", 0, number, connection->held);
    connection->registered = false;
    while (connection->held > 0) {
        const struct held *held = &connection->lease[--connection->held];
        struct known *known = known_of(self, held->id);
        if (known->holder != number || known->attempt != held->attempt)
            continue;
        if (known->holder_sent)
            broke(self, "I1", held->id, "its worker was lost, and nothing was said of it");
        let_go(self, known); /* what was not handed over goes back without a word */
    }
}

void check_action(struct sim *self, const struct action *action)
{
    switch (action->kind) {
    case ACTION_DELIVER:
        on_deliver(self, action);
        break;
    case ACTION_ANSWER:
    case ACTION_GONE:
        on_answer(self, action);
        break;
    case ACTION_DEAD:
    case ACTION_RETRY:
        on_failed(self, action);
        break;
    case ACTION_JOINED:
        on_joined(self, action);
        break;
    case ACTION_LEFT:
        on_left(self, action);
        break;
    case ACTION_REFUSED:
        trace(self, "refused", action->id, action->refusal, action->attempt);
        break;
    case ACTION_HEARTBEAT:
    case ACTION_DISCONNECT:
    case ACTION_PARTIAL:
        break;
    }
}

void check_before_answer(struct sim *self, int number, const struct event *event)
{
    struct connection *connection = &self->connection[number];
    int64_t id = event->answer.token.message_id;
    uint32_t attempt = event->answer.token.attempt;
    const struct known *known = known_of(self, id);
    bool genuine = self->given[self->in_hand->given].genuine || !self->in_hand->named;
    bool current = connection->registered && known->holder == number &&
                   (known->attempt == attempt || connection->protocol == WORKER_REQ);

    self->took = false;
    self->past_error = self->no_retry = 0;
    if (event->kind != EVENT_ANSWER)
        return;
    if (event->answer.error && !current)
        self->past_error = id;
    if (event->answer.error && current && genuine && !event->answer.retry)
        self->no_retry = id;
    if (!connection->registered)
        return;
    if (connection->protocol == WORKER_REQ)
        connection->held = 0; /* it has one at most, and is done with it */
    else
        end_lease(connection, id, attempt);
}

void check_after_answer(struct sim *self, const struct event *event)
{
    const struct answered_row *row = &event->answer.row;
    int64_t id = event->answer.token.message_id;
    const struct known *known = known_of(self, id);
    bool answers = event->kind == EVENT_ANSWER && !event->answer.error;
    bool genuine = self->given[self->in_hand->given].genuine || !self->in_hand->named;

    self->past_error = self->no_retry = 0;
    if (self->took && (event->kind != EVENT_ANSWER || (row->found && !(answers && genuine))))
        broke(self, "I5", id, "taken as its answer, and is none");
    else if (answers && genuine && row->found && !row->read && !self->took && !known->settled &&
             !known->over)
        broke(self, "I5", id, "a valid answer was refused");
}

void check_commit(struct sim *self, const struct job *job, const struct row *row)
{
    const struct given *given = &self->given[job->given];

    if (job->kind == JOB_END && (job->outcome == END_ANSWERED || job->outcome == END_DEAD))
        broke(self, "I1", job->id, "recorded as ended, and wants an answer");
    else if (job->outcome == END_SUPERSEDED && row->ours)
        broke(self, "I2", job->id, "a second reply was tried");
    else if (job->outcome == END_ANSWERED && (given->id != job->id || !given->genuine))
        broke(self, "I5", job->id, "the committed answer was given for another row, or forged");
    else if (job->outcome == END_ANSWERED && given->error)
        broke(self, "I5", job->id, "an error was committed as an answer");
}

void check_committed(struct sim *self, const struct job *job)
{
    struct known *known = known_of(self, job->id);

    let_go(self, known);
    known->over = true;
    if (job->outcome == END_EXPIRED)
        known->settled = false; /* the row is unread for ever: a late answer may try in vain */
}

/* Nothing waits while there is somebody for it and room: what was held back goes on by itself.
 * After a row could not be read, deliveries pause for a moment. */
static void check_flow(struct sim *self)
{
    const struct pending *pending = dispatch_pending(self->dispatch);
    const struct workers *workers = dispatch_workers(self->dispatch);
    struct service *service = NULL;
    bool waits = false;

    if (self->outstanding < self->config.queue && dispatch_next(self->dispatch) > self->now_us &&
        self->now_us >= self->paused_until_us)
        while (!waits && (service = pending_walk(pending, service)))
            waits = service->backlog > 0 && workers_next(workers, service);
    if (!waits)
        self->flowing_us = self->now_us;
    else if (self->now_us - self->flowing_us > self->idle_us)
        broke(self, "D5", 0, "a query waits, though there is a free worker and room");
}

void check_sums(struct sim *self)
{
    if (!self->broken && dispatch_outstanding(self->dispatch) != self->outstanding)
        broke(self, "I7", 0, "outstanding is miscounted");
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

static void check_row(struct sim *self, const struct row *row)
{
    unsigned replies = row->audit[END_ANSWERED] + row->audit[END_DEAD];
    bool live = store_live(self, row);
    enum end end = !row->exists ? END_DELETED : row->read ? END_SUPERSEDED : END_EXPIRED;

    if (row->replies > 1 || row->replies != row->ours || row->replies != replies)
        broke(self, "I2", row->id, "reply, read flag and audit do not agree");
    else if (row->audit[END_DEAD] != (row->replies && row->reply_is_error))
        broke(self, "I2", row->id, "reply and audit do not agree on what it is");
    else if (row->exists && !row->read && live && somebody_could(self, row))
        broke(self, "I1", row->id, "nobody answered it, though somebody could");
    else if (row->audit[END_EXPIRED] && live && row->exists)
        broke(self, "I1", row->id, "recorded as expired, and is not");
    else if (row->audit[END_DELETED] && row->exists)
        broke(self, "I1", row->id, "recorded as deleted, and is not");
    else if (row->audit[END_SUPERSEDED] && row->ours)
        broke(self, "I1", row->id, "recorded as superseded, and we answered it");
    if (row->replies)
        end = row->reply_is_error ? END_DEAD : END_ANSWERED;
    if (row->replies || !store_open(self, row))
        self->totals->ends[end]++;
}

void check_end(struct sim *self)
{
    for (size_t i = 0; i < self->rows && !self->broken; i++)
        check_row(self, &self->row[i]);
    if (!self->broken && self->jobs)
        broke(self, "I1", self->job[0].id, "its commit never came about");
}

const char *const service_name[SERVICES + 1] = {"chess", "poems", "default", SERVICE_ALL};
