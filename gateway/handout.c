#include "gateway/core.h"

/* Nothing may be handed over, whoever is free and whatever waits. */
static bool stands_still(const struct dispatch *self)
{
    return self->draining || self->paused;
}

bool handout_has_room(const struct dispatch *self)
{
    return !self->full && inflight_outstanding(self->inflight) < self->config.queue;
}

static bool may_deliver(struct dispatch *self)
{
    if (stands_still(self) || self->busy.place)
        return false;
    if (handout_has_room(self))
        return true;
    self->stopped = true; /* until everybody has been looked at again: handout_all() */
    return false;
}

/* SERVICE has something that may go out (D5). */
static bool gives(const struct dispatch *self, const struct service *service)
{
    return pending_gives(service) && service->backing_off < self->config.queue;
}

struct lease_times handout_times(const struct service *service, const struct worker *worker,
                                 int64_t now_us)
{
    const struct rules *rules = service->rules;
    struct lease_times times = {
        .now_us = now_us,
        .end_us = now_us + rules->lease_us,
        .deadline_us = now_us + rules->attempt_max_us,
        .hard_us = now_us + rules->attempt_hard_max_us,
    };

    if (times.hard_us < times.deadline_us)
        times.deadline_us = times.hard_us;
    if (worker->options.heartbeats)
        times.end_us = times.deadline_us;
    return times;
}

/* The flight for what pending gave out. */
static struct flight *board(struct dispatch *self, struct service *service,
                            const struct waiting *query)
{
    struct flight *flight = inflight_find(self->inflight, query->id);

    if (!flight) {
        pending_hold_again(service);
        flight =
            inflight_add(self->inflight, query->id, service, query->conversation, query->seen_us);
    }
    flight->single = query->single;
    return flight;
}

/* Has FLIGHT, which is leased, sent to its worker. */
static void send(struct dispatch *self, const struct flight *flight)
{
    struct worker *worker = flight->lease->worker;
    struct action *action = actions_add_flight(self->actions, ACTION_DELIVER, flight, worker);

    action->deadline_us = flight->lease->deadline_us;
}

/* Has FLIGHT's row claimed before it is sent (D7); nothing runs out meanwhile. */
static void claim(struct dispatch *self, struct flight *flight)
{
    struct worker *worker = flight->lease->worker;
    struct action *action;

    flight->lease->deadline_us = flight->lease->hard_us = INT64_MAX;
    inflight_renew(self->inflight, flight->lease, INT64_MAX);
    if (flight->claiming)
        return; /* for another worker, which was lost meanwhile */
    flight->claiming = flight->recorded = true;
    action = actions_add_flight(self->actions, ACTION_CLAIM, flight, worker);
    if (!worker->options.heartbeats)
        action->due_us = flight->leased_us + flight->service->rules->lease_us;
    flight->lease->recorded_us = action->due_us;
}

/* FLIGHT's lease begins: its row is claimed. */
static void send_claimed(struct dispatch *self, int64_t now_us, struct flight *flight)
{
    struct lease_times times = handout_times(flight->service, flight->lease->worker, now_us);

    flight->leased_us = now_us;
    flight->lease->deadline_us = times.deadline_us;
    flight->lease->hard_us = times.hard_us;
    inflight_renew(self->inflight, flight->lease, times.end_us);
    send(self, flight);
}

/* FLIGHT does not go to its worker, which is free again. */
static void withdraw(struct dispatch *self, struct flight *flight)
{
    struct worker *worker = flight->lease->worker;

    inflight_end_lease(self->inflight, flight->lease);
    workers_used(self->workers, worker);
}

void handout_claimed(struct dispatch *self, int64_t now_us, const struct event *event)
{
    struct flight *flight = inflight_find(self->inflight, event->claimed.id);

    if (!flight || !flight->claiming)
        return;
    flight->claiming = false;
    flight->claimed = event->claimed.ours;
    if (flight->state == FLIGHT_LEASED && flight->lease->sent)
        return; /* a worker that had it before the restart has taken it up again */
    if (flight->state == FLIGHT_LEASED && flight->claimed) {
        if (stands_still(self) || flight->service->paused) {
            withdraw(self, flight);
            failures_take_back(self, flight);
        } else {
            send_claimed(self, now_us, flight);
        }
        return;
    }
    if (flight->claimed || flight->state == FLIGHT_COMMITTING)
        return;
    if (flight->state == FLIGHT_LEASED)
        withdraw(self, flight);
    pending_remove(self->pending, flight->id, NULL, NULL);
    dispatch_forget(self, flight);
    self->stopped = true; /* its worker is free, and its conversation */
}

/* Gives the next query of SERVICE to whom it is best given; somebody is free for it. */
static void deliver(struct dispatch *self, int64_t now_us, struct service *service)
{
    struct waiting query;
    struct worker *worker;
    struct flight *flight;
    struct lease_times times;

    if (!pending_take(self->pending, service, &query))
        return;
    flight = board(self, service, &query);
    worker = workers_pick(self->workers, service, query.conversation);
    times = handout_times(service, worker, now_us);
    flight->attempt++;
    inflight_lease(self->inflight, flight, worker, flight->attempt, &times);
    workers_used(self->workers, worker);
    workers_chose(self->workers, worker, query.conversation);
    worker->sent_us = now_us;
    if (flight->claimed || !self->config.claim)
        send(self, flight);
    else
        claim(self, flight);
}

void handout_service(struct dispatch *self, int64_t now_us, struct service *service)
{
    pending_hold_again(service); /* it may lose its last query here */
    while (gives(self, service) && workers_free(self->workers, service) && may_deliver(self))
        deliver(self, now_us, service);
    pending_release(self->pending, service);
}

/* One query for each service in turn, as long as somebody is free: none of them takes all the room
 * that has come free. ALL: only workers for all services count, so the ring ends with them. */
static void serve_in_turn(struct dispatch *self, int64_t now_us, bool all)
{
    const struct service *in_vain = NULL; /* the first that found nobody since the last delivery */
    struct service *service;

    while ((!all || workers_any_idle(self->workers)) && may_deliver(self) &&
           (service = pending_turn(self->pending)) && service != in_vain) {
        if (gives(self, service) && workers_free(self->workers, service)) {
            pending_hold_again(service);
            deliver(self, now_us, service);
            pending_release(self->pending, service);
            in_vain = NULL;
        } else if (!in_vain) {
            in_vain = service;
        }
    }
}

void handout_all(struct dispatch *self, int64_t now_us)
{
    self->stopped = false;
    serve_in_turn(self, now_us, false);
}

void handout_worker(struct dispatch *self, int64_t now_us, const struct worker *worker)
{
    if (worker->service)
        handout_service(self, now_us, worker->service);
    else
        serve_in_turn(self, now_us, true);
}
