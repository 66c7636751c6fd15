#include "adapters/worker/desk.h"

#include "gateway/log.h"
#include "proto/buffer.h"
#include "proto/jtext.h"

static void send_final(struct desk *self, struct span token, struct span body, int64_t now_us)
{
    int code = link_final(self->link, token, body, now_us);
    if (code == 0)
        return;
    log_event(LOG_INFO, "kept", LOG_STR("worker", self->name),
              LOG_STR("say", "the gateway is away; the answer is sent when it is back"));
    if (code < 0)
        log_event(LOG_WARN, "dropped", LOG_STR("worker", self->name), LOG_INT("answers", 1),
                  LOG_STR("say", "too many answers are kept; the oldest was thrown away"));
}

static void send_outcome(struct desk *self, struct span token, int64_t id,
                         enum desk_outcome outcome, const char *reason, int64_t now_us)
{
    bool failed = outcome == DESK_FAILED;
    struct buffer body;
    buffer_init(&body);
    buffer_byte(&body, '{');
    jtext_member(&body, "type", span_str(failed ? "error" : "return"));
    jtext_member(&body, "error", span_str(reason));
    if (failed)
        jtext_member_raw(&body, "retry", span_str("true"));
    buffer_byte(&body, '}');
    log_event(failed ? LOG_WARN : LOG_INFO, failed ? "failed" : "returned",
              LOG_STR("worker", self->name), LOG_INT("id", id), LOG_STR("error", reason));
    send_final(self, token, buffer_span(&body), now_us);
    buffer_done(&body);
}

void desk_answer(struct desk *self, struct flight *flight, struct span text, int64_t now_us)
{
    log_event(LOG_INFO, "answered", LOG_STR("worker", self->name), LOG_INT("id", flight->id),
              LOG_US("took", now_us - flight->since_us));
    send_final(self, flight->query.token, text, now_us);
    flights_remove(&self->flights, flight);
}

void desk_end(struct desk *self, struct flight *flight, enum desk_outcome outcome,
              const char *reason, int64_t now_us)
{
    send_outcome(self, flight->query.token, flight->id, outcome, reason, now_us);
    flights_remove(&self->flights, flight);
}

void desk_clear(struct desk *self, enum desk_outcome outcome, const char *reason, int64_t now_us)
{
    while (self->flights.count > 0) {
        struct flight *flight = &self->flights.flight[0];
        desk_end(self, flight, flight->offered ? outcome : DESK_RETURNED, reason, now_us);
    }
}

void desk_refuse(struct desk *self, struct span token, int64_t now_us)
{
    send_outcome(self, token, 0, DESK_RETURNED, "the worker has no free slot", now_us);
}
