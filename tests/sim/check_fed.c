/* What is promised of events that are fed: READY with what it holds, answers, ends. */
#include "tests/sim/sim.h"

#include <stdio.h>

/* What a start restores. */
void check_restored(struct sim *self, const struct event *event)
{
    struct known *known = check_known(self, event->restore.id);
    bool leased = event->restore.leased;

    trace(self, leased ? "restored: leased" : "restored: waiting", event->restore.id,
          event->restore.failed, event->restore.until_us - self->now_us);
    known->seen = true;
    known->over = known->recorded = false;
    known->held = leased;
    known->claimed = event->restore.claimed;
    known->resting = !leased;
    known->begun_us = event->restore.leased_us;
    known->held_until_us = known->due_us = event->restore.until_us;
    if (leased && known->held_until_us > check_last(self, event->restore.id))
        known->held_until_us = check_last(self, event->restore.id);
    known->held_pid = event->restore.pid;
    snprintf(known->held_worker, sizeof known->held_worker, "%.*s", (int)event->restore.worker.size,
             event->restore.worker.data);
    known->attempt = known->begun = event->restore.attempt;
    known->failed = event->restore.failed;
}

/* READY. */

void check_before_ready(struct sim *self, const struct frame *frame, const struct event *event)
{
    self->joining = frame;
    self->joining_at = network_connection(event->ready.peer);
    self->joining_pid = event->ready.options->heartbeats ? event->ready.pid : 0;
    self->joining_name[0] = '\0';
    memset(self->expected, 0, sizeof self->expected);
}

/* That attempt of query ID, or a later one, has lasted as long as one may. A lease that runs keeps
 * its times when the rules change. */
static bool is_over(struct sim *self, int64_t id, uint32_t attempt)
{
    const struct known *known = check_known(self, id);
    bool runs = known->holder != NOBODY && known->holder_sent;

    return known->begun > 0 && !known->over && attempt <= known->begun &&
           self->now_us >= (runs ? known->hard_us : check_last(self, id));
}

/* That attempt is known to be at an earlier connection of the worker that registers. */
static bool is_earlier(const struct sim *self, const struct known *known, uint32_t attempt)
{
    int worker = self->connection[self->joining_at].worker;

    return known->holder != NOBODY && known->holder != self->joining_at && known->holder_sent &&
           known->attempt == attempt && self->worker[worker].has_name &&
           self->connection[known->holder].worker == worker;
}

/* The worker at CONNECTION says that it still has the I-th of what it holds: it counts against its
 * slots, and it gets its lease back, if nobody else has one and neither the query nor the attempt
 * has ended yet. */
static void expect(struct sim *self, struct connection *connection, unsigned i)
{
    const struct frame *frame = self->joining;
    int64_t id = frame->holding[i].message_id;
    const struct row *row = store_row(self, id);
    const struct known *known;

    if (!row || !frame->genuine[i] || connection->held >= connection->slots)
        return;
    for (unsigned j = 0; j < connection->held; j++)
        if (connection->lease[j].id == id &&
            connection->lease[j].attempt == frame->holding[i].attempt)
            return;
    connection->lease[connection->held++] = (struct held){id, frame->holding[i].attempt};
    known = check_known(self, id);
    self->expected[i] =
        (known->holder == NOBODY || is_earlier(self, known, frame->holding[i].attempt)) &&
        !known->settled && !known->claiming && (known->held || !row->read) &&
        !is_over(self, id, frame->holding[i].attempt);
    for (unsigned j = 0; j < i; j++)
        if (self->expected[j] && frame->holding[j].message_id == id)
            self->expected[i] = false;
}

void check_joined(struct sim *self, const struct action *action)
{
    int number = network_connection(&action->peer);
    struct connection *connection = &self->connection[number];
    const struct worker_sim *worker = &self->worker[connection->worker];

    trace(self, "joined", 0, number, worker->slots);
    connection->registered = true;
    connection->dismissed = false; /* what it holds since before a second READY it has kept */
    connection->protocol = worker->protocol;
    connection->heartbeats = worker->heartbeats;
    connection->slots = worker->slots;
    connection->service = worker->service;
    snprintf(self->joining_name, sizeof self->joining_name, "%.15s", action->worker);
    for (unsigned i = 0; self->joining && i < self->joining->holdings; i++)
        expect(self, connection, i);
}

bool check_names(struct sim *self, int64_t id, uint32_t attempt)
{
    const struct frame *frame = self->joining;

    for (unsigned i = 0; frame && store_row(self, id) && i < frame->holdings; i++)
        if (frame->holding[i].message_id == id && frame->holding[i].attempt == attempt &&
            frame->genuine[i])
            return true;
    return false;
}

void check_adopted(struct sim *self, const struct action *action)
{
    struct known *known = check_known(self, action->id);
    bool anew = known->over || known->begun < action->attempt;
    bool earlier = is_earlier(self, known, action->attempt);

    trace(self, "adopted", action->id, network_connection(&action->peer), action->attempt);
    self->totals->adopted++;
    if (!check_names(self, action->id, action->attempt))
        check_broke(self, "D8", action->id, "taken up by a worker that does not have it");
    else if (known->settled)
        check_broke(self, "I2", action->id, "taken up after its end was decided");
    else if (known->holder != NOBODY && !earlier)
        check_broke(self, "D1", action->id, "taken up, and another worker has it");
    else if (is_over(self, action->id, action->attempt))
        check_broke(self, "I7", action->id, "taken up after its attempt was over");
    if (earlier)
        check_end_lease(self, &self->connection[known->holder], action->id, action->attempt);
    if (known->over) /* it had ended, and its worker does not know: it begins anew */
        known->claimed = false;
    if (known->over)
        known->begun = known->failed = known->returned = 0;
    self->row[action->id - 1].left = false;
    known->seen = true;
    known->over = known->held = known->resting = known->relet = false;
    known->holder = network_connection(&action->peer);
    known->holder_sent = true;
    known->recorded = known->at_once = known->prolonged = false;
    known->attempt = action->attempt;
    if (known->begun < action->attempt)
        known->begun = action->attempt;
    known->delivered_us = self->now_us;
    if (anew)
        known->begun_us = self->now_us;
    known->hard_us = check_last(self, action->id);
    check_lease_times(self, known, action->id, self->config.grace_us);
    self->outstanding += !earlier;
}

void check_after_ready(struct sim *self, int number, const struct event *event)
{
    for (unsigned i = 0; i < event->ready.holding_count; i++) {
        const struct token *token = &event->ready.holding[i].token;
        const struct known *known = self->expected[i] ? check_known(self, token->message_id) : NULL;
        if (known && self->connection[number].registered &&
            (known->holder != number || known->attempt != token->attempt))
            check_broke(self, "D8", token->message_id,
                        "its worker still has it, and did not get its lease back");
    }
    self->joining = NULL;
}

/* Answers, errors, returns, partials. */

static bool is_genuine(const struct sim *self, const struct event *event)
{
    return event->kind == EVENT_PARTIAL || !self->in_hand->named ||
           self->given[self->in_hand->given].genuine;
}

static void before_partial(struct sim *self, const struct event *event)
{
    struct known *known = check_known(self, event->answer.token.message_id);
    int64_t last_us = check_last(self, event->answer.token.message_id);
    int64_t until_us = self->now_us + self->config.grace_us;

    if (until_us > last_us)
        until_us = last_us; /* nothing is held for ever */
    if (known->held && known->attempt == event->answer.token.attempt && event->answer.row.found &&
        known->held_until_us < until_us)
        known->held_until_us = until_us;
}

/* The worker at connection NUMBER is done with what its answer is about: a REQ worker with the
 * only one that it has. What was not handed over to it yet goes on. */
static void be_done(struct sim *self, int number, int64_t id, uint32_t attempt)
{
    struct connection *connection = &self->connection[number];
    const struct known *known;

    if (connection->protocol == WORKER_REQ && connection->held == 1) {
        id = connection->lease[0].id;
        attempt = connection->lease[0].attempt;
    }
    known = check_known(self, id);
    if (known->holder != number || known->attempt != attempt || known->holder_sent)
        check_end_lease(self, connection, id, attempt);
}

void check_before_answer(struct sim *self, int number, const struct event *event)
{
    struct connection *connection = &self->connection[number];
    int64_t id = event->answer.token.message_id;
    uint32_t attempt = event->answer.token.attempt;
    const struct known *known = check_known(self, id);
    bool failing = event->answer.error || event->answer.returned;
    bool current = connection->registered && known->holder == number &&
                   (known->attempt == attempt || connection->protocol == WORKER_REQ);
    bool held = known->held && known->attempt == attempt; /* whoever says so */

    self->took = false;
    self->past_error = self->no_retry = self->returning = self->heard_of = 0;
    if (event->kind == EVENT_PARTIAL) {
        before_partial(self, event);
        return;
    }
    current = current || held;
    if (failing && !current)
        self->past_error = id;
    if (failing && held && is_genuine(self, event) && event->answer.row.found)
        self->heard_of = id;
    if (event->answer.error && current && is_genuine(self, event) && !event->answer.retry)
        self->no_retry = id;
    if (event->answer.returned && current && is_genuine(self, event) && event->answer.row.found)
        self->returning = id;
    if (connection->registered)
        be_done(self, number, id, attempt);
}

/* A partial prolonged the lease of the current attempt. */
void check_prolonged(struct sim *self, const struct action *action)
{
    struct known *known = check_known(self, action->id);
    const struct rules *rules = run_rules(self, self->row[action->id - 1].service);

    trace(self, "prolonged", action->id, known->holder, action->attempt);
    if (known->holder != network_connection(&action->peer) || !known->holder_sent) {
        check_broke(self, "I5", action->id, "a partial counted that is not of the current attempt");
        return;
    }
    known->prolonged = true;
    check_lease_times(self, known, action->id, rules->attempt_max_us);
}

/* What the file says about the end of a stock worker's lease may lag behind by half a lease (D8).
 */
static void after_partial(struct sim *self, int64_t id)
{
    const struct known *known = check_known(self, id);
    const struct rules *rules = run_rules(self, self->row[id - 1].service);

    if (known->holder == NOBODY || !known->recorded || self->order_changed ||
        self->connection[known->holder].heartbeats)
        return;
    if (known->lease_end_us - known->recorded_due_us > rules->lease_us / 2)
        check_broke(self, "D8", id, "its lease goes on, and the file does not know");
}

void check_after_answer(struct sim *self, const struct event *event)
{
    const struct answered_row *said = &event->answer.row;
    int64_t id = event->answer.token.message_id;
    const struct known *known = check_known(self, id);
    bool answers = event->kind == EVENT_ANSWER && !event->answer.error && !event->answer.returned;
    bool genuine = is_genuine(self, event);
    bool open = said->found && (!said->read || store_open(self, &self->row[id - 1], true));

    if (self->heard_of && known->held)
        check_broke(self, "I5", id, "its worker said that it has failed, and it waits for it");
    self->past_error = self->no_retry = self->returning = self->heard_of = 0;
    if (self->took && (event->kind != EVENT_ANSWER || (said->found && !(answers && genuine))))
        check_broke(self, "I5", id, "taken as its answer, and is none");
    else if (answers && genuine && open && !self->took && !known->settled && !known->over)
        check_broke(self, "I5", id, "a valid answer was refused");
    if (event->kind == EVENT_PARTIAL && said->found)
        after_partial(self, id);
}

/* Ends. */

void check_ended(struct sim *self, int64_t id)
{
    struct known *known = check_known(self, id);

    if (known->holder != NOBODY || known->committing)
        check_broke(self, "I1", id, "forgotten while a worker has it, or its end is on its way");
    check_let_go(self, known);
    known->over = true;
    known->resting = false;
}

/* Nobody has what KNOWN is about, or may have it, and nothing is being written of it. */
static bool is_free(const struct known *known)
{
    return known->holder == NOBODY && !known->held && !known->claiming && !known->claimed &&
           known->writing == 0;
}

void check_before_withdraw(struct sim *self, const struct event *event)
{
    self->withdrawing = event->withdraw.id;
    self->withdraws = dispatch_where(self->dispatch, event->withdraw.id, NULL) == PLACE_WAITS &&
                      is_free(check_known(self, event->withdraw.id));
}

void check_withdrawn(struct sim *self, const struct action *action)
{
    struct known *known = check_known(self, action->id);
    bool dead = action->kind == ACTION_DEAD;

    trace(self, dead ? "withdrawn: dead" : "withdrawn: dropped", action->id, known->begun,
          action->failed);
    if (self->withdrawing != action->id || self->nested)
        check_broke(self, "D9", action->id, "withdrawn, and nobody wanted that");
    else if (dead && strcmp(action->reason, "nobody came for it") != 0)
        check_broke(self, "D9", action->id, "dead for another reason than it was withdrawn for");
    else if (known->settled)
        check_broke(self, "I2", action->id, "withdrawn after its end was decided");
    else if (!is_free(known))
        check_broke(self, "D9", action->id, "withdrawn while a worker has it, or may");
    else if (action->failed != known->failed || action->attempt != known->begun)
        check_broke(self, "D4", action->id, "its attempts are miscounted");
    check_let_go(self, known);
    known->settled = known->committing = true;
    known->resting = false;
    self->outstanding++;
    self->withdrawing = 0;
}

void check_after_withdraw(struct sim *self, const struct event *event)
{
    bool withdrawn = self->withdrawing == 0;

    if (!withdrawn && self->withdraws)
        check_broke(self, "D9", event->withdraw.id, "it waits, and was not withdrawn");
    else if (withdrawn &&
             dispatch_where(self->dispatch, event->withdraw.id, NULL) != PLACE_COMMITTING)
        check_broke(self, "D9", event->withdraw.id, "withdrawn, and its place does not say so");
    self->withdrawing = 0;
}

void check_seen_again(struct sim *self, int64_t id)
{
    struct known *known = check_known(self, id);

    known->over = known->resting = known->claimed = false;
    known->begun = known->failed = known->returned = 0;
}

bool check_unknown(struct sim *self, const struct row *row)
{
    const struct known *known = check_known(self, row->id);
    bool begun = known->begun > 0 || known->claiming || known->held || known->resting;

    if (known->holder != NOBODY || known->committing || (begun && !known->over))
        check_broke(self, "I1", row->id, "the core has forgotten it, and it wants an answer");
    else if ((row->delivery.state == DELIVERY_LEASED || row->delivery.state == DELIVERY_WAITING) &&
             !row->left)
        check_broke(self, "D6", row->id, "the core has forgotten what is on record of it");
    return !self->broken;
}

static void on_claimed(struct sim *self, const struct job *job)
{
    struct known *known = check_known(self, job->id);

    bool paused = self->paused[self->row[job->id - 1].service] || self->paused[SERVICES];

    known->claiming = false;
    known->claimed = job->outcome == END_ANSWERED;
    if (known->committing || known->holder_sent)
        return; /* it does not matter any more */
    if (job->outcome == END_ANSWERED && !paused && !self->draining)
        return;
    if (known->holder != NOBODY)
        check_end_lease(self, &self->connection[known->holder], job->id, known->attempt);
    check_let_go(self, known);
    known->over = job->outcome != END_ANSWERED;
    known->relet = false;
    known->undelivered_us = self->now_us;
}

void check_done(struct sim *self, const struct job *job)
{
    struct known *known = check_known(self, job->id);

    if (job->kind == JOB_LEASE)
        on_claimed(self, job);
    if (job->kind == JOB_FAIL)
        known->writing--;
    if (!job->settles)
        return;
    check_let_go(self, known);
    known->over = true;
    if (job->outcome == END_EXPIRED)
        known->settled = false; /* the row is unread for ever: a late answer may try in vain */
}
