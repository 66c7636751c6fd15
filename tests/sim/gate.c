/* The gateway around the core: as gateway/carry.c carries actions out, gateway/door.c reads frames,
 * gateway/intake.c rows and gateway/settle.c what the committer has done. */
#include "tests/sim/sim.h"

#include <assert.h>
#include <errno.h>

static void feed(struct sim *self, const struct event *event)
{
    dispatch_feed(self->dispatch, self->now_us, event);
    gate_carry(self);
}

void gate_start(struct sim *self)
{
    self->config.seed = self->random ^ self->run;
    self->run++;
    self->cursor = 0;
    self->dispatch = dispatch_new(&self->config);
    check_start(self);
    trace(self, "gateway starts", 0, self->run, 0);
    self->tail_waits = true;
    run_at(self, self->now_us + between(self, MS, 20 * MS), WHAT_TAIL, self->run, 0, 0);
}

/* Carrying out. */

static bool deliver(struct sim *self, const struct action *action, enum undeliverable *ret_why)
{
    struct frame frame = {.kind = FRAME_REQUEST, .named = true, .id = action->id};
    const struct row *row = store_row(self, action->id);
    int error;

    *ret_why = UNDELIVERABLE_PEER_GONE;
    if (!dispatch_worker(self->dispatch, &action->peer))
        return false;
    *ret_why = UNDELIVERABLE_BUSY;
    if (self->jobs >= self->commit_queue || strikes(self, FAULT_ROW_BUSY, 15))
        return false;
    if (!row || !store_open(self, row)) {
        store_submit(self, JOB_END, action->id, 0, false);
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

static void send_command(struct sim *self, int connection, enum frame_kind kind)
{
    const struct frame frame = {.kind = kind};
    network_to_worker(self, connection, &frame);
}

static void carry(struct sim *self, const struct action *action)
{
    switch (action->kind) {
    case ACTION_DELIVER:
        on_deliver(self, action);
        break;
    case ACTION_ANSWER:
        store_submit(self, JOB_ANSWER, action->id, self->in_hand ? self->in_hand->given : 0, true);
        break;
    case ACTION_DEAD:
        store_submit(self, store_row(self, action->id) ? JOB_DEAD : JOB_END, action->id, 0, true);
        break;
    case ACTION_GONE:
        store_submit(self, JOB_END, action->id, 0, true);
        break;
    case ACTION_HEARTBEAT:
        send_command(self, network_connection(&action->peer), FRAME_BEAT);
        break;
    case ACTION_DISCONNECT:
        send_command(self, network_connection(&action->peer), FRAME_DISCONNECT);
        break;
    case ACTION_RETRY:
    case ACTION_JOINED:
    case ACTION_LEFT:
    case ACTION_PARTIAL:
    case ACTION_REFUSED:
        break;
    }
}

void gate_carry(struct sim *self)
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
}

/* The door. */

static void tell(struct sim *self, int connection, bool bare)
{
    send_command(self, connection, bare ? FRAME_ERROR : FRAME_DISCONNECT);
}

static void leave(struct sim *self, const struct peer *peer, const char *reason)
{
    struct event event = {.kind = EVENT_DISCONNECT};

    event.disconnect.peer = peer;
    event.disconnect.reason = reason;
    feed(self, &event);
}

static void ready(struct sim *self, int connection, const struct peer *peer)
{
    const struct worker_sim *says = &self->worker[self->connection[connection].worker];
    const struct envelope envelope = {.count = 0};
    struct worker_options options = {
        .slots = says->slots, .heartbeats = says->heartbeats, .interval_ms = says->interval_ms};
    struct event event = {.kind = EVENT_READY};

    event.ready.peer = peer;
    event.ready.protocol = says->protocol;
    event.ready.envelope = &envelope;
    event.ready.service = span_str(service_name[says->service]);
    event.ready.options = &options;
    feed(self, &event);
}

/* WORKER: whose only lease an answer without a token is about. */
static void answer(struct sim *self, int connection, const struct peer *peer,
                   const struct worker *worker, const struct frame *frame)
{
    struct event event = {.kind = frame->kind == FRAME_PARTIAL ? EVENT_PARTIAL : EVENT_ANSWER};
    struct answered_row *said = &event.answer.row;
    int64_t id = frame->named ? frame->token.message_id : worker->leases->id;
    uint32_t attempt = frame->named ? frame->token.attempt : worker->leases->attempt;
    const struct row *row = store_row(self, id);

    event.answer.peer = peer;
    said->found = row != NULL;
    if (row) {
        said->read = row->read;
        said->seen = id <= self->cursor;
        said->digest = row->digest;
        said->service = span_str(service_name[row->service]);
        said->conversation_id = span_str(self->conversation[row->conversation].name);
    }
    event.answer.token = frame->token;
    if (!frame->named)
        token_sign(&self->config.key, id, attempt, &said->digest, &event.answer.token);
    event.answer.error = frame->kind == FRAME_FINAL && self->given[frame->given].error;
    event.answer.retry = frame->retry;
    event.answer.reason = span_str("it cannot");
    self->in_hand = frame;
    check_before_answer(self, connection, &event);
    feed(self, &event);
    check_after_answer(self, &event);
    self->in_hand = NULL;
}

static void bare_answer(struct sim *self, int connection, const struct peer *peer,
                        const struct frame *frame)
{
    const struct worker *worker = dispatch_worker(self->dispatch, peer);

    if (frame->named || (worker && worker->leases)) {
        answer(self, connection, peer, worker, frame);
    } else if (worker) {
        leave(self, peer, "it answered without a query");
        tell(self, connection, true);
    }
    if (!worker)
        tell(self, connection, true);
}

static void other_frame(struct sim *self, int connection, const struct peer *peer,
                        const struct frame *frame)
{
    bool known = dispatch_worker(self->dispatch, peer) != NULL;
    bool bare = self->worker[self->connection[connection].worker].protocol == WORKER_REQ;
    struct event event = {.kind = EVENT_HEARTBEAT};

    event.heartbeat.peer = peer;
    if (frame->kind == FRAME_GARBAGE) {
        if (known)
            leave(self, peer, "it sent a malformed Majordomo command");
        tell(self, connection, bare);
    } else if (!known && frame->kind == FRAME_BEAT) {
        tell(self, connection, bare);
    } else if (known && frame->kind == FRAME_BEAT) {
        feed(self, &event);
    } else if (known) {
        leave(self, peer, "it said DISCONNECT");
    }
}

void gate_frame(struct sim *self, int connection, const struct frame *frame)
{
    static const char *const what[] = {
        "gate: READY",      "gate: heartbeat", "gate: answer",           "gate: partial",
        "gate: DISCONNECT", "gate: garbage",   "gate: connection closed"};
    const struct peer peer = network_peer(connection);
    bool bare = self->worker[self->connection[connection].worker].protocol == WORKER_REQ;

    trace(self, what[frame->kind], frame->named ? frame->token.message_id : 0, connection,
          frame->named ? frame->token.attempt : 0);
    if (frame->kind == FRAME_CLOSE) {
        self->connection[connection].open = false;
        leave(self, &peer, "its connection is closed");
    } else if (frame->kind == FRAME_READY) {
        ready(self, connection, &peer);
    } else if (frame->kind == FRAME_FINAL && bare) {
        bare_answer(self, connection, &peer, frame);
    } else if (frame->kind == FRAME_FINAL || frame->kind == FRAME_PARTIAL) {
        answer(self, connection, &peer, NULL, frame);
        if (!self->broken && !dispatch_worker(self->dispatch, &peer))
            tell(self, connection, false);
    } else {
        other_frame(self, connection, &peer, frame);
    }
}

/* The rest. */

void gate_tick(struct sim *self)
{
    struct event event = {.kind = EVENT_TICK};

    trace(self, "tick", 0, 0, 0);
    event.tick.heard_until_us = self->now_us;
    feed(self, &event);
}

void gate_query(struct sim *self, const struct row *row)
{
    struct event event = {.kind = EVENT_QUERY};

    trace(self, "tail sees", row->id, 0, 0);
    self->known[row->id - 1].seen = true;
    event.query.id = row->id;
    event.query.conversation_id = span_str(self->conversation[row->conversation].name);
    event.query.service = span_str(service_name[row->service]);
    dispatch_feed(self->dispatch, self->now_us, &event);
}

void gate_committed(struct sim *self, const struct job *job)
{
    struct event event = {.kind = EVENT_COMMITTED};

    trace(self, "announced", job->id, job->outcome, 0);
    event.committed.id = job->id;
    check_committed(self, job);
    feed(self, &event);
}
