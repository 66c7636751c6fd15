/* What clients hear: of what was committed, and when it is their turn (requests.c). */
#include <errno.h>

#include "adapters/host/clock.h"
#include "gateway/ask_job.h"
#include "gateway/fetched.h"
#include "gateway/log.h"
#include "gateway/server.h"
#include "proto/jtext.h"
#include "proto/mdp.h"
#include "proto/pack.h"

#define DELIVERED_US 1000000 /* until it is noted in the file that an answer was delivered */

/* What was committed. */

/* An answer that is committed found nobody who waits for it. */
static void note_undelivered(struct server *self, int64_t id, const char *conversation,
                             const char *service, const char *why)
{
    self->stats.count[STAT_UNDELIVERED]++;
    log_event(LOG_INFO, "undelivered", LOG_INT("id", id), LOG_STR("conversation", conversation),
              LOG_STR("service", service), LOG_STR("why", why));
    announce_undelivered(self, clock_mono_us(), id, conversation, service, why);
}

static void give_receipt(struct server *self, const struct job *job)
{
    const struct span frame[] = {span_str("200"), span_str(job->ask->ticket)};
    struct buffer packed;

    buffer_init(&packed);
    pack_write(frame, 2, &packed);
    clients_reply(self->clients, job->request, job->id, buffer_span(&packed));
    buffer_done(&packed);
}

bool replies_answer(struct server *self, const struct job *job)
{
    struct fetched fetched;
    struct buffer packed;
    bool read;
    int error;

    fetched_init(&fetched);
    buffer_init(&packed);
    error = requests_answer(tail_connection(self->tail), job->id, fetched_take, &fetched);
    if (error == BRIDGE_OK)
        error = fetched_pack(self, &fetched, NULL, &packed);
    read = intake_could_read(self, error);
    if (error == BRIDGE_OK)
        clients_reply(self->clients, job->request, job->id, buffer_span(&packed));
    else if (read)
        requests_refuse(self, job->request, false, "its answer is gone: ask again");
    buffer_done(&packed);
    fetched_done(&fetched);
    return read;
}

/* Why JOB has made no row that will be answered; NULL: it has. */
static const char *why_unasked(const struct server *self, const struct job *job)
{
    if (job->error) {
        log_event(LOG_ERROR, "unaskable", LOG_STR("service", job->service),
                  LOG_STR("say", "the database's own rules refuse a request's row"));
        return "the database refuses the question";
    }
    if (job->ask->asked == STORE_NO_CONVERSATION)
        return ASK_NO_CONVERSATION;
    if (job->ask->asked == STORE_ATTACHED && settle_is_stuck(self, job->id))
        return "the database refuses the reply";
    return NULL;
}

bool replies_made(struct server *self, const struct job *job)
{
    const struct ask_job *ask = job->ask;
    const char *error = why_unasked(self, job);

    if (error) {
        requests_refuse(self, job->request, ask->ticket[0] != '\0', error);
        return true;
    }
    if (ask->asked == STORE_ASKED)
        self->stats.count[STAT_ASKED]++;
    else
        self->attached_in_file++;
    log_event(LOG_DEBUG, ask->asked == STORE_ASKED ? "asked" : "attached", LOG_INT("id", job->id),
              LOG_STR("service", job->service), LOG_STR("from", ask->principal));
    if (ask->ticket[0])
        give_receipt(self, job);
    else if (ask->asked == STORE_ANSWERED)
        return replies_answer(self, job);
    else
        clients_made(self->clients, job->request, job->id);
    return true;
}

void replies_closed(struct server *self, const struct job *job)
{
    const struct span frame = span_str(job->error ? "500" : "200");
    struct buffer packed;

    buffer_init(&packed);
    pack_write(&frame, 1, &packed);
    clients_reply(self->clients, job->request, 0, buffer_span(&packed));
    buffer_done(&packed);
}

/* The frames that the asker of JOB's query gets. */
static void compose_end(const struct job *job, struct buffer *ret_packed)
{
    bool replied = job->outcome == STORE_COMMITTED && !job->error &&
                   (job->kind == JOB_ANSWER || job->kind == JOB_DEAD);
    struct buffer json;
    struct span frame;

    if (replied && job->client.size) {
        buffer_add(ret_packed, buffer_span(&job->client));
        return;
    }
    buffer_init(&json);
    if (!replied) {
        buffer_text(&json, "{\"type\":\"error\"");
        buffer_format(&json, ",\"query_id\":\"m%lld\"", (long long)job->id);
        jtext_member(&json, "error",
                     span_str(job->error ? "the database refuses the reply"
                                         : store_outcome_name(job->outcome)));
        buffer_byte(&json, '}');
    } else {
        buffer_add(&json, buffer_span(job->whole.size ? &job->whole : &job->text));
    }
    frame = buffer_span(&json);
    pack_write(&frame, 1, ret_packed);
    buffer_done(&json);
}

void replies_end(struct server *self, const struct job *job)
{
    struct buffer packed;

    if (!clients_know(self->clients, job->id))
        return;
    buffer_init(&packed);
    compose_end(job, &packed);
    if (clients_end(self->clients, job->id, buffer_span(&packed)) == 0)
        note_undelivered(self, job->id, job->conversation_id, job->service, "its client is gone");
    buffer_done(&packed);
}

/* Sending. */

/* Puts a reply, or a part of one, into the frames of its client's protocol and sends them. */
static int send_parcel(struct server *self, const struct client_parcel *parcel, bool partial)
{
    struct span body[MDP_CLIENT_BODY], frame[MDP_FRAMES_MAX];
    struct mdp_client_message message = {.command = partial ? MDP_CLIENT_PARTIAL : MDP_CLIENT_FINAL,
                                         .service = parcel->service,
                                         .body = body};
    size_t count;

    if (pack_read(parcel->packed, body, MDP_CLIENT_BODY, &message.body_count) < 0)
        return 0; /* ours, and never like that */
    if (parcel->protocol == CLIENT_REQ)
        return carry_send(self, parcel->peer, parcel->envelope, body, message.body_count);
    count = mdp_client_write(parcel->protocol == CLIENT_MDP_01 ? MDP_01 : MDP_02, &message, frame);
    return carry_send(self, parcel->peer, parcel->envelope, frame, count);
}

int replies_part(struct server *self, const struct client_parcel *parcel)
{
    return send_parcel(self, parcel, true);
}

/* The client who asked query ID has had its answer, or its receipt: when the file knows that, the
 * same request is a new one. A crash before that costs nothing but an answer told again. */
static void note_delivered(struct server *self, int64_t now_us, int64_t id)
{
    if (self->delivered_count == 0)
        self->delivered_us = now_us + DELIVERED_US;
    self->delivered[self->delivered_count++] = id;
    if (self->delivered_count == SERVER_DELIVERED)
        replies_flush(self);
}

void replies_flush(struct server *self)
{
    struct job *job;

    if (self->delivered_count == 0)
        return;
    job = job_new(JOB_DELIVERED, 0, span_str(""), span_str(""), span_str(""));
    job->park_count = self->delivered_count;
    job->parks = memory_new(self->delivered_count * sizeof *job->parks);
    memcpy(job->parks, self->delivered, self->delivered_count * sizeof *job->parks);
    self->delivered_count = 0;
    committer_submit(self->committer, job);
}

void replies_send(struct server *self, int64_t now_us)
{
    struct client_parcel parcel;

    while (clients_parcel(self->clients, &parcel)) {
        int error = send_parcel(self, &parcel, false);
        enum client_sent sent = error == 0         ? CLIENT_SENT
                                : error == -EAGAIN ? CLIENT_FULL
                                                   : CLIENT_GONE;
        if (sent == CLIENT_SENT && parcel.id)
            note_delivered(self, now_us, parcel.id);
        clients_sent(self->clients, now_us, sent);
    }
}

void replies_lost(struct server *self)
{
    struct clients_view view;
    int64_t id;
    bool cut;

    while (clients_lost(self->clients, &id, &cut))
        note_undelivered(self, id, "", "",
                         cut ? "its client takes no replies" : "its client is gone");
    clients_look(self->clients, &view);
    if (view.cut > self->stats.count[STAT_CLIENTS_CUT]) {
        log_event(LOG_WARN, "cut", LOG_INT("clients", view.cut),
                  LOG_STR("say", "a client takes no replies, or asks without end: it hears nothing "
                                 "more until it connects afresh"));
        announce_gateway(self, clock_mono_us(), "gateway/cut",
                         "a client takes no replies, or asks without end", span_str(""), 0);
    }
    self->stats.count[STAT_CLIENTS_CUT] = view.cut;
}

void replies_partial(struct server *self, int64_t id, struct span packed)
{
    struct client_parcel parcel;
    void *at = NULL;

    while (clients_listener(self->clients, id, &at, &parcel)) {
        parcel.packed = packed;
        if (send_parcel(self, &parcel, true) != 0)
            self->stats.count[STAT_PARTIALS_LOST]++;
    }
}
