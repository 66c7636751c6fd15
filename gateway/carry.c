#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "adapters/host/clock.h"
#include "gateway/log.h"
#include "gateway/server.h"
#include "proto/mdp.h"
#include "proto/stamp.h"

int carry_send(struct server *self, const struct peer *peer, const struct envelope *envelope,
               const struct span *frame, size_t count)
{
    struct span all[2 + MDP_FRAMES_MAX];
    size_t n = 0;
    int error;

    for (size_t i = 0; envelope && i < envelope->count; i++)
        all[n++] = span_of(envelope->data[i], envelope->size[i]);
    for (size_t i = 0; i < count; i++)
        all[n++] = frame[i];
    error = gate_send(self->gate, peer, all, n);
    if (error == -EHOSTUNREACH)
        self->stats.count[STAT_PEERS_GONE]++;
    else if (error)
        self->stats.count[STAT_PEERS_FULL]++;
    return error;
}

/* Delivering. */

/* Puts a query into the frames of its worker's protocol and sends them. */
static int send_query(struct server *self, const struct worker *worker, struct span token,
                      struct span json)
{
    const struct mdp_message request = {
        .command = MDP_REQUEST, .address = token, .body = &json, .body_count = 1};
    struct span frame[MDP_FRAMES_MAX];

    if (worker->protocol == WORKER_REQ)
        return carry_send(self, &worker->peer, &worker->envelope, &json, 1);
    return carry_send(self, &worker->peer, &worker->envelope, frame, mdp_write(&request, frame));
}

static int send_row(struct server *self, int64_t now_us, const struct action *action,
                    const struct worker *worker, const struct tail_row *row)
{
    struct token_digest digest;
    struct message message;
    struct delivery delivery;
    struct buffer json;
    char token[TOKEN_SIZE], deadline[STAMP_SIZE];
    int error;

    token_digest(row->conversation_id, row->columns.text, &digest);
    delivery.token =
        span_of(token, token_make(&self->key, action->id, action->attempt, &digest, token));
    stamp_format(clock_utc_us() + action->deadline_us - now_us, deadline);
    delivery.message_id = action->id;
    delivery.conversation_id = row->conversation_id;
    delivery.service = span_str(action->service);
    delivery.from = row->from_session;
    delivery.attempt = action->attempt;
    delivery.deadline = span_str(deadline);
    message_read(&row->columns, &message);
    buffer_init(&json);
    message_compose_query(&row->columns, &message, &delivery, &json);
    error = send_query(self, worker, delivery.token, buffer_span(&json));
    buffer_done(&json);
    return error;
}

/* True when ROW is still to be answered; else its end is recorded, or it is left to its agent. Not
 * after its first attempt: what is on record of it must not be forgotten. */
static bool still_wanted(struct server *self, const struct action *action,
                         const struct tail_row *row)
{
    int64_t utc_us = clock_utc_us();

    if ((row->read && !action->claimed) || !intake_is_live(row, utc_us)) {
        submit_end(self, action->id, row, action->claimed, false);
        return false;
    }
    if (action->attempt == 1 && !action->claimed && intake_is_agents(self, row, utc_us)) {
        self->stats.count[STAT_LEFT_TO_AGENTS]++;
        return false; /* a second look brings it back (upkeep.h, U3) */
    }
    return true;
}

/* Loads the query, looks once more whether it still wants an answer, and sends it. Returns true
 * when that was done; else *ret_why says what came between. */
static bool deliver(struct server *self, int64_t now_us, const struct action *action,
                    enum undeliverable *ret_why)
{
    const struct worker *worker = dispatch_worker(self->dispatch, &action->peer);
    struct tail_row row;
    int error;

    *ret_why = UNDELIVERABLE_PEER_GONE;
    if (!worker)
        return false;
    *ret_why = UNDELIVERABLE_BUSY;
    if (committer_queued(self->committer) >= (size_t)self->config.commit_queue)
        return false; /* ends are recorded one by one: do not run ahead of that (I7) */
    carry_let_go(self);
    error = tail_load(self->tail, action->id, &row);
    if (error == BRIDGE_ABSENT) {
        submit_end(self, action->id, NULL, action->claimed, false);
        *ret_why = UNDELIVERABLE_ENDED;
        return false;
    }
    if (!intake_could_read(self, error))
        return false;
    if (!still_wanted(self, action, &row)) {
        *ret_why = UNDELIVERABLE_ENDED;
        tail_unload(self->tail);
        return false;
    }
    error = send_row(self, now_us, action, worker, &row);
    tail_unload(self->tail);
    *ret_why = error == -EAGAIN ? UNDELIVERABLE_PEER_FULL : UNDELIVERABLE_PEER_GONE;
    return error == 0;
}

static void on_deliver(struct server *self, int64_t now_us, const struct action *action)
{
    struct event event = {.kind = EVENT_UNDELIVERABLE};

    event.undeliverable.id = action->id;
    event.undeliverable.attempt = action->attempt;
    event.undeliverable.peer = &action->peer;
    if (deliver(self, now_us, action, &event.undeliverable.why)) {
        event = (struct event){.kind = EVENT_DELIVERED};
        event.delivered.id = action->id;
        event.delivered.attempt = action->attempt;
        event.delivered.peer = &action->peer;
        dispatch_feed(self->dispatch, now_us, &event);
        self->stats.count[STAT_DISPATCHED]++;
        log_event(LOG_DEBUG, "dispatched", LOG_INT("id", action->id),
                  LOG_STR("worker", action->worker), LOG_STR("service", action->service),
                  LOG_INT("attempt", action->attempt));
        return;
    }
    dispatch_feed(self->dispatch, now_us, &event);
}

/* The rest. */

static void send_command(struct server *self, const struct peer *peer,
                         const struct envelope *envelope, enum mdp_command command)
{
    const struct mdp_message message = {.command = command};
    struct span frame[MDP_FRAMES_MAX];

    carry_send(self, peer, envelope, frame, mdp_write(&message, frame));
}

static void on_heartbeat(struct server *self, const struct action *action)
{
    const struct worker *worker = dispatch_worker(self->dispatch, &action->peer);

    if (worker)
        send_command(self, &action->peer, &worker->envelope, MDP_HEARTBEAT);
}

static void on_refused(struct server *self, const struct action *action)
{
    static const enum counter counter[REFUSALS] = {STAT_REFUSED_FORGED, STAT_REFUSED_DUPLICATE,
                                                   STAT_REFUSED_PAST, STAT_REFUSED_FULL};

    self->stats.count[counter[action->refusal]]++;
    if (action->refusal == REFUSED_DUPLICATE)
        submit_late(self, action);
    log_event(LOG_WARN, "refused", LOG_STR("why", refusal_name(action->refusal)),
              LOG_INT("id", action->id), LOG_INT("attempt", action->attempt));
}

static void on_joined(const struct action *action)
{
    log_event(LOG_INFO, "joined", LOG_STR("worker", action->worker),
              LOG_STR("service", action->service),
              LOG_STR("protocol", worker_protocol_name(action->protocol)));
}

static void on_left(struct server *self, const struct action *action)
{
    self->stats.count[STAT_WORKERS_LEFT]++;
    log_event(LOG_INFO, "left", LOG_STR("worker", action->worker),
              LOG_STR("service", action->service), LOG_STR("why", action->reason));
}

static void on_retry(struct server *self, int64_t now_us, const struct action *action)
{
    bool returned = action->kind == ACTION_RETURNED;

    self->stats.count[returned ? STAT_RETURNED : STAT_RETRIED]++;
    log_event(LOG_WARN, returned ? "returned" : "retry", LOG_INT("id", action->id),
              LOG_INT("attempt", action->attempt), LOG_STR("worker", action->worker),
              LOG_US("pause", action->due_us - now_us), LOG_STR("why", action->reason));
    if (!returned || action->recorded)
        submit_action(self, now_us, action);
}

static void on_adopted(struct server *self, const struct action *action)
{
    self->stats.count[STAT_ADOPTED]++;
    log_event(LOG_INFO, "resumed", LOG_INT("id", action->id), LOG_INT("attempt", action->attempt),
              LOG_STR("worker", action->worker),
              LOG_STR("say", "its worker still has it: it is not executed again"));
}

static void carry(struct server *self, int64_t now_us, const struct action *action)
{
    switch (action->kind) {
    case ACTION_DELIVER:
        on_deliver(self, now_us, action);
        break;
    case ACTION_ANSWER:
        submit_answer(self, now_us, action);
        break;
    case ACTION_GONE:
        submit_gone(self, action);
        break;
    case ACTION_CLAIM:
    case ACTION_RECORD:
    case ACTION_DEAD:
        submit_action(self, now_us, action);
        break;
    case ACTION_RETRY:
    case ACTION_RETURNED:
        on_retry(self, now_us, action);
        break;
    case ACTION_ADOPTED:
        on_adopted(self, action);
        break;
    case ACTION_HEARTBEAT:
        on_heartbeat(self, action);
        break;
    case ACTION_DISCONNECT:
        send_command(self, &action->peer, &action->envelope, MDP_DISCONNECT);
        break;
    case ACTION_JOINED:
        on_joined(action);
        break;
    case ACTION_LEFT:
        on_left(self, action);
        break;
    case ACTION_PARTIAL:
        self->stats.count[STAT_PARTIALS]++;
        break;
    case ACTION_REFUSED:
        on_refused(self, action);
        break;
    }
}

void carry_let_go(struct server *self)
{
    if (self->in_hand.loaded)
        tail_unload(self->tail);
    self->in_hand.loaded = false;
}

void carry_actions(struct server *self, int64_t now_us)
{
    const struct action *action;

    while ((action = dispatch_take(self->dispatch))) {
        carry(self, now_us, action);
        buffer_reset(&self->status);
    }
}

void carry_event(struct server *self, int64_t now_us, const struct event *event)
{
    dispatch_feed(self->dispatch, now_us, event);
    carry_actions(self, now_us);
}
