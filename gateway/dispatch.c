#include "gateway/core.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/buffer.h"

#define SERVICE_DEFAULT "default"

struct dispatch *dispatch_new(const struct dispatch_config *config)
{
    struct dispatch *self = memory_zero(1, sizeof *self);

    self->config = *config;
    self->random = config->seed * 2 + 1;
    timers_init(&self->timers);
    self->pending = pending_new(config->seed, config->rulebook);
    self->workers = workers_new(config->seed, config->beat_us, &self->timers, self->pending);
    self->inflight = inflight_new(config->seed, &self->timers);
    self->actions = actions_new();
    self->fallback = pending_hold(self->pending, span_str(SERVICE_DEFAULT));
    self->busy.kind = TIMER_PAUSE;
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

struct service *dispatch_service(struct dispatch *self, struct span name)
{
    struct service *service = pending_hold(self->pending, name);

    if (service)
        return service;
    pending_hold_again(self->fallback);
    return self->fallback;
}

void dispatch_engage(struct dispatch *self, struct flight *flight)
{
    if (!flight->single)
        flight->single = pending_engage(self->pending, flight->service, flight->conversation);
}

void dispatch_forget(struct dispatch *self, struct flight *flight)
{
    if (flight->single)
        pending_free(self->pending, flight->service, flight->conversation);
    pending_release(self->pending, inflight_remove(self->inflight, flight));
}

static void on_query(struct dispatch *self, int64_t now_us, const struct event *event)
{
    const struct waiting query = {
        .id = event->query.id,
        .seen_us = now_us,
        .conversation = pending_conversation(self->pending, event->query.conversation_id)};
    struct service *service;

    if (inflight_find(self->inflight, query.id))
        return;
    service = dispatch_service(self, event->query.service);
    pending_append(self->pending, service, &query);
    handout_service(self, now_us, service);
    pending_release(self->pending, service);
}

/* WORKER, as EVENT says it is from now on; NULL: there is no room for that, and it is gone. */
static struct worker *register_again(struct dispatch *self, int64_t now_us,
                                     const struct event *event, struct worker *worker)
{
    static const char reason[] = "registered again";
    struct action *left;

    holds_part(self, now_us, event, worker, reason);
    left = actions_add_worker(self->actions, ACTION_LEFT, worker);
    snprintf(left->reason, sizeof left->reason, "%s", reason);
    if (workers_again(self->workers, now_us, worker, event->ready.protocol, event->ready.envelope,
                      event->ready.service, event->ready.options))
        return worker;
    while (worker->leases)
        failures_drop(self, now_us, worker->leases, reason);
    workers_remove(self->workers, now_us, worker);
    return NULL;
}

static void on_ready(struct dispatch *self, int64_t now_us, const struct event *event)
{
    struct worker *worker = workers_find(self->workers, event->ready.peer);

    worker = worker
                 ? register_again(self, now_us, event, worker)
                 : workers_add(self->workers, now_us, event->ready.peer, event->ready.protocol,
                               event->ready.envelope, event->ready.service, event->ready.options);
    if (!worker) {
        struct action *action = actions_add(self->actions, ACTION_REFUSED);
        action->refusal = REFUSED_FULL;
        action->peer = *event->ready.peer;
        action->protocol = event->ready.protocol;
        return;
    }
    worker->pid = event->ready.pid;
    if (event->ready.verified)
        worker->verified = *event->ready.verified;
    actions_add_worker(self->actions, ACTION_JOINED, worker);
    holds_adopt(self, now_us, event, worker);
    handout_worker(self, now_us, worker);
}

static void on_committed(struct dispatch *self, int64_t now_us, const struct event *event)
{
    struct flight *flight = inflight_find(self->inflight, event->committed.id);
    struct service *service;

    assert(flight && flight->state == FLIGHT_COMMITTING);
    if (!flight->single || self->stopped) { /* then each service gets its turn (D5) */
        dispatch_forget(self, flight);
        return;
    }
    service = flight->service; /* a conversation of its may have waited for this */
    pending_hold_again(service);
    dispatch_forget(self, flight);
    handout_service(self, now_us, service);
    pending_release(self->pending, service);
}

/* It waits for nobody any more; in a worker's hands it ends when that is known to the file. */
static void on_ended(struct dispatch *self, const struct event *event)
{
    struct flight *flight = inflight_find(self->inflight, event->ended.id);

    if (flight && (flight->state == FLIGHT_LEASED || flight->state == FLIGHT_COMMITTING))
        return;
    pending_remove(self->pending, event->ended.id, NULL, NULL);
    if (!flight)
        return;
    dispatch_forget(self, flight);
    self->stopped = true; /* its conversation, or its service (D5), may have waited for this */
}

static void on_pause(struct dispatch *self, int64_t now_us, const struct event *event)
{
    bool on = event->pause.on;
    struct service *service;

    if (event->pause.service.size == 0) {
        self->paused = on;
    } else {
        service = pending_hold(self->pending, event->pause.service);
        if (!service) { /* none to pause; the fallback is not to suffer for it */
            actions_add(self->actions, ACTION_REFUSED)->refusal = REFUSED_FULL;
            return;
        }
        if (on && !service->paused)
            pending_hold_again(service); /* as long as it is paused */
        else if (!on && service->paused)
            pending_release(self->pending, service);
        pending_pause(self->pending, service, on);
        pending_release(self->pending, service);
    }
    if (!on)
        handout_all(self, now_us);
}

/* Silence is judged by what has been read: a heartbeat may wait at a door that we have not got to.
 */
static void on_worker_timer(struct dispatch *self, int64_t now_us, int64_t heard_until_us,
                            struct worker *worker)
{
    if (workers_silent_from(self->workers, worker) <= heard_until_us) {
        failures_lose(self, now_us, worker, "no heartbeat", true);
        return;
    }
    if (now_us - worker->sent_us >= workers_beat(self->workers, worker)) {
        worker->sent_us = now_us;
        actions_add_worker(self->actions, ACTION_HEARTBEAT, worker);
    }
    workers_rearm(self->workers, worker, now_us);
}

static void on_flight_timer(struct dispatch *self, int64_t now_us, struct flight *flight,
                            enum core_timer kind)
{
    if (kind == TIMER_HOLD)
        holds_expire(self, now_us, flight);
    else if (kind == TIMER_BACKOFF)
        failures_resume(self, now_us, flight);
    else
        attempts_record(self, flight);
}

static void on_tick(struct dispatch *self, int64_t now_us, const struct event *event)
{
    struct timer *timer;

    while ((timer = timers_take(&self->timers, now_us))) {
        switch ((enum core_timer)timer->kind) {
        case TIMER_WORKER:
            on_worker_timer(self, now_us, event->tick.heard_until_us,
                            table_owner(timer, struct worker, timer));
            break;
        case TIMER_LEASE:
            failures_expire(self, now_us, table_owner(timer, struct lease, timer));
            break;
        case TIMER_HOLD:
        case TIMER_BACKOFF:
        case TIMER_RECORD:
            on_flight_timer(self, now_us, table_owner(timer, struct flight, timer),
                            (enum core_timer)timer->kind);
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
    if (event->heartbeat.resized) {
        worker->options.slots = event->heartbeat.slots;
        workers_used(self->workers, worker);
    }
    if (worker->idle)
        handout_worker(self, now_us, worker);
}

static void on_disconnect(struct dispatch *self, int64_t now_us, const struct event *event)
{
    struct worker *worker = workers_find(self->workers, event->disconnect.peer);

    if (worker)
        failures_lose(self, now_us, worker, event->disconnect.reason, false);
}

static void feed(struct dispatch *self, int64_t now_us, const struct event *event)
{
    switch (event->kind) {
    case EVENT_QUERY:
        on_query(self, now_us, event);
        break;
    case EVENT_RESTORE:
        holds_restore(self, now_us, event);
        break;
    case EVENT_RELEASE:
        holds_release(self, now_us, event);
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
        attempts_delivered(self, now_us, event);
        break;
    case EVENT_UNDELIVERABLE:
        attempts_undeliverable(self, now_us, event);
        break;
    case EVENT_CLAIMED:
        handout_claimed(self, now_us, event);
        break;
    case EVENT_RECORDED:
        failures_recorded(self, now_us, event);
        break;
    case EVENT_COMMITTED:
        on_committed(self, now_us, event);
        break;
    case EVENT_ENDED:
        on_ended(self, event);
        break;
    case EVENT_WITHDRAW:
        withdraw_waiting(self, now_us, event);
        break;
    case EVENT_TICK:
        on_tick(self, now_us, event);
        break;
    case EVENT_PAUSE:
        on_pause(self, now_us, event);
        break;
    case EVENT_FULL:
        self->full = event->full.on;
        break;
    case EVENT_DRAIN:
        self->draining = true;
        break;
    }
}

void dispatch_feed(struct dispatch *self, int64_t now_us, const struct event *event)
{
    feed(self, now_us, event);
    if (self->stopped && handout_has_room(self))
        handout_all(self, now_us);
}

void dispatch_rules(struct dispatch *self, const struct rulebook *rulebook)
{
    self->config.rulebook = rulebook;
    pending_rules(self->pending, rulebook);
    self->stopped = true; /* more may go out by them: the next dispatch_feed() looks */
}

bool dispatch_want(const struct dispatch *self, struct refill *ret_refill)
{
    const struct service *service = pending_want(self->pending);

    if (!service)
        return false;
    memcpy(ret_refill->service, service->name, sizeof ret_refill->service);
    ret_refill->from = service->more_from;
    return true;
}

bool dispatch_refill(struct dispatch *self, int64_t now_us, const struct event *query)
{
    const struct waiting waiting = {
        .id = query->query.id,
        .seen_us = now_us,
        .conversation = pending_conversation(self->pending, query->query.conversation_id)};
    struct service *service;
    bool fits;

    if (inflight_find(self->inflight, waiting.id))
        return true;
    service = dispatch_service(self, query->query.service);
    fits = pending_refill(self->pending, service, &waiting);
    pending_release(self->pending, service);
    return fits;
}

/* As dispatch_service(), but NULL where that would make one. */
static const struct service *find_service(const struct dispatch *self, struct span name)
{
    const struct service *service = pending_find(self->pending, name);

    return !service && pending_is_full(self->pending) ? self->fallback : service;
}

bool dispatch_is_under(const struct dispatch *self, struct span name, struct span wanted)
{
    const struct service *service = find_service(self, name);

    return service ? span_is(wanted, service->name) : span_equal(wanted, name);
}

bool dispatch_is_beyond(const struct dispatch *self, struct span name, int64_t id)
{
    const struct service *service = find_service(self, name);

    return service && service->more_from && id >= service->more_from;
}

bool dispatch_serves(const struct dispatch *self, struct span name)
{
    return workers_serve(self->workers, find_service(self, name));
}

int64_t dispatch_unserved_since(const struct dispatch *self, struct span name)
{
    const struct service *service = find_service(self, name);

    return workers_serve(self->workers, service) ? INT64_MAX : workers_left(self->workers, service);
}

void dispatch_refilled(struct dispatch *self, int64_t now_us, struct span name, int64_t more_from)
{
    struct service *service = dispatch_service(self, name);

    pending_refilled(self->pending, service, more_from);
    handout_service(self, now_us, service);
    pending_release(self->pending, service);
}

enum dispatch_place dispatch_where(const struct dispatch *self, int64_t id, bool *ret_claimed)
{
    const struct flight *flight = inflight_find(self->inflight, id);

    if (ret_claimed)
        *ret_claimed = flight && (flight->claimed || flight->claiming);
    if (!flight)
        return pending_waits(self->pending, id) ? PLACE_WAITS : PLACE_UNKNOWN;
    if (flight->state == FLIGHT_LEASED)
        return PLACE_LEASED;
    return flight->state == FLIGHT_COMMITTING ? PLACE_COMMITTING : PLACE_WAITS;
}

bool dispatch_live(const struct dispatch *self, int64_t id, struct dispatch_live *ret_live)
{
    const struct flight *flight = inflight_find(self->inflight, id);

    if (!flight || !flight->lease)
        return false;
    memcpy(ret_live->worker, flight->lease->worker->options.name, sizeof ret_live->worker);
    ret_live->attempt = flight->attempt;
    ret_live->since_us = flight->leased_us;
    ret_live->deadline_us = flight->lease->deadline_us;
    return true;
}

bool dispatch_paused(const struct dispatch *self)
{
    return self->paused;
}

size_t dispatch_held(const struct dispatch *self)
{
    return inflight_held(self->inflight);
}

bool dispatch_holds(const struct dispatch *self, int64_t id)
{
    const struct flight *flight = inflight_find(self->inflight, id);

    return flight && flight->state == FLIGHT_HELD;
}

const struct action *dispatch_take(struct dispatch *self)
{
    return actions_take(self->actions);
}

bool dispatch_awaits(const struct dispatch *self, const struct action *deliver)
{
    return attempts_await(self, deliver);
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
    return inflight_backing_off(self->inflight);
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
