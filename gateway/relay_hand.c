/* Queries on their way to workers, and what workers say of them. */
#include <errno.h>

#include "adapters/host/clock.h"
#include "adapters/source/out.h"
#include "gateway/relay_inside.h"
#include "proto/jtext.h"
#include "proto/message.h"
#include "proto/utf8.h"

/* Handing out. */

/* Sends the query of NEWS in the form that WORKER wants. */
static int send_query(struct relay *self, const struct worker *worker,
                      const struct source_news *news)
{
    struct span frame[MDP_FRAMES_MAX], body[MDP_BODY];
    char address[TOKEN_SIZE + sizeof TOKEN_RAW];
    struct mdp_message request = {.command = MDP_REQUEST, .address = news->token};
    bool raw = news->frames > 0 && worker_is_majordomo(worker->protocol) &&
               !worker->options.wants_query && !worker->options.relays;

    if (worker->protocol == WORKER_REQ)
        return relay_send(self, &worker->peer, &worker->envelope, &news->json, 1);
    if (!raw)
        body[request.body_count++] = news->json;
    for (size_t i = 0; (raw || worker->options.relays) && i < news->frames; i++)
        body[request.body_count++] = news->frame[i];
    if (raw)
        request.address =
            span_of(address, (size_t)snprintf(address, sizeof address, "%.*s%s",
                                              (int)news->token.size, news->token.data, TOKEN_RAW));
    request.body = body;
    return relay_send(
        self, &worker->peer, &worker->envelope, frame,
        mdp_write(worker->protocol == WORKER_MDP_01 ? MDP_01 : MDP_02, &request, frame));
}

/* The key of the query's conversation, for the worker that has served it before. */
static uint64_t conversation_of(const struct relay *self, struct span json)
{
    struct span delivery, id = span_str("");

    if (jtext_check(json) == JTEXT_OBJECT && jtext_find(json, "delivery", &delivery) &&
        jtext_type(delivery) == JTEXT_OBJECT)
        jtext_find(delivery, "conversation_id", &id);
    return pending_conversation(self->pending, id);
}

void relay_hand_out(struct relay *self, int64_t now_us, const struct source_news *news)
{
    const struct service *service = pending_find(self->pending, news->service);
    uint64_t conversation = conversation_of(self, news->json);
    struct worker *worker;

    self->count[RELAY_TAKEN]++;
    if (news->token.size == 0 || news->token.size >= TOKEN_SIZE ||
        relay_flight_find(self, news->token))
        return;
    while (!self->draining &&
           (worker = workers_pick(self->workers, service ? service : self->all, conversation))) {
        int error = send_query(self, worker, news);
        if (error == -EAGAIN) {
            workers_stall(self->workers, worker);
        } else if (error) {
            relay_work_lose(self, now_us, worker, "its connection is closed");
            service = pending_find(self->pending, news->service);
        } else {
            struct relay_flight *flight = relay_flight_add(self, news->token, worker);
            flight->over_us = out_deadline(news->json, now_us, clock_utc_us());
            relay_flight_arm(self, flight, now_us);
            worker->sent_us = now_us;
            workers_chose(self->workers, worker, conversation);
            return;
        }
    }
    self->count[RELAY_RETURNED]++;
    self->source->class->give_back(
        self->source, news->token,
        span_str(self->draining ? "the relay stops" : "no worker is free here"));
}

/* What workers say. */

/* One text of a body of several frames, repaired. */
static struct span text_of(const struct relay_said *said, struct buffer *storage)
{
    struct buffer joined;

    if (said->count == 1 && utf8_valid(said->frame[0]))
        return said->frame[0];
    buffer_init(&joined);
    for (size_t i = 0; i < said->count; i++)
        buffer_add(&joined, said->frame[i]);
    utf8_repair(storage, buffer_span(&joined));
    buffer_done(&joined);
    return buffer_span(storage);
}

/* Passes it on with who worked, and our name. */
static void pass_on(struct relay *self, const struct worker *worker, const struct relay_said *said)
{
    struct via via = {.count = 0};
    struct source_answer answer = {
        .token = said->token, .raw = said->raw, .frame = said->frame, .frames = said->count};
    struct buffer json;

    if (said->via)
        via = *said->via;
    else if (worker)
        memcpy(via.worker, worker->options.name, sizeof via.worker);
    if (via.count < LIMIT_RELAYS)
        snprintf(via.through[via.count++], sizeof via.through[0], "%s", self->setup->name);
    buffer_init(&json);
    via_write(&via, &json);
    answer.via = buffer_span(&json);
    if (said->partial)
        self->source->class->partial(self->source, &answer);
    else
        self->source->class->final(self->source, &answer);
    buffer_done(&json);
}

static void on_part(struct relay *self, int64_t now_us, struct worker *worker,
                    struct relay_flight *flight, const struct relay_said *said)
{
    if (!flight || flight->worker != worker || flight->over)
        return;
    self->count[RELAY_PARTIALS]++;
    flight->over_us = INT64_MAX; /* it may be put off: they will say when it ends */
    relay_flight_arm(self, flight, now_us);
    pass_on(self, worker, said);
}

/* An error, or a return; only from who has the query. */
static void on_failure(struct relay *self, struct relay_flight *flight, const struct answer *answer)
{
    bool returned = answer->kind == ANSWER_RETURN;
    struct buffer reason;

    buffer_init(&reason);
    answer_reason(answer, NULL, &reason);
    self->count[returned ? RELAY_RETURNED : RELAY_FAILED]++;
    if (returned)
        self->source->class->give_back(self->source, relay_flight_token(flight),
                                       buffer_span(&reason));
    else
        self->source->class->fail(self->source, relay_flight_token(flight), buffer_span(&reason),
                                  answer->retry);
    buffer_done(&reason);
}

bool relay_hand_back(struct relay *self, int64_t now_us, struct worker *worker,
                     const struct relay_said *said)
{
    struct relay_said whole = *said;
    struct relay_flight *flight = said->token.size ? relay_flight_find(self, said->token)
                                  : worker         ? relay_flight_next(self, worker, NULL)
                                                   : NULL;
    struct answer answer = {.kind = ANSWER_TEXT};
    struct buffer storage;

    if (said->token.size == 0 && !flight)
        return false;
    if (said->token.size == 0)
        whole.token = relay_flight_token(flight);
    if (said->partial) {
        on_part(self, now_us, worker, flight, &whole);
        return true;
    }
    buffer_init(&storage);
    if (!said->raw)
        answer_read(text_of(said, &storage), &answer);
    if (answer.kind != ANSWER_ERROR && answer.kind != ANSWER_RETURN) {
        self->count[RELAY_ANSWERED]++;
        self->count[RELAY_UNKNOWN] += !flight;
        if (worker)
            worker->served++;
        pass_on(self, worker, &whole);
        if (flight)
            relay_flight_forget(self, flight);
    } else if (flight && worker && flight->worker == worker) {
        if (!flight->over)
            on_failure(self, flight, &answer);
        relay_flight_forget(self, flight);
    }
    buffer_done(&storage);
    return true;
}
