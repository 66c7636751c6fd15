#include "gateway/core.h"

#include <stdio.h>

#define PAUSE_US 10000 /* after a row could not be read: somebody holds the database */

/* Pause before attempt number DONE + 1: doubling, with a quarter of jitter either way. */
static int64_t backoff(struct dispatch *self, uint32_t done)
{
    int64_t pause = self->config.backoff_first_us;

    for (uint32_t i = 1; i < done && pause < self->config.backoff_max_us; i++)
        pause *= 2;
    if (pause > self->config.backoff_max_us)
        pause = self->config.backoff_max_us;
    self->random ^= self->random >> 12; /* xorshift64* */
    self->random ^= self->random << 25;
    self->random ^= self->random >> 27;
    return pause - pause / 4 +
           (int64_t)((self->random * 2685821657736338717u >> 33) % (uint64_t)(pause / 2 + 1));
}

void attempts_fail(struct dispatch *self, int64_t now_us, struct flight *flight,
                   const struct worker *worker, struct span reason, bool retry)
{
    struct action *action;

    inflight_reason(flight, reason);
    inflight_disown(flight);
    if (!retry || flight->attempt >= self->config.attempts) {
        inflight_state(self->inflight, flight, FLIGHT_COMMITTING);
        actions_add_flight(self->actions, ACTION_DEAD, flight, worker);
        return;
    }
    inflight_state(self->inflight, flight, FLIGHT_BACKOFF);
    timers_arm(&self->timers, &flight->timer, now_us + backoff(self, flight->attempt));
    self->backing_off++;
    action = actions_add_flight(self->actions, ACTION_RETRY, flight, worker);
    action->due_us = flight->timer.due_us;
}

void attempts_give_back(struct dispatch *self, struct flight *flight)
{
    struct waiting query = {flight->id, flight->seen_us, flight->conversation};

    flight->queued = true;
    inflight_state(self->inflight, flight, FLIGHT_QUEUED);
    pending_return(self->pending, flight->service, &query);
}

/* FLIGHT's attempt never came to its worker: it does not count. */
static void take_back(struct dispatch *self, struct flight *flight)
{
    inflight_disown(flight);
    flight->attempt--;
    attempts_give_back(self, flight);
    self->stopped = true; /* somebody else may be free for it: dispatch_feed() looks */
}

void attempts_lose(struct dispatch *self, int64_t now_us, struct worker *worker, const char *reason,
                   bool tell)
{
    struct action *action;

    while (worker->leases) {
        struct lease *lease = worker->leases;
        struct flight *flight = inflight_find(self->inflight, lease->id);
        bool current = flight && flight->lease == lease;

        if (current && lease->sent)
            attempts_fail(self, now_us, flight, worker, span_str(reason), true);
        else if (current)
            take_back(self, flight);
        inflight_end_lease(self->inflight, lease);
    }
    if (tell && worker->protocol != WORKER_REQ) {
        action = actions_add_worker(self->actions, ACTION_DISCONNECT, worker);
        action->envelope = worker->envelope;
    }
    action = actions_add_worker(self->actions, ACTION_LEFT, worker);
    snprintf(action->reason, sizeof action->reason, "%s", reason);
    workers_remove(self->workers, worker);
}

/* A lease is over: its attempt has failed. The worker may still answer and win, but counts as busy
 * until then; when it works on nothing else it is given up. */
void attempts_expire(struct dispatch *self, int64_t now_us, struct lease *lease)
{
    struct flight *flight = inflight_find(self->inflight, lease->id);
    struct worker *worker = lease->worker;
    const char *reason = now_us >= lease->deadline_us ? "the attempt lasted longer than attempt.max"
                                                      : "no answer within the lease";

    if (flight && flight->lease == lease)
        attempts_fail(self, now_us, flight, worker, span_str(reason), true);
    if (!inflight_works(self->inflight, worker))
        attempts_lose(self, now_us, worker, reason, true);
}

static void refuse(struct dispatch *self, const struct event *event, enum refusal refusal)
{
    struct action *action = actions_add(self->actions, ACTION_REFUSED);

    action->refusal = refusal;
    action->peer = *event->answer.peer;
    action->id = event->answer.token.message_id;
    action->attempt = event->answer.token.attempt;
}

/* The flight that an accepted answer settles, made when this run has not dispatched the query. */
static struct flight *answered_flight(struct dispatch *self, int64_t now_us,
                                      const struct event *event)
{
    const struct answered_row *row = &event->answer.row;
    struct flight *flight = inflight_find(self->inflight, event->answer.token.message_id);
    struct service *service;

    if (flight)
        return flight;
    service = pending_hold(self->pending, row->service);
    if (!service) {
        service = self->fallback;
        pending_hold_again(service);
    }
    flight = inflight_add(self->inflight, event->answer.token.message_id, service,
                          pending_conversation(self->pending, row->conversation_id), now_us);
    flight->attempt = event->answer.token.attempt;
    flight->leased_us = now_us;
    flight->queued = row->seen; /* F3; if not, the tail will find it read */
    return flight;
}

static void accept(struct dispatch *self, int64_t now_us, const struct event *event,
                   struct worker *worker)
{
    struct flight *flight = answered_flight(self, now_us, event);
    struct action *action;

    if (flight->state == FLIGHT_BACKOFF) {
        timers_disarm(&self->timers, &flight->timer);
        self->backing_off--;
    }
    inflight_disown(flight);
    inflight_state(self->inflight, flight, FLIGHT_COMMITTING);
    action = actions_add_flight(self->actions, ACTION_ANSWER, flight, worker);
    action->attempt = event->answer.token.attempt;
    if (worker)
        worker->served++;
}

/* The row that WORKER's LEASE is about is not in the file any more: there is nothing to check its
 * token against, and nothing to commit to. */
static void bury(struct dispatch *self, const struct event *event, const struct worker *worker,
                 const struct lease *lease)
{
    struct flight *flight = inflight_find(self->inflight, lease->id);

    if (!flight || flight->lease != lease) {
        refuse(self, event, REFUSED_DUPLICATE);
        return;
    }
    inflight_disown(flight);
    inflight_state(self->inflight, flight, FLIGHT_COMMITTING);
    actions_add_flight(self->actions, ACTION_GONE, flight, worker);
}

/* An answer or error with a valid token. */
static void judge(struct dispatch *self, int64_t now_us, const struct event *event,
                  struct worker *worker, const struct lease *lease)
{
    struct flight *flight = inflight_find(self->inflight, event->answer.token.message_id);
    bool settled = flight ? flight->state == FLIGHT_COMMITTING || flight->state == FLIGHT_SETTLED
                          : event->answer.row.read;

    if (settled) {
        refuse(self, event, REFUSED_DUPLICATE);
    } else if (!event->answer.error) {
        accept(self, now_us, event, worker);
    } else if (flight && lease && flight->lease == lease) {
        attempts_fail(self, now_us, flight, worker, event->answer.reason, event->answer.retry);
    } else {
        refuse(self, event, REFUSED_PAST); /* D3 */
    }
}

/* The lease that what WORKER says is about: a REQ worker has only one, whatever it says. */
static struct lease *meant_lease(const struct worker *worker, const struct token *token)
{
    if (worker->protocol == WORKER_REQ)
        return worker->leases;
    return inflight_lease_of(worker, token->message_id, token->attempt);
}

/* WORKER is done with LEASE (NULL: with nothing of ours). Where its attempt is still the current
 * one, what it said was refused, and the attempt has failed. */
static void done_with(struct dispatch *self, int64_t now_us, struct worker *worker,
                      struct lease *lease)
{
    struct flight *flight = lease ? inflight_find(self->inflight, lease->id) : NULL;

    if (flight && flight->lease == lease)
        attempts_fail(self, now_us, flight, worker, span_str("its answer was refused"), true);
    if (lease)
        inflight_end_lease(self->inflight, lease);
    workers_used(self->workers, worker);
    handout_worker(self, now_us, worker);
}

void attempts_answer(struct dispatch *self, int64_t now_us, const struct event *event)
{
    const struct token *token = &event->answer.token;
    struct worker *worker = workers_find(self->workers, event->answer.peer);
    struct lease *lease = NULL;

    if (worker) {
        workers_heard(self->workers, worker, now_us);
        lease = meant_lease(worker, token);
    }
    if (!event->answer.row.found && lease && lease->id == token->message_id)
        bury(self, event, worker, lease);
    else if (!event->answer.row.found ||
             !token_verify(&self->config.key, token, &event->answer.row.digest))
        refuse(self, event, REFUSED_FORGED);
    else
        judge(self, now_us, event, worker, lease);
    if (worker)
        done_with(self, now_us, worker, lease);
}

/* A partial of FLIGHT's current attempt came from WORKER. */
static void renew(struct dispatch *self, int64_t now_us, const struct flight *flight,
                  const struct worker *worker)
{
    actions_add_flight(self->actions, ACTION_PARTIAL, flight, worker);
    if (!worker->options.heartbeats)
        inflight_renew(self->inflight, flight->lease, now_us + self->config.lease_us);
}

void attempts_partial(struct dispatch *self, int64_t now_us, const struct event *event)
{
    const struct token *token = &event->answer.token;
    struct worker *worker = workers_find(self->workers, event->answer.peer);
    struct flight *flight = inflight_find(self->inflight, token->message_id);
    struct lease *lease;

    if (worker)
        workers_heard(self->workers, worker, now_us);
    lease = worker ? inflight_lease_of(worker, token->message_id, token->attempt) : NULL;
    if (!event->answer.row.found ||
        !token_verify(&self->config.key, token, &event->answer.row.digest))
        refuse(self, event, REFUSED_FORGED);
    else if (!lease || !flight || flight->lease != lease)
        refuse(self, event, REFUSED_PAST);
    else
        renew(self, now_us, flight, worker);
    if (worker && worker->idle)
        handout_worker(self, now_us, worker);
}

/* The lease that an ACTION_DELIVER was about, or NULL: its worker may have been lost for another
 * query before this one's turn came, and the query may be somebody else's by now. */
static struct lease *delivered_lease(const struct dispatch *self, int64_t id, uint32_t attempt,
                                     const struct peer *peer)
{
    const struct flight *flight = inflight_find(self->inflight, id);
    struct lease *lease = flight ? flight->lease : NULL;

    if (!lease || lease->attempt != attempt || !peer_equal(&lease->worker->peer, peer))
        return NULL;
    return lease;
}

void attempts_delivered(struct dispatch *self, const struct event *event)
{
    struct lease *lease =
        delivered_lease(self, event->delivered.id, event->delivered.attempt, event->delivered.peer);

    if (lease)
        lease->sent = true;
}

void attempts_undeliverable(struct dispatch *self, int64_t now_us, const struct event *event)
{
    struct lease *lease = delivered_lease(self, event->undeliverable.id,
                                          event->undeliverable.attempt, event->undeliverable.peer);
    struct worker *worker = lease ? lease->worker : NULL;
    struct flight *flight;

    if (!lease)
        return;
    flight = inflight_find(self->inflight, lease->id);
    inflight_end_lease(self->inflight, lease);
    workers_used(self->workers, worker);
    if (event->undeliverable.why == UNDELIVERABLE_ENDED) {
        pending_release(self->pending, inflight_remove(self->inflight, flight));
        handout_worker(self, now_us, worker);
        return;
    }
    take_back(self, flight);
    if (event->undeliverable.why == UNDELIVERABLE_PEER_GONE)
        attempts_lose(self, now_us, worker, "its connection is closed", false);
    else if (event->undeliverable.why == UNDELIVERABLE_PEER_FULL && worker->in_flight > 0 &&
             !inflight_works(self->inflight, worker)) /* no lease of it will end any more */
        attempts_lose(self, now_us, worker, "its queue is full and its leases are over", true);
    else if (event->undeliverable.why == UNDELIVERABLE_PEER_FULL)
        workers_stall(self->workers, worker);
    else
        timers_arm(&self->timers, &self->pause, now_us + PAUSE_US);
    handout_service(self, now_us, flight->service);
}
