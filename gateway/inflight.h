/* Queries that have been given to a worker at least once and are not settled yet, and the leases
 * under which workers have them.
 *
 *   (pending) ──lease──▶ LEASED ──failed──▶ BACKOFF ──time, on disk──▶ QUEUED ──lease──▶ LEASED …
 *                          │ answer            │ answer                  │ answer
 *                          ▼                   ▼                         ▼
 *                       COMMITTING ──committed──▶ (forgotten)
 *
 *   (pending), BACKOFF, QUEUED ──withdrawn──▶ COMMITTING
 *
 *   (restart) ──▶ HELD ──taken up again──▶ LEASED
 *                   ├────failed──────────▶ BACKOFF
 *                   └────answer──────────▶ COMMITTING
 *
 * QUEUED means that its id stands in pending again, and only then does it.
 *
 *  F1. A query has at most one current lease (flight->lease).
 *
 *  F2. A lease outlives its being current when it was over, or another attempt's answer came first:
 *      its worker is taken to be busy with it until it answers or is given up. */
#ifndef TAILGATE_GATEWAY_INFLIGHT_H
#define TAILGATE_GATEWAY_INFLIGHT_H

#include "gateway/workers.h"

enum flight_state { FLIGHT_HELD, FLIGHT_LEASED, FLIGHT_BACKOFF, FLIGHT_QUEUED, FLIGHT_COMMITTING };

struct flight {
    int64_t id; /* message id */
    enum flight_state state;
    uint32_t attempt;        /* the number of the last attempt begun; 1 is the first */
    uint32_t failed;         /* attempts that count as failed */
    uint32_t returned;       /* times that a worker gave it back */
    bool recorded;           /* it has a delivery row, or one is under way */
    bool claimed, claiming;  /* its row is claimed; that is under way */
    uint32_t writing;        /* ends of attempts that are not on disk yet */
    bool single;             /* pending_free() is due when it ends, or waits in pending again */
    struct service *service; /* held */
    uint64_t conversation;   /* pending's key */
    int64_t seen_us;         /* when its row was seen */
    int64_t leased_us;       /* when the last attempt began, */
    int64_t begun_us;        /*   the last one of them that came to a worker */
    struct lease *lease;     /* LEASED: the current one; else NULL */
    char *worker;            /* restored: the name of the worker that had it; else NULL */
    int64_t pid;             /* restored: that worker's; 0: not known */
    char *reason;            /* of the last failure; NULL when there was none */
    struct timer timer;      /* HELD, BACKOFF: its end; LEASED: when it is to be recorded */
    struct table_node node;
};

struct lease {
    int64_t id; /* message id: its flight may be gone (F2) */
    uint32_t attempt;
    bool sent; /* it was handed over: until then losing the worker costs nothing */
    struct worker *worker;
    int64_t deadline_us;           /* the end that no heartbeat moves, */
    int64_t hard_us;               /*   and the one that nothing moves */
    int64_t recorded_us;           /* the end that is on record; 0: none is */
    struct timer timer;            /* the end as of now */
    struct lease *next, *previous; /* of the same worker */
};

/* When a lease ends, all monotonic. */
struct lease_times {
    int64_t now_us;
    int64_t end_us;      /* unless it is renewed */
    int64_t deadline_us; /* at the latest, unless a PARTIAL comes */
    int64_t hard_us;     /* in any case */
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
/* FLIGHT becomes LEASED to WORKER for its attempt number ATTEMPT. */
struct lease *inflight_lease(struct inflight *self, struct flight *flight, struct worker *worker,
                             uint32_t attempt, const struct lease_times *times);
/* WORKER is busy with attempt ATTEMPT of query ID, which is not current any more (F2). */
struct lease *inflight_occupy(struct inflight *self, struct worker *worker, int64_t id,
                              uint32_t attempt, const struct lease_times *times);
/* Moves the end of LEASE, never beyond its deadline. */
void inflight_renew(struct inflight *self, struct lease *lease, int64_t end_us);
/* Ends LEASE: worker->in_flight goes down, flight->lease is NULL if this was the current one. Frees
 * it. */
void inflight_end_lease(struct inflight *self, struct lease *lease);
/* WORKER's lease of that id and attempt, or NULL. */
struct lease *inflight_lease_of(const struct inflight *self, const struct worker *worker,
                                int64_t id, uint32_t attempt);
/* Flights in state LEASED or COMMITTING: what counts against commit.queue. */
size_t inflight_outstanding(const struct inflight *self);
/* Flights in state BACKOFF, and in state HELD. */
size_t inflight_backing_off(const struct inflight *self);
size_t inflight_held(const struct inflight *self);
/* FLIGHT's lease, if it has one, is no longer the current one (F2). */
void inflight_disown(struct flight *flight);
/* True when WORKER has a lease that is the current one of its query. */
bool inflight_works(const struct inflight *self, const struct worker *worker);
/* Sets FLIGHT's state (LEASED only through inflight_lease()) and disarms its timer; what counts
 * states is put right. */
void inflight_state(struct inflight *self, struct flight *flight, enum flight_state state);
/* Arms FLIGHT's timer as a timer of that KIND (enum core_timer). */
void inflight_arm(struct inflight *self, struct flight *flight, int kind, int64_t due_us);
/* Walks all flights in no order; start with NULL. */
struct flight *inflight_walk(const struct inflight *self, const struct flight *after);
/* Remembers why the last attempt failed, cut at LIMIT_REASON. */
void inflight_reason(struct flight *flight, struct span reason);

#endif
