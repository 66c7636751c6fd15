/* The queries that are here: each is at a worker. */
#include <stdlib.h>

#include "gateway/relay_inside.h"

struct span relay_flight_token(const struct relay_flight *flight)
{
    return span_of(flight->token, flight->size);
}

struct relay_flight *relay_flight_find(const struct relay *self, struct span token)
{
    uint64_t hash = table_hash(&self->flights, token.data, token.size);
    struct table_node *node = table_first(&self->flights, hash);

    for (; node; node = table_next(node)) {
        struct relay_flight *flight = table_owner(node, struct relay_flight, node);
        if (span_equal(relay_flight_token(flight), token))
            return flight;
    }
    return NULL;
}

struct relay_flight *relay_flight_next(const struct relay *self, const struct worker *worker,
                                       const struct relay_flight *flight)
{
    struct table_node *node = table_walk(&self->flights, flight ? &flight->node : NULL);

    for (; node; node = table_walk(&self->flights, node)) {
        struct relay_flight *next = table_owner(node, struct relay_flight, node);
        if (next->worker == worker)
            return next;
    }
    return NULL;
}

void relay_flight_arm(struct relay *self, struct relay_flight *flight, int64_t now_us)
{
    int64_t due_us = flight->over_us;

    flight->lease_us =
        flight->worker->options.heartbeats ? INT64_MAX : now_us + self->setup->lease_us;
    if (flight->lease_us < due_us)
        due_us = flight->lease_us;
    if (due_us == INT64_MAX)
        timers_disarm(&self->timers, &flight->timer);
    else
        timers_arm(&self->timers, &flight->timer, due_us);
}

struct relay_flight *relay_flight_add(struct relay *self, struct span token, struct worker *worker)
{
    struct relay_flight *flight = memory_zero(1, sizeof *flight);

    memcpy(flight->token, token.data, token.size);
    flight->size = token.size;
    flight->over_us = INT64_MAX;
    flight->timer.kind = TIMER_LEASE;
    table_add(&self->flights, &flight->node, table_hash(&self->flights, token.data, token.size));
    flight->worker = worker;
    worker->in_flight++;
    workers_used(self->workers, worker);
    return flight;
}

void relay_flight_forget(struct relay *self, struct relay_flight *flight)
{
    timers_disarm(&self->timers, &flight->timer);
    table_remove(&self->flights, &flight->node);
    if (flight->worker) {
        flight->worker->in_flight--;
        workers_used(self->workers, flight->worker);
    }
    free(flight);
}
