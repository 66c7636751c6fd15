#include "gateway/core.h"

#define PAUSE_US 10000 /* after a row could not be read: somebody holds the database */

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
    int64_t id = event->answer.token.message_id;
    struct flight *flight = inflight_find(self->inflight, id);
    struct waiting query = {.seen_us = now_us};

    if (!flight || flight->state == FLIGHT_QUEUED)
        pending_remove(self->pending, id, &query, NULL);
    if (flight)
        return flight;
    flight = inflight_add(self->inflight, id, dispatch_service(self, row->service),
                          pending_conversation(self->pending, row->conversation_id), query.seen_us);
    flight->attempt = event->answer.token.attempt;
    flight->leased_us = now_us;
    return flight;
}

/* FLIGHT's answer has come; the worker that was to have it next need not do it. */
static void call_off(struct dispatch *self, struct flight *flight)
{
    struct lease *lease = flight->lease;

    inflight_disown(flight);
    if (lease && !lease->sent) {
        struct worker *worker = lease->worker;
        inflight_end_lease(self->inflight, lease);
        workers_used(self->workers, worker);
        self->stopped = true;
    }
}

static void accept(struct dispatch *self, int64_t now_us, const struct event *event,
                   struct worker *worker)
{
    struct flight *flight = answered_flight(self, now_us, event);
    struct action *action;

    self->stopped |= flight->state == FLIGHT_BACKOFF; /* its service may have waited (D5) */
    call_off(self, flight);
    dispatch_engage(self, flight);
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

/* What came with EVENT's token is about FLIGHT's current attempt (D3): LEASE is its lease, or
 * nobody has one because the gateway was restarted meanwhile. */
static bool is_current(const struct event *event, const struct flight *flight,
                       const struct lease *lease)
{
    if (!flight)
        return false;
    if (flight->state == FLIGHT_HELD)
        return flight->attempt == event->answer.token.attempt;
    return lease && flight->lease == lease;
}

/* An answer or error with a valid token. */
static void judge(struct dispatch *self, int64_t now_us, const struct event *event,
                  struct worker *worker, const struct lease *lease)
{
    struct flight *flight = inflight_find(self->inflight, event->answer.token.message_id);
    bool settled = flight ? flight->state == FLIGHT_COMMITTING : event->answer.row.read;

    if (settled)
        refuse(self, event, REFUSED_DUPLICATE);
    else if (!event->answer.error && !event->answer.returned)
        accept(self, now_us, event, worker);
    else if (!is_current(event, flight, lease))
        refuse(self, event, REFUSED_PAST);
    else if (event->answer.returned)
        failures_return(self, now_us, flight, worker, event->answer.reason);
    else
        failures_fail(self, now_us, flight, worker, event->answer.reason, event->answer.retry);
}

/* The lease that what WORKER says is about: a REQ worker has only one, whatever it says. What was
 * not handed over yet it knows from an attempt of that number before a restart, if at all. */
static struct lease *meant_lease(const struct dispatch *self, const struct worker *worker,
                                 const struct token *token)
{
    struct lease *lease =
        worker->protocol == WORKER_REQ
            ? worker->leases
            : inflight_lease_of(self->inflight, worker, token->message_id, token->attempt);

    return lease && lease->sent ? lease : NULL;
}

/* WORKER is done with LEASE (NULL: with nothing of ours). Where its attempt is still the current
 * one, what it said was refused, and the attempt has failed. */
static void done_with(struct dispatch *self, int64_t now_us, struct worker *worker,
                      struct lease *lease)
{
    struct flight *flight = lease ? inflight_find(self->inflight, lease->id) : NULL;

    if (flight && flight->lease == lease)
        failures_fail(self, now_us, flight, worker, span_str("its answer was refused"), true);
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
        lease = meant_lease(self, worker, token);
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

void attempts_record(struct dispatch *self, struct flight *flight)
{
    struct lease *lease = flight->lease;
    struct action *action;

    flight->recorded = true;
    action = actions_add_flight(self->actions, ACTION_RECORD, flight, lease->worker);
    lease->recorded_us = lease->timer.due_us;
    if (!lease->worker->options.heartbeats)
        action->due_us = lease->timer.due_us;
}

/* A partial of FLIGHT's current attempt came from WORKER: it may go on, up to attempt.hard_max. */
static void renew(struct dispatch *self, int64_t now_us, struct flight *flight,
                  const struct worker *worker)
{
    struct lease_times times = handout_times(flight->service, worker, now_us);
    struct lease *lease = flight->lease;

    lease->deadline_us = times.deadline_us < lease->hard_us ? times.deadline_us : lease->hard_us;
    inflight_renew(self->inflight, lease, times.end_us);
    actions_add_flight(self->actions, ACTION_PARTIAL, flight, worker);
    if (lease->recorded_us && !worker->options.heartbeats &&
        lease->timer.due_us - lease->recorded_us > flight->service->rules->lease_us / 2)
        attempts_record(self, flight); /* or a restart would give it to somebody else too early */
}

void attempts_partial(struct dispatch *self, int64_t now_us, const struct event *event)
{
    const struct token *token = &event->answer.token;
    struct worker *worker = workers_find(self->workers, event->answer.peer);
    struct flight *flight = inflight_find(self->inflight, token->message_id);
    struct lease *lease;

    if (worker)
        workers_heard(self->workers, worker, now_us);
    lease = worker ? inflight_lease_of(self->inflight, worker, token->message_id, token->attempt)
                   : NULL;
    if (!event->answer.row.found ||
        !token_verify(&self->config.key, token, &event->answer.row.digest))
        refuse(self, event, REFUSED_FORGED);
    else if (flight && flight->state == FLIGHT_HELD && flight->attempt == token->attempt)
        holds_prolong(self, now_us, flight);
    else if (!lease || !lease->sent || !flight || flight->lease != lease)
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

bool attempts_await(const struct dispatch *self, const struct action *deliver)
{
    const struct lease *lease =
        delivered_lease(self, deliver->id, deliver->attempt, &deliver->peer);

    /* Handed out to the same worker again, it has another end, and an action of its own. */
    return lease && !lease->sent && lease->deadline_us == deliver->deadline_us;
}

void attempts_delivered(struct dispatch *self, int64_t now_us, const struct event *event)
{
    struct lease *lease =
        delivered_lease(self, event->delivered.id, event->delivered.attempt, event->delivered.peer);
    struct flight *flight;
    int64_t after_us = self->config.record_after_us;

    if (!lease)
        return;
    lease->sent = true;
    flight = inflight_find(self->inflight, lease->id);
    flight->begun_us = flight->leased_us;
    if (self->config.record_at_once > 0) {
        self->config.record_at_once--;
        after_us = 0;
    }
    if (after_us == 0)
        attempts_record(self, flight);
    else
        inflight_arm(self->inflight, flight, TIMER_RECORD, now_us + after_us);
}

/* WORKER did not take the query for WHY. */
static void pass_over(struct dispatch *self, int64_t now_us, struct worker *worker,
                      enum undeliverable why)
{
    if (why == UNDELIVERABLE_PEER_GONE)
        failures_lose(self, now_us, worker, "its connection is closed", false);
    else if (why == UNDELIVERABLE_PEER_FULL && worker->in_flight > 0 &&
             !inflight_works(self->inflight, worker)) /* no lease of it will end any more */
        failures_lose(self, now_us, worker, "its queue is full and its leases are over", true);
    else if (why == UNDELIVERABLE_PEER_FULL)
        workers_stall(self->workers, worker);
    else
        timers_arm(&self->timers, &self->busy, now_us + PAUSE_US);
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
        dispatch_forget(self, flight);
        handout_worker(self, now_us, worker);
        return;
    }
    failures_take_back(self, flight);
    pass_over(self, now_us, worker, event->undeliverable.why);
    handout_service(self, now_us, flight->service);
}
