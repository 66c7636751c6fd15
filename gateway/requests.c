/* What clients ask, on its way into the file.
 *
 *   frames ─▶ requests_hear() ─▶ a built-in service, or
 *                                JOB_ASK ─▶ COMMIT ─▶ replies_made() ─▶ (a query as any other)
 *   the query's end ─▶ COMMIT ─▶ replies_end() ─▶ clients.h keeps the order ─▶ replies_send()
 *
 * Nothing is told to a client before the COMMIT that it is about has returned (I3). */
#include "gateway/ask_job.h"
#include "gateway/builtin.h"
#include "proto/jtext.h"
#include "proto/pack.h"

void requests_error(const char *error, struct buffer *ret_packed)
{
    struct buffer json;
    struct span frame;

    buffer_init(&json);
    buffer_text(&json, "{");
    jtext_member(&json, "type", span_str("error"));
    jtext_member(&json, "error", span_str(error));
    buffer_text(&json, "}");
    frame = buffer_span(&json);
    pack_write(&frame, 1, ret_packed);
    buffer_done(&json);
}

static struct client_request request_of(const struct asking *asking)
{
    return (struct client_request){.peer = asking->peer,
                                   .protocol = asking->protocol,
                                   .envelope = asking->envelope,
                                   .service = asking->service};
}

/* Notes that a request came to nothing. */
static void note_ignored(struct server *self)
{
    self->stats.count[STAT_CLIENTS_REFUSED]++;
}

uint64_t requests_expect(struct server *self, const struct asking *asking)
{
    const struct client_request request = request_of(asking);
    uint64_t number = clients_hear(self->clients, &request);

    if (!number)
        note_ignored(self);
    return number;
}

void requests_reply(struct server *self, const struct asking *asking, struct span packed)
{
    uint64_t number = requests_expect(self, asking);

    if (number)
        clients_reply(self->clients, number, 0, packed);
}

void requests_refuse(struct server *self, uint64_t number, bool ticket, const char *error)
{
    const struct span frame[] = {span_str("500"), span_str(error)};
    struct buffer packed;

    note_ignored(self);
    buffer_init(&packed);
    if (ticket)
        pack_write(frame, 2, &packed);
    else
        requests_error(error, &packed);
    clients_reply(self->clients, number, 0, buffer_span(&packed));
    buffer_done(&packed);
}

static void refuse(struct server *self, const struct asking *asking, bool ticket, const char *error)
{
    uint64_t number = requests_expect(self, asking);

    if (number)
        requests_refuse(self, number, ticket, error);
}

/* Why ASKING cannot be a query; NULL: it can. */
static const char *objection(struct server *self, const struct asking *asking)
{
    if (!message_service_ok(asking->target) || span_is(asking->target, SERVICE_ALL))
        return "that is not the name of a service";
    if (asking->body_count == 0)
        return "a request has a body";
    if (asking->body_count > LIMIT_BODY_FRAMES)
        return "the request has too many frames";
    if (pack_bytes(asking->body, asking->body_count) > LIMIT_REQUEST_SIZE)
        return "the request is too large";
    if (committer_queued(self->committer) >= (size_t)self->config.commit_queue)
        return "the database takes nothing just now: try again later";
    return NULL;
}

/* Has the row of request NUMBER made, or (LOOK, as in clients_take()) found: what was delivered is
 * noted before that. Where the backlog is skipped, nobody answers what the file has. */
static void have_made(struct server *self, struct job *job_take, uint64_t number, bool look)
{
    if (look)
        replies_flush(self);
    job_take->request = number;
    job_take->ask->fresh = !look || self->skip_to > 0;
    committer_submit(self->committer, job_take);
}

void requests_ask(struct server *self, int64_t now_us, const struct asking *asking,
                  struct span ticket)
{
    const struct client_request request = request_of(asking);
    const char *error = objection(self, asking);
    struct job *job = NULL;
    uint64_t number = 0;
    bool look = false;

    if (!error)
        error = ask_job_new(self, asking, ticket, &job);
    if (error) {
        refuse(self, asking, ticket.size > 0, error);
        return;
    }
    switch (clients_take(self->clients, now_us, &request, job->ask->digest, ticket.size > 0, job,
                         ask_job_bytes(job), &number, &look)) {
    case CLIENTS_MAKE:
        have_made(self, job, number, look);
        return;
    case CLIENTS_LATER:
        return;
    case CLIENTS_ATTACHED:
        break;
    case CLIENTS_FULL:
        requests_refuse(self, number, ticket.size > 0,
                        "too much is asked at once: try again later");
        break;
    case CLIENTS_IGNORED:
        note_ignored(self);
        break;
    }
    job_destroy(&job);
}

/* Its key may not ask that. */
static void refuse_key(struct server *self, const struct asking *asking, const char *error)
{
    struct buffer packed;

    if (!span_starts(asking->service, "tailgate.")) {
        refuse(self, asking, span_starts(asking->service, "titanic."), error);
        return;
    }
    note_ignored(self);
    buffer_init(&packed);
    builtin_error("forbidden", error, &packed);
    requests_reply(self, asking, buffer_span(&packed));
    buffer_done(&packed);
}

/* Why whoever asks may not, where that depends on a key; NULL: it may. */
static const char *not_allowed(struct server *self, int64_t now_us, const struct asking *asking)
{
    struct span service = asking->service;
    enum right right = RIGHT_ASK;

    if (span_starts(service, "mmi."))
        right = RIGHT_LOOK;
    else if (span_starts(service, "tailgate."))
        right = builtin_right(service);
    else if (span_is(service, "titanic.request"))
        service = builtin_word(asking);
    if (builtin_is_name(service)) /* what it may ask, the service itself looks at */
        service = span_str("");
    return door_object(self, now_us, asking->peer, right, service);
}

bool requests_hear(struct server *self, int64_t now_us, const struct asking *asking)
{
    const char *error = not_allowed(self, now_us, asking);
    struct buffer packed;
    enum builtin builtin;

    if (error) {
        refuse_key(self, asking, error);
        return true;
    }
    if (!builtin_is_name(asking->service)) {
        requests_ask(self, now_us, asking, span_str(""));
        return true;
    }
    buffer_init(&packed);
    builtin = builtin_ask(self, now_us, asking, &packed);
    if (builtin == BUILTIN_ANSWERED)
        requests_reply(self, asking, buffer_span(&packed));
    buffer_done(&packed);
    return builtin != BUILTIN_BUSY;
}

/* Nobody came for it in service.expire: its asker hears so, unless somebody serves it, or did a
 * moment ago: workers are restarted. */
static void give_up(struct server *self, int64_t now_us)
{
    struct event event = {.kind = EVENT_WITHDRAW};
    const char *service;
    int64_t id;

    while (clients_overdue(self->clients, &id, &service)) {
        if (dispatch_unserved_since(self->dispatch, span_str(service)) >
            now_us - self->config.service_expire_us)
            continue;
        event.withdraw.id = id;
        event.withdraw.dead = true;
        event.withdraw.reason = "nobody serves this service: no worker came within service.expire";
        carry_event(self, now_us, &event);
    }
}

int64_t requests_due(const struct server *self)
{
    int64_t due_us = clients_due(self->clients);

    return self->delivered_count && self->delivered_us < due_us ? self->delivered_us : due_us;
}

void requests_run(struct server *self, int64_t now_us)
{
    struct clients_view view;
    uint64_t number;
    bool look;
    void *cargo;

    clients_tick(self->clients, now_us);
    give_up(self, now_us);
    replies_send(self, now_us);
    while (clients_next(self->clients, now_us, &number, &cargo, &look))
        have_made(self, cargo, number, look);
    if (self->delivered_count && (now_us >= self->delivered_us || self->draining))
        replies_flush(self);
    replies_lost(self);
    clients_look(self->clients, &view);
    self->stats.count[STAT_COALESCED] = view.attached + self->attached_in_file;
}

static void discard(void *cargo)
{
    struct job *job = cargo;

    job_destroy(&job);
}

static struct clients_limits limits_of(const struct config *config)
{
    return (struct clients_limits){.window = (size_t)config->client_window,
                                   .coalesce_us = config->client_coalesce_us,
                                   .expire_us = config->service_expire_us};
}

void requests_init(struct server *self, uint64_t seed, int64_t now_us)
{
    const struct clients_limits limits = limits_of(&self->config);

    self->clients = clients_new(seed, now_us, &limits, discard);
}

void requests_limits(struct server *self)
{
    const struct clients_limits limits = limits_of(&self->config);

    clients_limit(self->clients, &limits);
}
