/* Frames from workers, as gateway/door.c reads them. */
#include "tests/sim/sim.h"

#include <stdio.h>

static enum worker_protocol protocol_of(const struct sim *self, int connection)
{
    return self->worker[self->connection[connection].worker].protocol;
}

/* The gate wants nothing to do with it. */
static void tell(struct sim *self, int connection)
{
    enum worker_protocol protocol = protocol_of(self, connection);
    const struct frame frame = {.kind = protocol == WORKER_REQ ? FRAME_ERROR : FRAME_DISCONNECT};

    if (protocol == WORKER_REP)
        worker_hung_up(self, connection);
    else
        network_to_worker(self, connection, &frame);
}

static void leave(struct sim *self, const struct peer *peer, const char *reason)
{
    struct event event = {.kind = EVENT_DISCONNECT};

    event.disconnect.peer = peer;
    event.disconnect.reason = reason;
    carry_feed(self, &event);
}

/* What the file says of the row that a token names. */
static struct answered_row row_of(struct sim *self, int64_t id)
{
    const struct row *row = store_row(self, id);
    struct answered_row said = {.found = row != NULL};

    if (row) {
        said.read = row->read;
        said.digest = row->digest;
        said.service = span_str(service_name[row->service]);
        said.conversation_id = span_str(self->conversation[row->conversation].name);
    }
    return said;
}

static void ready(struct sim *self, int connection, const struct peer *peer,
                  const struct frame *frame)
{
    int number = self->connection[connection].worker;
    const struct worker_sim *says = &self->worker[number];
    const struct envelope envelope = {.count = 0};
    struct worker_options options = {
        .slots = says->slots, .heartbeats = says->heartbeats, .interval_ms = says->interval_ms};
    struct holding holding[HOLDING_MAX];
    struct event event = {.kind = EVENT_READY};

    for (unsigned i = 0; i < frame->holdings; i++) {
        holding[i].token = frame->holding[i];
        holding[i].row = row_of(self, frame->holding[i].message_id);
    }
    if (says->has_name)
        snprintf(options.name, sizeof options.name, "w%d", number);
    event.ready.peer = peer;
    event.ready.protocol = says->protocol;
    event.ready.envelope = &envelope;
    event.ready.service = span_str(service_name[says->service]);
    event.ready.options = &options;
    event.ready.pid = worker_pid(self, number);
    event.ready.holding = holding;
    event.ready.holding_count = frame->holdings;
    check_before_ready(self, frame, &event);
    carry_feed(self, &event);
    check_after_ready(self, connection, &event);
}

/* WORKER: whose only lease an answer without a token is about. */
static void answer(struct sim *self, int connection, const struct peer *peer,
                   const struct worker *worker, const struct frame *frame)
{
    struct event event = {.kind = frame->kind == FRAME_PARTIAL ? EVENT_PARTIAL : EVENT_ANSWER};
    int64_t id = frame->named ? frame->token.message_id : worker->leases->id;
    uint32_t attempt = frame->named ? frame->token.attempt : worker->leases->attempt;
    const struct given *given = &self->given[frame->given];

    event.answer.peer = peer;
    event.answer.row = row_of(self, id);
    event.answer.token = frame->token;
    if (!frame->named)
        token_sign(&self->config.key, id, attempt, &event.answer.row.digest, &event.answer.token);
    event.answer.error = frame->kind == FRAME_FINAL && given->error;
    event.answer.returned = frame->kind == FRAME_FINAL && given->returned;
    event.answer.retry = frame->retry;
    event.answer.reason = span_str("it cannot");
    self->in_hand = frame;
    check_before_answer(self, connection, &event);
    carry_feed(self, &event);
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
        tell(self, connection);
    }
    if (!worker)
        tell(self, connection);
}

static void other_frame(struct sim *self, int connection, const struct peer *peer,
                        const struct frame *frame)
{
    bool known = dispatch_worker(self->dispatch, peer) != NULL;
    struct event event = {.kind = EVENT_HEARTBEAT};
    struct connection *at = &self->connection[connection];

    event.heartbeat.peer = peer;
    if (frame->kind == FRAME_GARBAGE) {
        if (known)
            leave(self, peer, "it sent a malformed Majordomo command");
        tell(self, connection);
    } else if (!known && frame->kind == FRAME_BEAT) {
        tell(self, connection);
    } else if (known && frame->kind == FRAME_BEAT) {
        event.heartbeat.resized = frame->resized;
        event.heartbeat.slots = frame->slots;
        if (frame->resized && (!self->config.claim || frame->slots > at->slots))
            at->slots = frame->slots; /* what is being claimed for it still comes */
        carry_feed(self, &event);
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
    bool bare = !is_majordomo(protocol_of(self, connection));

    self->connection[connection].quiet_us = self->now_us;
    trace(self, what[frame->kind], frame->named ? frame->token.message_id : 0, connection,
          frame->named ? frame->token.attempt : frame->holdings);
    if (frame->kind == FRAME_CLOSE) {
        self->connection[connection].open = false;
        leave(self, &peer, "its connection is closed");
    } else if (frame->kind == FRAME_READY) {
        ready(self, connection, &peer, frame);
    } else if (frame->kind == FRAME_FINAL && bare) {
        bare_answer(self, connection, &peer, frame);
    } else if (frame->kind == FRAME_FINAL || frame->kind == FRAME_PARTIAL) {
        answer(self, connection, &peer, NULL, frame);
        if (!self->broken && !dispatch_worker(self->dispatch, &peer))
            tell(self, connection);
    } else {
        other_frame(self, connection, &peer, frame);
    }
}

void gate_tick(struct sim *self)
{
    struct event event = {.kind = EVENT_TICK};

    trace(self, "tick", 0, 0, 0);
    event.tick.heard_until_us = self->now_us;
    self->ticking = true;
    carry_feed(self, &event);
    self->ticking = false;
    check_tick(self);
}
