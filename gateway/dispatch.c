#include "gateway/core.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/buffer.h"

#define SERVICE_DEFAULT "default"

struct dispatch *dispatch_new(const struct dispatch_config *config)
{
    struct dispatch *self = memory_zero(1, sizeof *self);

    self->config = *config;
    self->random = config->seed * 2 + 1;
    timers_init(&self->timers);
    self->pending = pending_new(config->seed);
    self->workers = workers_new(config->seed, config->beat_us, &self->timers, self->pending);
    self->inflight = inflight_new(config->seed, &self->timers);
    self->actions = actions_new();
    self->fallback = pending_hold(self->pending, span_str(SERVICE_DEFAULT));
    self->pause.kind = TIMER_PAUSE;
    return self;
}

void dispatch_destroy(struct dispatch **self)
{
    struct dispatch *old = *self;
    struct worker *worker = NULL;

    if (!old)
        return;
    while ((worker = workers_walk(old->workers, worker)))
        while (worker->leases)
            inflight_end_lease(old->inflight, worker->leases);
    inflight_destroy(&old->inflight);
    workers_destroy(&old->workers);
    pending_destroy(&old->pending);
    actions_destroy(&old->actions);
    timers_done(&old->timers);
    free(old);
    *self = NULL;
}

static void on_query(struct dispatch *self, int64_t now_us, const struct event *event)
{
    struct flight *flight = inflight_find(self->inflight, event->query.id);
    struct service *service;
    struct waiting query;

    if (flight) { /* answered by its token before its row was seen */
        flight->queued = false;
        if (flight->state == FLIGHT_SETTLED)
            pending_release(self->pending, inflight_remove(self->inflight, flight));
        return;
    }
    query.id = event->query.id;
    query.seen_us = now_us;
    query.conversation = pending_conversation(self->pending, event->query.conversation_id);
    service = pending_hold(self->pending, event->query.service);
    if (!service) {
        service = self->fallback;
        pending_hold_again(service);
    }
    pending_append(self->pending, service, &query);
    handout_service(self, now_us, service);
    pending_release(self->pending, service);
}

static void on_ready(struct dispatch *self, int64_t now_us, const struct event *event)
{
    struct worker *worker = workers_find(self->workers, event->ready.peer);

    if (worker)
        attempts_lose(self, now_us, worker, "registered again", false);
    worker = workers_add(self->workers, now_us, event->ready.peer, event->ready.protocol,
                         event->ready.envelope, event->ready.service, event->ready.options);
    if (!worker) {
        struct action *action = actions_add(self->actions, ACTION_REFUSED);
        action->refusal = REFUSED_FULL;
        action->peer = *event->ready.peer;
        action->protocol = event->ready.protocol;
        return;
    }
    actions_add_worker(self->actions, ACTION_JOINED, worker);
    handout_worker(self, now_us, worker);
}

static void on_committed(struct dispatch *self, const struct event *event)
{
    struct flight *flight = inflight_find(self->inflight, event->committed.id);

    assert(flight && flight->state == FLIGHT_COMMITTING);
    if (flight->queued)
        inflight_state(self->inflight, flight, FLIGHT_SETTLED); /* F3 */
    else
        pending_release(self->pending, inflight_remove(self->inflight, flight));
}

/* Silence is judged by what has been read: a heartbeat may wait at a door that we have not got to.
 */
static void on_worker_timer(struct dispatch *self, int64_t now_us, int64_t heard_until_us,
                            struct worker *worker)
{
    if (workers_silent_from(self->workers, worker) <= heard_until_us) {
        attempts_lose(self, now_us, worker, "no heartbeat", true);
        return;
    }
    if (now_us - worker->sent_us >= workers_beat(self->workers, worker)) {
        worker->sent_us = now_us;
        actions_add_worker(self->actions, ACTION_HEARTBEAT, worker);
    }
    workers_rearm(self->workers, worker, now_us);
}

static void on_tick(struct dispatch *self, int64_t now_us, const struct event *event)
{
    struct timer *timer;

    while ((timer = timers_take(&self->timers, now_us))) {
        struct flight *flight;
        switch ((enum core_timer)timer->kind) {
        case TIMER_WORKER:
            on_worker_timer(self, now_us, event->tick.heard_until_us,
                            table_owner(timer, struct worker, timer));
            break;
        case TIMER_LEASE:
            attempts_expire(self, now_us, table_owner(timer, struct lease, timer));
            break;
        case TIMER_BACKOFF:
            flight = table_owner(timer, struct flight, timer);
            self->backing_off--;
            attempts_give_back(self, flight);
            handout_service(self, now_us, flight->service);
            break;
        case TIMER_PAUSE:
            handout_all(self, now_us);
            break;
        }
    }
}

static void on_heartbeat(struct dispatch *self, int64_t now_us, const struct event *event)
{
    struct worker *worker = workers_find(self->workers, event->heartbeat.peer);

    if (!worker)
        return;
    workers_heard(self->workers, worker, now_us);
    if (worker->idle)
        handout_worker(self, now_us, worker);
}

static void on_disconnect(struct dispatch *self, int64_t now_us, const struct event *event)
{
    struct worker *worker = workers_find(self->workers, event->disconnect.peer);

    if (worker)
        attempts_lose(self, now_us, worker, event->disconnect.reason, false);
}

void dispatch_feed(struct dispatch *self, int64_t now_us, const struct event *event)
{
    switch (event->kind) {
    case EVENT_QUERY:
        on_query(self, now_us, event);
        break;
    case EVENT_READY:
        on_ready(self, now_us, event);
        break;
    case EVENT_HEARTBEAT:
        on_heartbeat(self, now_us, event);
        break;
    case EVENT_DISCONNECT:
        on_disconnect(self, now_us, event);
        break;
    case EVENT_ANSWER:
        attempts_answer(self, now_us, event);
        break;
    case EVENT_PARTIAL:
        attempts_partial(self, now_us, event);
        break;
    case EVENT_DELIVERED:
        attempts_delivered(self, event);
        break;
    case EVENT_UNDELIVERABLE:
        attempts_undeliverable(self, now_us, event);
        break;
    case EVENT_COMMITTED:
        on_committed(self, event);
        break;
    case EVENT_TICK:
        on_tick(self, now_us, event);
        break;
    case EVENT_DRAIN:
        self->draining = true;
        break;
    }
    if (self->stopped && inflight_outstanding(self->inflight) < self->config.queue)
        handout_all(self, now_us);
}

const struct action *dispatch_take(struct dispatch *self)
{
    return actions_take(self->actions);
}

int64_t dispatch_next(const struct dispatch *self)
{
    return timers_next(&self->timers);
}

size_t dispatch_outstanding(const struct dispatch *self)
{
    return inflight_outstanding(self->inflight);
}

size_t dispatch_backing_off(const struct dispatch *self)
{
    return self->backing_off;
}

const struct worker *dispatch_worker(const struct dispatch *self, const struct peer *peer)
{
    return workers_find(self->workers, peer);
}

const struct workers *dispatch_workers(const struct dispatch *self)
{
    return self->workers;
}

const struct pending *dispatch_pending(const struct dispatch *self)
{
    return self->pending;
}

const char *refusal_name(enum refusal refusal)
{
    static const char *const name[REFUSALS] = {"forged", "duplicate", "past", "full"};
    return name[refusal];
}
