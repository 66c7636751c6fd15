/* Queries that have been given to a worker at least once and are not settled yet, and the leases
 * under which workers have them.
 *
 *   (pending) ──lease──▶ LEASED ──failed──▶ BACKOFF ──time──▶ QUEUED ──lease──▶ LEASED …
 *                          │ answer            │ answer         │ answer
 *                          ▼                   ▼                ▼
 *                       COMMITTING ──committed──▶ (forgotten, or SETTLED while still queued)
 *
 * QUEUED means that its id stands in pending again.
 *
 *  F1. A query has at most one current lease (flight->lease); its attempt is its highest so far.
 *
 *  F2. A lease outlives its being current when it was over, or another attempt's answer came first:
 *      its worker is taken to be busy with it until it answers or is given up.
 *
 *  F3. A flight whose id still stands in pending is kept as SETTLED until pending gives the id out,
 *      so that nothing is dispatched after its answer. */
#ifndef TAILGATE_GATEWAY_INFLIGHT_H
#define TAILGATE_GATEWAY_INFLIGHT_H

#include "gateway/workers.h"

enum flight_state {
    FLIGHT_LEASED,
    FLIGHT_BACKOFF,
    FLIGHT_QUEUED,
    FLIGHT_COMMITTING,
    FLIGHT_SETTLED
};

struct flight {
    int64_t id; /* message id */
    enum flight_state state;
    bool queued;             /* its id stands in pending */
    uint32_t attempt;        /* attempts begun; 1 is the first */
    struct service *service; /* held */
    uint64_t conversation;   /* pending's key */
    int64_t seen_us;         /* when its row was seen */
    int64_t leased_us;       /* when the last attempt began */
    struct lease *lease;     /* LEASED: the current one; else NULL */
    char *reason;            /* of the last failure; NULL when there was none */
    struct timer timer;      /* BACKOFF: its end */
    struct table_node node;
};

struct lease {
    int64_t id; /* message id: its flight may be gone (F2) */
    uint32_t attempt;
    bool sent; /* it was handed over: until then losing the worker costs nothing */
    struct worker *worker;
    int64_t deadline_us; /* the end that no heartbeat moves */
    struct timer timer;  /* the end as of now */
    struct lease *next;  /* of the same worker */
};

struct inflight;

/* SEED keys the hash table; TIMERS is borrowed. */
struct inflight *inflight_new(uint64_t seed, struct timers *timers);
/* Frees everything; workers and services are no longer touched. */
void inflight_destroy(struct inflight **self);
/* A new flight in state QUEUED with no attempt begun; takes the caller's hold on SERVICE. */
struct flight *inflight_add(struct inflight *self, int64_t id, struct service *service_take,
                            uint64_t conversation, int64_t seen_us);
struct flight *inflight_find(const struct inflight *self, int64_t id);
/* Forgets FLIGHT, which has no lease; its hold on the service is the caller's to release. */
struct service *inflight_remove(struct inflight *self, struct flight *flight);
/* Begins an attempt: FLIGHT becomes LEASED to WORKER until END_US, at the latest DEADLINE_US. */
struct lease *inflight_lease(struct inflight *self, struct flight *flight, struct worker *worker,
                             int64_t now_us, int64_t end_us, int64_t deadline_us);
/* Moves the end of LEASE, never beyond its deadline. */
void inflight_renew(struct inflight *self, struct lease *lease, int64_t end_us);
/* Ends LEASE: worker->in_flight goes down, flight->lease is NULL if this was the current one. Frees
 * it. */
void inflight_end_lease(struct inflight *self, struct lease *lease);
/* WORKER's lease of that id and attempt, or NULL. */
struct lease *inflight_lease_of(const struct worker *worker, int64_t id, uint32_t attempt);
/* Flights in state LEASED or COMMITTING: what counts against commit.queue. */
size_t inflight_outstanding(const struct inflight *self);
/* All flights. */
size_t inflight_count(const struct inflight *self);
/* FLIGHT's lease, if it has one, is no longer the current one (F2). */
void inflight_disown(struct flight *flight);
/* True when WORKER has a lease that is the current one of its query. */
bool inflight_works(const struct inflight *self, const struct worker *worker);
/* Sets FLIGHT's state (LEASED only through inflight_lease()). */
void inflight_state(struct inflight *self, struct flight *flight, enum flight_state state);
/* Remembers why the last attempt failed, cut at LIMIT_REASON. */
void inflight_reason(struct flight *flight, struct span reason);

#endif
