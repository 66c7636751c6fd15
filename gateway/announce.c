/* What observers are told besides rows and partials: what becomes of queries and workers, and of
 * the gateway itself. Each goes with a line of the log, and says why. */
#include "adapters/host/clock.h"
#include "gateway/server.h"

static struct event_member text(const char *name, const char *value)
{
    return (struct event_member){.name = name, .type = EVENT_TEXT, .text = span_str(value)};
}

static struct event_member number(const char *name, int64_t value)
{
    return (struct event_member){.name = name, .type = EVENT_NUMBER, .number = value};
}

/* WHO as JSON, in STORAGE, which the caller initialises and frees. */
static struct event_member identity(const char *name, const struct identity *who,
                                    struct buffer *storage)
{
    if (who->principal[0])
        identity_object(storage, span_str(who->principal), span_str(who->name));
    return (struct event_member){.name = name, .type = EVENT_JSON, .text = buffer_span(storage)};
}

static void tell(struct server *self, int64_t now_us, enum topic_kind kind, struct span about,
                 const char *name, const struct event_member *member, size_t count)
{
    publish_other(&self->publish, now_us, clock_utc_us(), kind, about, name, member, count);
}

/* Of a query, as far as it is known where it is told from. */
struct about_query {
    int64_t id;
    struct span conversation_id;
    const char *service, *worker, *why;
    uint32_t attempt, failed;
    int64_t pause_us;
    bool returned;
};

static void tell_retry(struct server *self, int64_t now_us, const struct about_query *query)
{
    const struct event_member member[] = {
        number("message_id", query->id),
        {"conversation_id", EVENT_TEXT, query->conversation_id, 0},
        text("service", query->service),
        text("worker", query->worker),
        number("attempt", query->attempt),
        number("failed", query->failed),
        {.name = "returned", .type = EVENT_FLAG, .number = query->returned},
        {.name = "pause", .type = EVENT_SECONDS, .number = query->pause_us},
        text("why", query->why),
    };

    tell(self, now_us, TOPIC_RETRY, query->conversation_id, "retry", member,
         sizeof member / sizeof member[0]);
}

void announce_failed(struct server *self, int64_t now_us, const struct job *job)
{
    int64_t pause_us = job->due_at_utc_us - clock_utc_us();
    const struct about_query query = {.id = job->id,
                                      .conversation_id = span_str(job->conversation_id),
                                      .service = job->service,
                                      .worker = job->worker,
                                      .why = job_reason(job),
                                      .attempt = job->attempt,
                                      .failed = job->failed,
                                      .pause_us = pause_us > 0 ? pause_us : 0};

    tell_retry(self, now_us, &query);
}

void announce_returned(struct server *self, int64_t now_us, const struct action *action)
{
    const struct answer_in_hand *hand = &self->in_hand;
    const struct about_query query = {.id = action->id,
                                      .conversation_id = (hand->loaded || hand->known) &&
                                                                 hand->row.id == action->id
                                                             ? hand->row.conversation_id
                                                             : span_str(""),
                                      .service = action->service,
                                      .worker = action->worker,
                                      .why = action->reason,
                                      .attempt = action->attempt,
                                      .failed = action->failed,
                                      .returned = true};

    tell_retry(self, now_us, &query);
}

void announce_end(struct server *self, int64_t now_us, enum topic_kind kind, const struct job *job,
                  const char *why)
{
    struct span conversation = span_str(job->conversation_id);
    struct event_member member[6] = {
        number("message_id", job->id),
        {"conversation_id", EVENT_TEXT, conversation, 0},
        text("service", job->service),
        text("why", why),
    };
    size_t count = 4;

    if (kind == TOPIC_DEAD) {
        member[count++] = text("worker", job->worker);
        member[count++] = number("attempts", job->attempt);
    }
    tell(self, now_us, kind, conversation, topic_name(kind), member, count);
}

void announce_worker(struct server *self, int64_t now_us, const struct action *action,
                     const char *change)
{
    const struct workers *workers = dispatch_workers(self->dispatch);
    struct buffer verified;
    buffer_init(&verified);
    struct event_member member[8] = {
        text("worker", action->worker),
        identity("verified", &action->verified, &verified),
        text("service", action->service),
        text("protocol", worker_protocol_name(action->protocol)),
        text("change", change),
        text("why", action->reason),
        number("workers", (int64_t)workers_count(workers)),
    };
    size_t count = 7;

    if (action->id)
        member[count++] = number("message_id", action->id);
    tell(self, now_us, TOPIC_WORKER, span_str(action->worker), "worker", member, count);
    buffer_done(&verified);
}

void announce_refused(struct server *self, int64_t now_us, const struct action *action)
{
    const struct event_member member[] = {
        number("message_id", action->id),
        number("attempt", action->attempt),
        text("worker", action->worker),
        text("why", refusal_name(action->refusal)),
    };

    tell(self, now_us, TOPIC_GATEWAY, span_str("refused"), "gateway/refused", member, 4);
}

void announce_undelivered(struct server *self, int64_t now_us, int64_t id, const char *conversation,
                          const char *service, const char *why)
{
    const struct event_member member[] = {
        number("message_id", id), text("conversation_id", conversation),
        text("service", service), text("principal", ""),
        text("why", why),
    };

    tell(self, now_us, TOPIC_GATEWAY, span_str("undelivered"), "gateway/undelivered", member, 5);
}

void announce_control(struct server *self, int64_t now_us, const char *name, const char *why,
                      const struct identity *by, struct span service)
{
    struct buffer json;
    buffer_init(&json);
    const struct event_member member[] = {
        text("why", why),
        identity("by", by, &json),
        {"service", EVENT_TEXT, service, 0},
    };

    tell(self, now_us, TOPIC_GATEWAY, span_str(name + strlen("gateway/")), name, member, 3);
    buffer_done(&json);
}

void announce_gateway(struct server *self, int64_t now_us, const char *name, const char *why,
                      struct span service, int64_t id)
{
    struct event_member member[3] = {text("why", why)};
    size_t count = 1;

    if (service.size)
        member[count++] = (struct event_member){"service", EVENT_TEXT, service, 0};
    if (id)
        member[count++] = number("message_id", id);
    tell(self, now_us, TOPIC_GATEWAY, span_str(name + strlen("gateway/")), name, member, count);
}
