#include "gateway/core.h"

#include <stdio.h>

/* Pause after FAILED failures: doubling, with a quarter of jitter either way. */
static int64_t backoff(struct dispatch *self, const struct rules *rules, uint32_t failed)
{
    int64_t pause = rules->backoff_first_us;

    for (uint32_t i = 1; i < failed && pause < rules->backoff_max_us; i++)
        pause *= 2;
    if (pause > rules->backoff_max_us)
        pause = rules->backoff_max_us;
    self->random ^= self->random >> 12; /* xorshift64* */
    self->random ^= self->random << 25;
    self->random ^= self->random >> 27;
    return pause - pause / 4 +
           (int64_t)((self->random * 2685821657736338717u >> 33) % (uint64_t)(pause / 2 + 1));
}

/* FLIGHT pauses before its next attempt, until that is on disk too where WRITES. */
static struct action *pause(struct dispatch *self, int64_t now_us, struct flight *flight,
                            const struct worker *worker, enum action_kind kind, bool writes)
{
    int64_t due_us = now_us + backoff(self, flight->service->rules, flight->failed);
    struct action *action;

    inflight_state(self->inflight, flight, FLIGHT_BACKOFF);
    inflight_arm(self->inflight, flight, TIMER_BACKOFF, due_us);
    flight->writing += writes;
    flight->recorded |= writes;
    action = actions_add_flight(self->actions, kind, flight, worker);
    action->due_us = due_us;
    return action;
}

void failures_fail(struct dispatch *self, int64_t now_us, struct flight *flight,
                   const struct worker *worker, struct span reason, bool retry)
{
    inflight_reason(flight, reason);
    inflight_disown(flight);
    flight->failed++;
    if (retry && flight->failed < flight->service->rules->attempts) {
        pause(self, now_us, flight, worker, ACTION_RETRY, true); /* D6 */
        return;
    }
    inflight_state(self->inflight, flight, FLIGHT_COMMITTING);
    actions_add_flight(self->actions, ACTION_DEAD, flight, worker);
}

void failures_return(struct dispatch *self, int64_t now_us, struct flight *flight,
                     const struct worker *worker, struct span reason)
{
    if (flight->returned == RETURNS_FREE) {
        failures_fail(self, now_us, flight, worker, reason, true);
        return;
    }
    flight->returned++;
    inflight_reason(flight, reason);
    inflight_disown(flight);
    pause(self, now_us, flight, worker, ACTION_RETURNED, flight->recorded);
}

void failures_give_back(struct dispatch *self, struct flight *flight)
{
    const struct waiting query = {
        .id = flight->id,
        .seen_us = flight->seen_us,
        .conversation = flight->conversation,
        .single = flight->single,
    };

    flight->single = false;
    inflight_state(self->inflight, flight, FLIGHT_QUEUED);
    pending_return(self->pending, flight->service, &query);
}

void failures_take_back(struct dispatch *self, struct flight *flight)
{
    inflight_disown(flight);
    flight->attempt--;
    if (flight->begun_us)
        flight->leased_us = flight->begun_us;
    failures_give_back(self, flight);
    self->stopped = true; /* somebody else may be free for it: dispatch_feed() looks */
}

void failures_resume(struct dispatch *self, int64_t now_us, struct flight *flight)
{
    if (flight->writing)
        return; /* failures_recorded() goes on */
    failures_give_back(self, flight);
    self->stopped = true;
    handout_service(self, now_us, flight->service);
}

void failures_recorded(struct dispatch *self, int64_t now_us, const struct event *event)
{
    struct flight *flight = inflight_find(self->inflight, event->recorded.id);

    if (!flight || flight->writing == 0)
        return; /* it has ended meanwhile */
    flight->writing--;
    if (flight->state == FLIGHT_BACKOFF && !flight->timer.place)
        failures_resume(self, now_us, flight);
}

void failures_drop(struct dispatch *self, int64_t now_us, struct lease *lease, const char *reason)
{
    struct flight *flight = inflight_find(self->inflight, lease->id);
    bool current = flight && flight->lease == lease;

    if (current && lease->sent)
        failures_fail(self, now_us, flight, lease->worker, span_str(reason), true);
    else if (current)
        failures_take_back(self, flight);
    inflight_end_lease(self->inflight, lease);
}

void failures_lose(struct dispatch *self, int64_t now_us, struct worker *worker, const char *reason,
                   bool tell)
{
    struct action *action;

    while (worker->leases)
        failures_drop(self, now_us, worker->leases, reason);
    if (tell && worker_is_dismissed(worker->protocol)) {
        action = actions_add_worker(self->actions, ACTION_DISCONNECT, worker);
        action->envelope = worker->envelope;
    }
    action = actions_add_worker(self->actions, ACTION_LEFT, worker);
    snprintf(action->reason, sizeof action->reason, "%s", reason);
    workers_remove(self->workers, now_us, worker);
}

/* A lease is over: its attempt has failed. The worker may still answer and win, but counts as busy
 * until then; when it works on nothing else it is given up. */
void failures_expire(struct dispatch *self, int64_t now_us, struct lease *lease)
{
    struct flight *flight = inflight_find(self->inflight, lease->id);
    struct worker *worker = lease->worker;
    const char *reason =
        now_us >= lease->deadline_us ? FAILED_BY_TIME : "no answer within the lease";

    if (flight && flight->lease == lease)
        failures_fail(self, now_us, flight, worker, span_str(reason), true);
    if (!inflight_works(self->inflight, worker))
        failures_lose(self, now_us, worker, reason, true);
}
