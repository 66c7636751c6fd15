/* Handing queries over: a row becomes the frames of its worker's protocol. */
#include <errno.h>

#include "adapters/host/clock.h"
#include "gateway/body_load.h"
#include "gateway/log.h"
#include "gateway/server.h"
#include "proto/mdp.h"
#include "proto/stamp.h"

/* A query that is on its way to its worker. */
struct passing {
    int64_t now_us;
    const struct action *action;
    const struct worker *worker;
    bool batched; /* it is in a batch, which tells the core (batches_add()) */
};

/* Sends a query in the frames of its worker's protocol: BODY, which the worker returns with
 * ADDRESS. PASSING's worker may be no more after that. */
static int send_query(struct server *self, struct passing *passing, struct span address,
                      const struct span *body, size_t count)
{
    const struct worker *worker = passing->worker;
    const struct mdp_message request = {
        .command = MDP_REQUEST, .address = address, .body = body, .body_count = count};
    const struct span rep[] = {address, span_of("", 0), body[0]};
    struct span frame[MDP_FRAMES_MAX];

    if (worker->protocol == WORKER_REP)
        return carry_send(self, &worker->peer, NULL, rep, 3);
    if (worker->protocol == WORKER_REQ)
        return carry_send(self, &worker->peer, &worker->envelope, body, 1);
    passing->batched = batches_add(self, passing->now_us, worker, passing->action, &request);
    if (passing->batched)
        return 0;
    worker = dispatch_worker(self->dispatch, &passing->action->peer);
    if (!worker) /* the batch before it was sent, which told that the worker has gone */
        return -EHOSTUNREACH;
    return carry_send(self, &worker->peer, &worker->envelope, frame,
                      mdp_write(door_version(worker->protocol), &request, frame));
}

/* What a worker is told of the delivery. Its texts are in the struct. */
struct told {
    struct delivery delivery;
    struct token_digest digest;
    char token[TOKEN_SIZE], deadline[STAMP_SIZE];
};

static void tell(const struct server *self, int64_t now_us, const struct action *action,
                 const struct tail_row *row, struct told *ret_told)
{
    struct delivery *delivery = &ret_told->delivery;

    token_digest(row->conversation_id, row->columns.text, &ret_told->digest);
    delivery->token = span_of(ret_told->token, token_make(&self->key, action->id, action->attempt,
                                                          &ret_told->digest, ret_told->token));
    stamp_format(clock_utc_us() + action->deadline_us - now_us, ret_told->deadline);
    delivery->message_id = action->id;
    delivery->conversation_id = row->conversation_id;
    delivery->bridge = span_str(self->bridge);
    delivery->service = span_str(action->service);
    delivery->from = row->from_session;
    delivery->attempt = action->attempt;
    delivery->deadline = span_str(ret_told->deadline);
    delivery->principal = row->principal;
    delivery->name = row->sender;
}

/* Sends the query as one JSON object, and to a relay behind it what its Majordomo client sent.
 * BODY: what a client sent. */
static int send_json(struct server *self, struct passing *passing, const struct tail_row *row,
                     const struct message *message, const struct body *body,
                     const struct delivery *delivery)
{
    bool relays = passing->worker->options.relays;
    struct message_row columns = row->columns;
    struct message query = *message;
    struct span frame[MDP_BODY];
    struct buffer json, text;
    bool plain = true;
    size_t count = 1;
    int error;

    buffer_init(&json);
    buffer_init(&text);
    if (body->opaque && body_query_text(body->frame, body->count, &text, &plain) == 0) {
        columns.text = buffer_span(&text);
        query.kind = plain ? MESSAGE_QUESTION : MESSAGE_QUERY;
    }
    message_compose_query(&columns, &query, delivery, &json);
    frame[0] = buffer_span(&json);
    for (size_t i = 0; relays && message->majordomo && i < body->count; i++)
        frame[count++] = body->frame[i];
    error = send_query(self, passing, delivery->token, frame, count);
    buffer_done(&json);
    buffer_done(&text);
    return error;
}

/* Sends the query to its worker: as its client sent it where both speak Majordomo and the worker
 * asked for nothing else. Returns as gate_send(), or -EBUSY when what belongs to the row cannot be
 * read. */
static int send_row(struct server *self, struct passing *passing, const struct tail_row *row)
{
    const struct worker *worker = passing->worker;
    char address[TOKEN_SIZE];
    struct message message;
    struct told told;
    struct body body;
    int error;

    message_read(&row->columns, &message);
    if (!body_load(self, row, &message, &body))
        return -EBUSY;
    tell(self, passing->now_us, passing->action, row, &told);
    if (message.majordomo && worker_is_majordomo(worker->protocol) &&
        !worker->options.wants_query && !worker->options.relays)
        error = send_query(self, passing,
                           span_of(address, token_raw_address(told.delivery.token, address)),
                           body.frame, body.count);
    else
        error = send_json(self, passing, row, &message, &body, &told.delivery);
    body_done(&body);
    if (!error)
        handed_keep(&self->handed, passing->now_us, self->others, row, &message, &told.digest);
    return error;
}

/* True when ROW is still to be answered; else its end is recorded, or it is left to its agent. Not
 * after its first attempt: what is on record of it must not be forgotten. */
static bool still_wanted(struct server *self, const struct action *action,
                         const struct tail_row *row)
{
    int64_t utc_us = clock_utc_us();

    if ((row->read && !action->claimed) || !intake_is_live(row, utc_us)) {
        submit_end_of(self, action, row, false);
        return false;
    }
    if (action->attempt == 1 && !action->claimed && intake_is_agents(self, row, utc_us)) {
        self->stats.count[STAT_LEFT_TO_AGENTS]++;
        return false; /* a second look brings it back (upkeep.h, U3) */
    }
    return true;
}

static void tell_undeliverable(struct server *self, int64_t now_us, const struct action *action,
                               enum undeliverable why)
{
    struct event event = {.kind = EVENT_UNDELIVERABLE};

    event.undeliverable.id = action->id;
    event.undeliverable.attempt = action->attempt;
    event.undeliverable.peer = &action->peer;
    event.undeliverable.why = why;
    dispatch_feed(self->dispatch, now_us, &event);
}

void carry_delivered(struct server *self, int64_t now_us, const struct action *action, int error)
{
    struct event event = {.kind = EVENT_DELIVERED};

    if (error) {
        tell_undeliverable(self, now_us, action,
                           error == -EAGAIN  ? UNDELIVERABLE_PEER_FULL
                           : error == -EBUSY ? UNDELIVERABLE_BUSY
                                             : UNDELIVERABLE_PEER_GONE);
        return;
    }
    event.delivered.id = action->id;
    event.delivered.attempt = action->attempt;
    event.delivered.peer = &action->peer;
    dispatch_feed(self->dispatch, now_us, &event);
    self->stats.count[STAT_DISPATCHED]++;
    if (action->attempt == 1)
        histogram_add(&self->stats.stage[STAGE_TAIL_TO_DISPATCH], now_us - action->seen_us);
    carry_count(self, action);
    log_event(LOG_DEBUG, "dispatched", LOG_INT("id", action->id), LOG_STR("worker", action->worker),
              LOG_STR("service", action->service), LOG_INT("attempt", action->attempt));
}

void carry_deliver(struct server *self, int64_t now_us, const struct action *action)
{
    struct passing passing = {
        .now_us = now_us,
        .action = action,
        .worker = dispatch_worker(self->dispatch, &action->peer),
    };
    struct tail_row row;
    int error;

    if (!passing.worker) {
        tell_undeliverable(self, now_us, action, UNDELIVERABLE_PEER_GONE);
        return;
    }
    carry_let_go(self);
    error = carry_load(self, action->id, &row);
    if (error == BRIDGE_ABSENT) {
        submit_end_of(self, action, NULL, false);
        tell_undeliverable(self, now_us, action, UNDELIVERABLE_ENDED);
        return;
    }
    if (!intake_could_read(self, error)) {
        tell_undeliverable(self, now_us, action, UNDELIVERABLE_BUSY);
        return;
    }
    if (still_wanted(self, action, &row)) {
        error = send_row(self, &passing, &row);
        tail_unload(self->tail);
        if (!passing.batched)
            carry_delivered(self, now_us, action, error);
    } else {
        tail_unload(self->tail);
        tell_undeliverable(self, now_us, action, UNDELIVERABLE_ENDED);
    }
}
