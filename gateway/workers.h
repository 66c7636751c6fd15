/* Registered workers: who they are, whether they live, who is next.
 *
 *  W1. A worker with a free slot stands in the idle list of its service, least recently used first;
 *      one registered for all services (`*`) in a list of its own.
 *
 *  W2. A Majordomo worker, of either version, is alive while it was heard within 3 of its heartbeat
 *      intervals; while it is busy this holds only when it said that it heartbeats then. A plain
 *      REQ or REP worker cannot heartbeat: its lease decides.
 *
 *  W3. A worker that is full (its ZeroMQ queue) gets nothing until it is heard again; one that
 *      works on nothing any more, its leases all being over, is given up instead. */
#ifndef TAILGATE_GATEWAY_WORKERS_H
#define TAILGATE_GATEWAY_WORKERS_H

#include "gateway/pending.h"
#include "gateway/timers.h"
#include "proto/identity.h"
#include "proto/options.h"
#include "proto/peer.h"

#define WORKERS_MISSED_BEATS 3

/* The kinds of timers in the core. */
enum core_timer { TIMER_WORKER, TIMER_LEASE, TIMER_HOLD, TIMER_BACKOFF, TIMER_RECORD, TIMER_PAUSE };

enum worker_protocol {
    WORKER_MDP_02, /* Majordomo 0.2 */
    WORKER_MDP_01, /* Majordomo 0.1: the same in other frames, without PARTIAL */
    WORKER_REQ,    /* a plain REQ socket: READY, query, answer, query … */
    WORKER_REP,    /* a plain REP socket that the gateway dials: query, answer, query … */
    WORKER_PROTOCOLS
};

/* The frames that a bare peer's socket puts in front, echoed verbatim in front of what it gets. */
struct envelope {
    uint8_t count; /* 0 to 2 */
    uint8_t size[2];
    char data[2][LIMIT_ENVELOPE_SIZE];
};

struct lease;

struct worker {
    struct peer peer;
    enum worker_protocol protocol;
    struct envelope envelope;
    struct worker_options options;       /* name never empty here */
    struct service *service;             /* held; NULL: all services */
    int64_t since_us, heard_us, sent_us; /* registered; last heard; last sent to */
    int64_t pid;                         /* of its process, where that is known; else 0 */
    struct identity verified;            /* who registered it */
    uint64_t served;                     /* answers taken from it */
    uint32_t in_flight;                  /* leases it has */
    struct lease *leases;                /* inflight's: what it works on */
    bool stalled;                        /* W3 */
    struct timer timer; /* its next heartbeat and look at its life; not for REQ and REP */
    /* workers' own */
    struct table_node node;
    struct worker *idle_next, *idle_previous;
    bool idle;
};

struct workers;

/* SEED keys the hash table; BEAT_US is our heartbeat interval; TIMERS and PENDING are borrowed. */
struct workers *workers_new(uint64_t seed, int64_t beat_us, struct timers *timers,
                            struct pending *pending);
void workers_destroy(struct workers **self);
/* Registers a worker that workers_find() does not know. SERVICE may be SERVICE_ALL. An empty name
 * becomes "worker-<n>". NULL when there are LIMIT_WORKERS workers or LIMIT_SERVICES services. */
struct worker *workers_add(struct workers *self, int64_t now_us, const struct peer *peer,
                           enum worker_protocol protocol, const struct envelope *envelope,
                           struct span service, const struct worker_options *options);
/* WORKER registers again, for SERVICE and with OPTIONS: all is as after workers_add(), but that it
 * keeps its leases. False when there are LIMIT_SERVICES services: nothing has changed. */
bool workers_again(struct workers *self, int64_t now_us, struct worker *worker,
                   enum worker_protocol protocol, const struct envelope *envelope,
                   struct span service, const struct worker_options *options);
/* Forgets WORKER, whose leases must be gone, and frees it. */
void workers_remove(struct workers *self, int64_t now_us, struct worker *worker);
struct worker *workers_find(const struct workers *self, const struct peer *peer);
/* It said something: it lives, and may be served again (W3). */
void workers_heard(struct workers *self, struct worker *worker, int64_t now_us);
/* It was given a query, or gave one back: in_flight changed; W1 is put right again. */
void workers_used(struct workers *self, struct worker *worker);
/* It is full: nothing for it until it is heard (W3). */
void workers_stall(struct workers *self, struct worker *worker);
/* True when somebody is free for SERVICE. */
bool workers_free(const struct workers *self, const struct service *service);
/* Who is next for a query of SERVICE: its own workers first, then those for all; among them the one
 * that was last given a query of this CONVERSATION (its memory may still be warm), unless it is
 * busier than the least recently used, else that one. NULL when nobody is free. */
struct worker *workers_pick(const struct workers *self, const struct service *service,
                            uint64_t conversation);
/* WORKER is given a query of CONVERSATION. */
void workers_chose(struct workers *self, struct worker *worker, uint64_t conversation);
/* True when a worker for all services is free. */
bool workers_any_idle(const struct workers *self);
/* True when somebody, free or not, is registered for SERVICE (NULL: one that nobody named) or for
 * all services. */
bool workers_serve(const struct workers *self, const struct service *service);
/* When the last one left who was; 0: nobody was, as far as is known. */
int64_t workers_left(const struct workers *self, const struct service *service);
/* When WORKER counts as gone unless it is heard (W2); INT64_MAX when silence proves nothing. */
int64_t workers_silent_from(const struct workers *self, const struct worker *worker);
/* How often we beat to WORKER, microseconds: at our interval, or at its own when that is smaller.
 */
int64_t workers_beat(const struct workers *self, const struct worker *worker);
/* Arms its timer for the next heartbeat or look at its life, whichever comes first, and not at
 * once. */
void workers_rearm(struct workers *self, struct worker *worker, int64_t now_us);
size_t workers_count(const struct workers *self);
/* Walks all workers in no order; start with NULL. */
struct worker *workers_walk(const struct workers *self, const struct worker *after);
/* "MDP/0.2", "MDP/0.1", "REQ" or "REP". */
const char *worker_protocol_name(enum worker_protocol protocol);
/* It speaks Majordomo; else it is plain: it has one query at a time, and whatever it says is its
 * answer. */
bool worker_is_majordomo(enum worker_protocol protocol);
/* It heartbeats and is beaten to (W2). */
bool worker_beats(enum worker_protocol protocol);
/* It is told when it is given up: by a DISCONNECT, or as its connection, which is ours, ends. A REQ
 * worker cannot be: it would take that for a query. */
bool worker_is_dismissed(enum worker_protocol protocol);
/* The name of the service a worker registered for. */
const char *worker_service(const struct worker *worker);

#endif
