#include "gateway/core.h"

/* FLIGHT waits, and what is written of it is on disk: it can be withdrawn (D9). */
static bool may_go(const struct flight *flight)
{
    bool waits = flight->state == FLIGHT_QUEUED || flight->state == FLIGHT_BACKOFF;

    return waits && flight->writing == 0 && !flight->claimed && !flight->claiming;
}

/* Takes query ID out of where it waits. Returns its flight, made when no worker has had it, or NULL
 * when it does not wait, or must go on waiting. */
static struct flight *take_out(struct dispatch *self, int64_t now_us, int64_t id)
{
    struct flight *flight = inflight_find(self->inflight, id);
    struct service *service;
    struct waiting query;

    if (flight && !may_go(flight))
        return NULL;
    if (flight) {
        pending_remove(self->pending, id, NULL, NULL);
        return flight;
    }
    if (!pending_remove(self->pending, id, &query, &service))
        return NULL;
    flight = inflight_add(self->inflight, id, service, query.conversation, query.seen_us);
    flight->leased_us = now_us;
    return flight;
}

void withdraw_waiting(struct dispatch *self, int64_t now_us, const struct event *event)
{
    struct flight *flight = take_out(self, now_us, event->withdraw.id);

    if (!flight)
        return;
    self->stopped |= flight->state == FLIGHT_BACKOFF; /* its service may have waited (D5) */
    dispatch_engage(self, flight);
    inflight_state(self->inflight, flight, FLIGHT_COMMITTING);
    if (event->withdraw.dead)
        inflight_reason(flight, span_str(event->withdraw.reason));
    actions_add_flight(self->actions, event->withdraw.dead ? ACTION_DEAD : ACTION_DROP, flight,
                       NULL);
}
