/* The built-in services of the gate: how the gateway is looked at and steered. Who may connect to
 * the unix socket is the owner or the group of the database (place.h); what changes something is
 * for its owner, and root. Over TCP anybody on the host may ask, so only the status is told there.
 */
#include "gateway/builtin.h"

#include "gateway/log.h"
#include "gateway/sender.h"
#include "proto/jtext.h"
#include "proto/pack.h"

static void give(struct buffer *ret_packed, const struct buffer *json)
{
    const struct span frame = buffer_span(json);

    pack_write(&frame, 1, ret_packed);
}

/* What a control has done, and how things are now. */
static void give_done(struct server *self, const char *done, struct span service,
                      struct buffer *ret_packed)
{
    struct buffer json;

    buffer_init(&json);
    buffer_text(&json, "{\"type\":\"done\"");
    jtext_member(&json, "done", span_str(done));
    if (service.size)
        jtext_member(&json, "service", service);
    jtext_member_integer(&json, "in_flight", (int64_t)dispatch_outstanding(self->dispatch));
    buffer_byte(&json, '}');
    give(ret_packed, &json);
    buffer_done(&json);
}

static enum builtin on_status(struct server *self, int64_t now_us, const struct asking *asking,
                              struct buffer *ret_packed)
{
    const struct span frame = status_text(self, now_us);

    (void)asking;
    pack_write(&frame, 1, ret_packed);
    return BUILTIN_ANSWERED;
}

static enum builtin set_paused(struct server *self, int64_t now_us, const struct asking *asking,
                               bool on, struct buffer *ret_packed)
{
    struct event event = {.kind = EVENT_PAUSE};
    struct span service = builtin_word(asking);
    struct identity by;
    uint64_t refused = self->stats.count[STAT_REFUSED_FULL];

    if (service.size && (!message_service_ok(service) || span_is(service, SERVICE_ALL))) {
        requests_error("that is not the name of a service", ret_packed);
        return BUILTIN_ANSWERED;
    }
    event.pause.service = service;
    event.pause.on = on;
    deliveries_run(self, now_us); /* what was given out before it goes before it */
    carry_event(self, now_us, &event);
    buffer_reset(&self->status);
    if (self->stats.count[STAT_REFUSED_FULL] != refused) {
        requests_error("no room for another service: try again later", ret_packed);
        return BUILTIN_ANSWERED;
    }
    sender_identify(self, asking->peer, &by);
    announce_control(self, now_us, on ? "gateway/paused" : "gateway/resumed",
                     on ? "somebody has paused it" : "somebody has resumed it", &by,
                     service.size ? service : span_str(SERVICE_ALL));
    log_event(LOG_WARN, on ? "paused" : "resumed",
              LOG_SPAN("service", service.size ? service : span_str(SERVICE_ALL)),
              LOG_STR("say", on ? "nothing of it is dispatched until somebody resumes it"
                                : "queries are dispatched again"));
    give_done(self, on ? "pause" : "resume", service, ret_packed);
    return BUILTIN_ANSWERED;
}

static enum builtin on_pause(struct server *self, int64_t now_us, const struct asking *asking,
                             struct buffer *ret_packed)
{
    return set_paused(self, now_us, asking, true, ret_packed);
}

static enum builtin on_resume(struct server *self, int64_t now_us, const struct asking *asking,
                              struct buffer *ret_packed)
{
    return set_paused(self, now_us, asking, false, ret_packed);
}

static enum builtin on_drain(struct server *self, int64_t now_us, const struct asking *asking,
                             struct buffer *ret_packed)
{
    (void)asking;
    give_done(self, "drain", span_str(""), ret_packed);
    loop_drain(self, now_us, "tailgate drain");
    return BUILTIN_ANSWERED;
}

/* What `doctor` has parked is looked at now. */
static enum builtin on_rescan(struct server *self, int64_t now_us, const struct asking *asking,
                              struct buffer *ret_packed)
{
    (void)asking;
    self->upkeep.parked = true;
    self->upkeep.looked = 0;
    self->upkeep.look_us = now_us;
    give_done(self, "rescan", span_str(""), ret_packed);
    return BUILTIN_ANSWERED;
}

const struct builtin_service builtin_of_control[] = {
    {"tailgate.status", RIGHT_STATUS, false, on_status},
    {"tailgate.pause", RIGHT_CONTROL, true, on_pause},
    {"tailgate.resume", RIGHT_CONTROL, true, on_resume},
    {"tailgate.drain", RIGHT_CONTROL, true, on_drain},
    {"tailgate.rescan", RIGHT_CONTROL, true, on_rescan},
    {0},
};
