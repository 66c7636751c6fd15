#include "gateway/core.h"

static bool may_deliver(struct dispatch *self)
{
    if (self->draining || self->pause.place)
        return false;
    if (inflight_outstanding(self->inflight) < self->config.queue)
        return true;
    self->stopped = true; /* until everybody has been looked at again: handout_all() */
    return false;
}

/* The flight for what pending gave out, ready for its next attempt; NULL when it is settled
 * already. */
static struct flight *board(struct dispatch *self, struct service *service,
                            const struct waiting *query)
{
    struct flight *flight = inflight_find(self->inflight, query->id);

    if (!flight) {
        pending_hold_again(service);
        return inflight_add(self->inflight, query->id, service, query->conversation,
                            query->seen_us);
    }
    flight->queued = false;
    if (flight->state == FLIGHT_SETTLED)
        pending_release(self->pending, inflight_remove(self->inflight, flight));
    else if (flight->state == FLIGHT_QUEUED)
        return flight;
    return NULL;
}

/* Gives the next query of SERVICE to WORKER. */
static void deliver(struct dispatch *self, int64_t now_us, struct service *service,
                    struct worker *worker)
{
    const struct dispatch_config *config = &self->config;
    struct waiting query;
    struct flight *flight = NULL;

    pending_hold_again(service); /* it may lose its last query here */
    if (pending_take(self->pending, service, &query))
        flight = board(self, service, &query);
    if (flight) {
        int64_t deadline_us = now_us + config->attempt_max_us;
        int64_t end_us = worker->options.heartbeats ? deadline_us : now_us + config->lease_us;
        struct action *action;

        inflight_lease(self->inflight, flight, worker, now_us, end_us, deadline_us);
        workers_used(self->workers, worker);
        worker->sent_us = now_us;
        action = actions_add_flight(self->actions, ACTION_DELIVER, flight, worker);
        action->deadline_us = deadline_us;
    }
    pending_release(self->pending, service);
}

void handout_service(struct dispatch *self, int64_t now_us, struct service *service)
{
    struct worker *worker;

    pending_hold_again(service);
    while (service->backlog > 0 && (worker = workers_next(self->workers, service)) &&
           may_deliver(self))
        deliver(self, now_us, service, worker);
    pending_release(self->pending, service);
}

/* Lets workers for all services take from the services in turn. */
static void serve_in_turn(struct dispatch *self, int64_t now_us)
{
    struct service *service;

    while (workers_any_idle(self->workers) && pending_backlog(self->pending) > 0 &&
           may_deliver(self)) {
        service = pending_turn(self->pending);
        deliver(self, now_us, service, workers_next(self->workers, service));
    }
}

/* One query for each service in turn: none of them takes all the room that has come free. */
void handout_all(struct dispatch *self, int64_t now_us)
{
    const struct service *in_vain = NULL; /* the first that found nobody since the last delivery */
    struct service *service;

    self->stopped = false;
    while (may_deliver(self) && (service = pending_turn(self->pending)) && service != in_vain) {
        struct worker *worker = workers_next(self->workers, service);
        if (worker) {
            deliver(self, now_us, service, worker);
            in_vain = NULL;
        } else if (!in_vain) {
            in_vain = service;
        }
    }
}

void handout_worker(struct dispatch *self, int64_t now_us, const struct worker *worker)
{
    if (worker->service)
        handout_service(self, now_us, worker->service);
    else
        serve_in_turn(self, now_us);
}
