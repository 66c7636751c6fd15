#include "gateway/core.h"

#include <stdlib.h>

#include "proto/buffer.h"

/* When FLIGHT's attempt is over in any case: nothing is held for ever. */
static int64_t last_of(const struct flight *flight)
{
    return flight->begun_us + flight->service->rules->attempt_hard_max_us;
}

static int64_t sooner(int64_t a_us, int64_t b_us)
{
    return a_us < b_us ? a_us : b_us;
}

/* FLIGHT's attempt began at BEGUN_US, perhaps before this run: its row was seen by then. */
static void began(struct flight *flight, int64_t begun_us)
{
    flight->leased_us = flight->begun_us = begun_us;
    if (begun_us < flight->seen_us)
        flight->seen_us = begun_us;
}

void holds_restore(struct dispatch *self, int64_t now_us, const struct event *event)
{
    struct flight *flight = inflight_find(self->inflight, event->restore.id);

    if (flight || pending_waits(self->pending, event->restore.id))
        return;
    flight = inflight_add(
        self->inflight, event->restore.id, dispatch_service(self, event->restore.service),
        pending_conversation(self->pending, event->restore.conversation_id), now_us);
    flight->attempt = event->restore.attempt;
    flight->failed = event->restore.failed;
    flight->claimed = event->restore.claimed;
    flight->recorded = true;
    dispatch_engage(self, flight);
    began(flight, event->restore.leased_us ? event->restore.leased_us : now_us);
    flight->pid = event->restore.pid;
    flight->worker = memory_text(event->restore.worker);
    if (event->restore.reason.size)
        inflight_reason(flight, event->restore.reason);
    inflight_state(self->inflight, flight, event->restore.leased ? FLIGHT_HELD : FLIGHT_BACKOFF);
    if (event->restore.leased)
        inflight_arm(self->inflight, flight, TIMER_HOLD,
                     sooner(event->restore.until_us, last_of(flight)));
    else
        inflight_arm(self->inflight, flight, TIMER_BACKOFF, event->restore.until_us);
}

static void let_go(struct dispatch *self, int64_t now_us, struct flight *flight, const char *reason)
{
    failures_fail(self, now_us, flight, NULL, span_str(reason), true);
}

void holds_expire(struct dispatch *self, int64_t now_us, struct flight *flight)
{
    let_go(self, now_us, flight,
           now_us >= last_of(flight) ? FAILED_BY_TIME
                                     : "the gateway stopped, and its worker did not come back");
}

void holds_release(struct dispatch *self, int64_t now_us, const struct event *event)
{
    struct flight *flight = inflight_find(self->inflight, event->release.id);

    if (flight && flight->state == FLIGHT_HELD)
        let_go(self, now_us, flight, event->release.reason);
}

void holds_prolong(struct dispatch *self, int64_t now_us, struct flight *flight)
{
    int64_t end_us = sooner(now_us + self->config.grace_us, last_of(flight));

    if (flight->timer.due_us < end_us)
        inflight_arm(self->inflight, flight, TIMER_HOLD, end_us);
}

/* The flight of a query that WORKER works on, if nobody else does and it is not settled; made when
 * there is none. */
static struct flight *free_flight(struct dispatch *self, int64_t now_us,
                                  const struct holding *holding)
{
    int64_t id = holding->token.message_id;
    struct flight *flight = inflight_find(self->inflight, id);
    struct waiting query;

    if (flight && flight->state == FLIGHT_QUEUED)
        pending_remove(self->pending, id, &query, NULL);
    if (flight)
        return flight->state == FLIGHT_LEASED || flight->state == FLIGHT_COMMITTING ? NULL : flight;
    if (holding->row.read)
        return NULL;
    query.seen_us = now_us;
    pending_remove(self->pending, id, &query, NULL);
    flight = inflight_add(self->inflight, id, dispatch_service(self, holding->row.service),
                          pending_conversation(self->pending, holding->row.conversation_id),
                          query.seen_us);
    flight->attempt = holding->token.attempt;
    flight->begun_us = now_us;
    return flight;
}

static void refuse(struct dispatch *self, const struct holding *holding,
                   const struct worker *worker)
{
    struct action *action = actions_add_worker(self->actions, ACTION_REFUSED, worker);

    action->refusal = REFUSED_FORGED;
    action->id = holding->token.message_id;
    action->attempt = holding->token.attempt;
}

/* WORKER is busy with what HOLDING says, until TIMES' end or its answer. */
static void occupy(struct dispatch *self, const struct holding *holding, struct worker *worker,
                   const struct lease_times *times)
{
    inflight_occupy(self->inflight, worker, holding->token.message_id, holding->token.attempt,
                    times)
        ->sent = true;
}

/* The attempt of FLIGHT that HOLDING names, or a later one, began longer ago than one may last, and
 * nobody has it. */
static bool is_over(const struct flight *flight, const struct holding *holding, int64_t now_us)
{
    return flight && flight->state != FLIGHT_LEASED && flight->state != FLIGHT_COMMITTING &&
           flight->begun_us && holding->token.attempt <= flight->attempt &&
           now_us >= last_of(flight);
}

/* WORKER has FLIGHT again: the attempt goes on, with what is left of its time (D8). */
static void resume(struct dispatch *self, int64_t now_us, struct flight *flight, uint32_t attempt,
                   struct worker *worker)
{
    struct lease_times times = handout_times(flight->service, worker, now_us);
    bool anew = flight->attempt < attempt || !flight->begun_us;
    int64_t begun_us = anew ? now_us : flight->begun_us;
    int64_t deadline_us = begun_us + flight->service->rules->attempt_max_us;

    if (flight->attempt < attempt)
        flight->attempt = attempt;
    if (!anew) {
        times.hard_us = last_of(flight);
        if (deadline_us < now_us + self->config.grace_us)
            deadline_us = now_us + self->config.grace_us;
        times.deadline_us = sooner(times.hard_us, deadline_us);
    }
    if (worker->options.heartbeats)
        times.end_us = times.deadline_us;
    dispatch_engage(self, flight);
    self->stopped |= flight->state == FLIGHT_BACKOFF; /* its service may have waited (D5) */
    inflight_lease(self->inflight, flight, worker, attempt, &times)->sent = true;
    began(flight, begun_us);
    inflight_arm(self->inflight, flight, TIMER_RECORD, now_us + self->config.record_after_us);
    actions_add_flight(self->actions, ACTION_ADOPTED, flight, worker);
}

/* LEASE is WORKER's own: its earlier connection has it, which is dead and does not show it yet. */
static bool is_earlier(const struct lease *lease, uint32_t attempt, const struct worker *worker)
{
    const struct worker *earlier = lease ? lease->worker : NULL;

    return earlier && earlier != worker && lease->sent && lease->attempt == attempt &&
           strcmp(earlier->options.name, worker->options.name) == 0;
}

/* Takes FLIGHT from the earlier connection of its worker, which gets nothing more until it is
 * heard. */
static void move(struct dispatch *self, int64_t now_us, struct flight *flight,
                 struct worker *worker)
{
    struct worker *earlier = flight->lease->worker;
    uint32_t attempt = flight->lease->attempt;

    inflight_end_lease(self->inflight, flight->lease);
    workers_stall(self->workers, earlier);
    resume(self, now_us, flight, attempt, worker);
}

/* Gives WORKER its lease back, or notes that it is busy with what is somebody else's now, or with
 * an attempt that is over: then only until it is told so. */
static void take_up(struct dispatch *self, int64_t now_us, const struct holding *holding,
                    struct worker *worker)
{
    uint32_t attempt = holding->token.attempt;
    struct lease_times times = handout_times(self->fallback, worker, now_us);
    struct flight *flight;

    if (!holding->row.found ||
        !token_verify(&self->config.key, &holding->token, &holding->row.digest)) {
        refuse(self, holding, worker);
        return;
    }
    if (inflight_lease_of(self->inflight, worker, holding->token.message_id, attempt))
        return; /* it says so twice */
    flight = inflight_find(self->inflight, holding->token.message_id);
    if (is_over(flight, holding, now_us)) {
        times = (struct lease_times){now_us, now_us, now_us, now_us};
        if (flight->state == FLIGHT_HELD)
            let_go(self, now_us, flight, FAILED_BY_TIME);
        occupy(self, holding, worker, &times);
        return;
    }
    if (flight && is_earlier(flight->lease, attempt, worker)) {
        move(self, now_us, flight, worker);
        return;
    }
    flight = free_flight(self, now_us, holding);
    if (flight)
        resume(self, now_us, flight, attempt, worker);
    else
        occupy(self, holding, worker, &times);
}

/* READY names the very attempt of LEASE, with a token of ours. */
static bool names_lease(const struct dispatch *self, const struct event *event,
                        const struct lease *lease)
{
    for (size_t i = 0; i < event->ready.holding_count; i++) {
        const struct holding *holding = &event->ready.holding[i];
        if (holding->token.message_id == lease->id && holding->token.attempt == lease->attempt &&
            holding->row.found &&
            token_verify(&self->config.key, &holding->token, &holding->row.digest))
            return true;
    }
    return false;
}

void holds_part(struct dispatch *self, int64_t now_us, const struct event *event,
                struct worker *worker, const char *reason)
{
    struct lease *lease, *next = worker->leases;

    while ((lease = next)) {
        next = lease->next;
        if (!lease->sent || !names_lease(self, event, lease))
            failures_drop(self, now_us, lease, reason);
    }
}

/* Whether READY names query ID, be it beyond the worker's slots. */
static bool names(const struct event *event, int64_t id)
{
    size_t i = 0;

    while (i < event->ready.holding_count && event->ready.holding[i].token.message_id != id)
        i++;
    return i < event->ready.holding_count;
}

/* Releases what the process of WORKER, which has just registered with EVENT, had before the restart
 * and does not hold any more. */
static void release_others(struct dispatch *self, int64_t now_us, const struct event *event,
                           const struct worker *worker)
{
    struct flight *flight = NULL, *next = inflight_walk(self->inflight, NULL);

    while ((flight = next)) {
        next = inflight_walk(self->inflight, flight);
        if (flight->state == FLIGHT_HELD && flight->pid == worker->pid &&
            !names(event, flight->id) && span_is(span_str(flight->worker), worker->options.name))
            let_go(self, now_us, flight, "its worker came back without it");
    }
}

void holds_adopt(struct dispatch *self, int64_t now_us, const struct event *event,
                 struct worker *worker)
{
    for (size_t i = 0; i < event->ready.holding_count; i++)
        if (worker->in_flight < worker->options.slots)
            take_up(self, now_us, &event->ready.holding[i], worker);
    workers_used(self->workers, worker);
    if (inflight_held(self->inflight) > 0 && worker->pid && worker->options.heartbeats)
        release_others(self, now_us, event, worker);
}
