/* The built-in services of the gate. Who may connect to the unix socket is the owner or the group
 * of the database (place.h): they may change things. Over TCP anybody on the host may ask, so only
 * the status is told there. */
#include <signal.h>

#include "gateway/log.h"
#include "gateway/server.h"
#include "proto/jtext.h"

static void answer(struct server *self, const struct peer *peer, const struct envelope *envelope,
                   const struct buffer *json)
{
    struct span frame = buffer_span(json);

    carry_send(self, peer, envelope, &frame, 1);
}

/* What a control has done, and how things are now. */
static void answer_done(struct server *self, const struct peer *peer,
                        const struct envelope *envelope, const char *done, struct span service)
{
    struct buffer json;

    buffer_init(&json);
    buffer_text(&json, "{\"type\":\"done\"");
    jtext_member(&json, "done", span_str(done));
    if (service.size)
        jtext_member(&json, "service", service);
    jtext_member_integer(&json, "in_flight", (int64_t)dispatch_outstanding(self->dispatch));
    buffer_byte(&json, '}');
    answer(self, peer, envelope, &json);
    buffer_done(&json);
}

static void on_status(struct server *self, int64_t now_us, const struct peer *peer,
                      const struct envelope *envelope, struct span body)
{
    struct span frame = status_text(self, now_us);

    (void)body;
    carry_send(self, peer, envelope, &frame, 1);
}

static void set_paused(struct server *self, int64_t now_us, const struct peer *peer,
                       const struct envelope *envelope, struct span service, bool on)
{
    struct event event = {.kind = EVENT_PAUSE};
    uint64_t refused = self->stats.count[STAT_REFUSED_FULL];

    if (service.size && (!message_service_ok(service) || span_is(service, SERVICE_ALL))) {
        door_tell(self, peer, envelope, "that is not the name of a service");
        return;
    }
    event.pause.service = service;
    event.pause.on = on;
    carry_event(self, now_us, &event);
    buffer_reset(&self->status);
    if (self->stats.count[STAT_REFUSED_FULL] != refused) {
        door_tell(self, peer, envelope, "no room for another service: try again later");
        return;
    }
    log_event(LOG_WARN, on ? "paused" : "resumed",
              LOG_SPAN("service", service.size ? service : span_str(SERVICE_ALL)),
              LOG_STR("say", on ? "nothing of it is dispatched until somebody resumes it"
                                : "queries are dispatched again"));
    answer_done(self, peer, envelope, on ? "pause" : "resume", service);
}

static void on_pause(struct server *self, int64_t now_us, const struct peer *peer,
                     const struct envelope *envelope, struct span body)
{
    set_paused(self, now_us, peer, envelope, body, true);
}

static void on_resume(struct server *self, int64_t now_us, const struct peer *peer,
                      const struct envelope *envelope, struct span body)
{
    set_paused(self, now_us, peer, envelope, body, false);
}

static void on_drain(struct server *self, int64_t now_us, const struct peer *peer,
                     const struct envelope *envelope, struct span body)
{
    (void)body;
    answer_done(self, peer, envelope, "drain", span_str(""));
    loop_drain(self, now_us, "tailgate drain");
}

/* What `doctor` has parked is looked at now. */
static void on_rescan(struct server *self, int64_t now_us, const struct peer *peer,
                      const struct envelope *envelope, struct span body)
{
    (void)body;
    self->upkeep.parked = true;
    self->upkeep.looked = 0;
    self->upkeep.look_us = now_us;
    answer_done(self, peer, envelope, "rescan", span_str(""));
}

static const struct {
    const char *name;
    bool changes; /* something: for local peers only */
    void (*ask)(struct server *self, int64_t now_us, const struct peer *peer,
                const struct envelope *envelope, struct span body);
} services[] = {
    {"tailgate.status", false, on_status}, {"tailgate.pause", true, on_pause},
    {"tailgate.resume", true, on_resume},  {"tailgate.drain", true, on_drain},
    {"tailgate.rescan", true, on_rescan},
};

void control_ask(struct server *self, int64_t now_us, const struct peer *peer,
                 const struct envelope *envelope, struct span service, struct span body)
{
    struct gate_sender sender;

    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++) {
        if (!span_is(service, services[i].name))
            continue;
        gate_sender(self->gate, peer->door, &self->set, &sender);
        if (!services[i].changes || sender.local) {
            services[i].ask(self, now_us, peer, envelope, body);
            return;
        }
        self->stats.count[STAT_NOT_ALLOWED]++;
        door_tell(self, peer, envelope, "only through the gate's unix socket");
        return;
    }
    self->stats.count[STAT_UNSUPPORTED]++;
    door_tell(self, peer, envelope,
              "no such built-in service: tailgate.status, .pause, .resume, .drain and .rescan are "
              "there");
}
