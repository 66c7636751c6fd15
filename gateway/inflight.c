#include "gateway/inflight.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/buffer.h"

#define STATES (FLIGHT_COMMITTING + 1)

struct inflight {
    struct table flights; /* by id */
    struct timers *timers;
    size_t count[STATES];
};

struct inflight *inflight_new(uint64_t seed, struct timers *timers)
{
    struct inflight *self = memory_zero(1, sizeof *self);
    table_init(&self->flights, seed);
    self->timers = timers;
    return self;
}

static void flight_free(struct flight *flight)
{
    free(flight->worker);
    free(flight->reason);
    free(flight);
}

void inflight_destroy(struct inflight **self)
{
    struct table_node *node;

    if (!*self)
        return;
    while ((node = table_walk(&(*self)->flights, NULL))) {
        struct flight *flight = table_owner(node, struct flight, node);
        timers_disarm((*self)->timers, &flight->timer);
        table_remove(&(*self)->flights, node);
        flight_free(flight);
    }
    table_done(&(*self)->flights);
    free(*self);
    *self = NULL;
}

struct flight *inflight_add(struct inflight *self, int64_t id, struct service *service_take,
                            uint64_t conversation, int64_t seen_us)
{
    struct flight *flight = memory_zero(1, sizeof *flight);

    assert(!inflight_find(self, id));
    flight->id = id;
    flight->state = FLIGHT_QUEUED;
    self->count[FLIGHT_QUEUED]++;
    flight->service = service_take;
    flight->conversation = conversation;
    flight->seen_us = seen_us;
    table_add(&self->flights, &flight->node, table_hash_id(&self->flights, id));
    return flight;
}

struct flight *inflight_find(const struct inflight *self, int64_t id)
{
    struct table_node *node = table_first(&self->flights, table_hash_id(&self->flights, id));

    for (; node; node = table_next(node)) {
        struct flight *flight = table_owner(node, struct flight, node);
        if (flight->id == id)
            return flight;
    }
    return NULL;
}

struct service *inflight_remove(struct inflight *self, struct flight *flight)
{
    struct service *service = flight->service;

    assert(!flight->lease);
    inflight_state(self, flight, FLIGHT_QUEUED);
    self->count[FLIGHT_QUEUED]--;
    table_remove(&self->flights, &flight->node);
    flight_free(flight);
    return service;
}

struct lease *inflight_occupy(struct inflight *self, struct worker *worker, int64_t id,
                              uint32_t attempt, const struct lease_times *times)
{
    struct lease *lease = memory_zero(1, sizeof *lease);

    lease->id = id;
    lease->attempt = attempt;
    lease->worker = worker;
    lease->timer.kind = TIMER_LEASE;
    lease->deadline_us = times->deadline_us;
    lease->hard_us = times->hard_us;
    lease->next = worker->leases;
    if (lease->next)
        lease->next->previous = lease;
    worker->leases = lease;
    worker->in_flight++;
    inflight_renew(self, lease, times->end_us);
    return lease;
}

struct lease *inflight_lease(struct inflight *self, struct flight *flight, struct worker *worker,
                             uint32_t attempt, const struct lease_times *times)
{
    assert(!flight->lease);
    flight->lease = inflight_occupy(self, worker, flight->id, attempt, times);
    flight->leased_us = times->now_us;
    inflight_state(self, flight, FLIGHT_LEASED);
    return flight->lease;
}

void inflight_renew(struct inflight *self, struct lease *lease, int64_t end_us)
{
    timers_arm(self->timers, &lease->timer,
               end_us < lease->deadline_us ? end_us : lease->deadline_us);
}

void inflight_end_lease(struct inflight *self, struct lease *lease)
{
    struct flight *flight = inflight_find(self, lease->id);

    if (flight && flight->lease == lease)
        flight->lease = NULL;
    *(lease->previous ? &lease->previous->next : &lease->worker->leases) = lease->next;
    if (lease->next)
        lease->next->previous = lease->previous;
    lease->worker->in_flight--;
    timers_disarm(self->timers, &lease->timer);
    free(lease);
}

struct lease *inflight_lease_of(const struct inflight *self, const struct worker *worker,
                                int64_t id, uint32_t attempt)
{
    const struct flight *flight = inflight_find(self, id);
    struct lease *lease = flight ? flight->lease : NULL;

    if (lease && lease->worker == worker && lease->attempt == attempt)
        return lease;
    lease = worker->leases; /* else it is one that is current no more, if any */
    while (lease && (lease->id != id || lease->attempt != attempt))
        lease = lease->next;
    return lease;
}

void inflight_disown(struct flight *flight)
{
    flight->lease = NULL;
}

bool inflight_works(const struct inflight *self, const struct worker *worker)
{
    for (const struct lease *lease = worker->leases; lease; lease = lease->next) {
        const struct flight *flight = inflight_find(self, lease->id);
        if (flight && flight->lease == lease)
            return true;
    }
    return false;
}

size_t inflight_outstanding(const struct inflight *self)
{
    return self->count[FLIGHT_LEASED] + self->count[FLIGHT_COMMITTING];
}

size_t inflight_backing_off(const struct inflight *self)
{
    return self->count[FLIGHT_BACKOFF];
}

size_t inflight_held(const struct inflight *self)
{
    return self->count[FLIGHT_HELD];
}

static bool is_outstanding(enum flight_state state)
{
    return state == FLIGHT_LEASED || state == FLIGHT_COMMITTING;
}

void inflight_state(struct inflight *self, struct flight *flight, enum flight_state state)
{
    struct service *service = flight->service;

    timers_disarm(self->timers, &flight->timer);
    self->count[flight->state]--;
    service->in_flight -= is_outstanding(flight->state);
    service->backing_off -= flight->state == FLIGHT_BACKOFF;
    flight->state = state;
    self->count[state]++;
    service->in_flight += is_outstanding(state);
    service->backing_off += state == FLIGHT_BACKOFF;
}

void inflight_arm(struct inflight *self, struct flight *flight, int kind, int64_t due_us)
{
    flight->timer.kind = kind;
    timers_arm(self->timers, &flight->timer, due_us);
}

struct flight *inflight_walk(const struct inflight *self, const struct flight *after)
{
    struct table_node *node = table_walk(&self->flights, after ? &after->node : NULL);
    return node ? table_owner(node, struct flight, node) : NULL;
}

void inflight_reason(struct flight *flight, struct span reason)
{
    if (reason.size > LIMIT_REASON)
        reason.size = LIMIT_REASON;
    free(flight->reason);
    flight->reason = memory_text(reason);
}
