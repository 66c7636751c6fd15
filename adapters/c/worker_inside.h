/* A worker as worker.c (its life and its thread's part), worker_calls.c (what callers do with it)
 * and query.c (what they do with a query) share it.
 *
 *            thread                              callers
 *   socket ──▶ link ──▶ flights ──▶ offered ──▶ tailgate_query
 *     ▲         │  ▲                                │
 *     └─────────┘  └────── answers, parts ◀─────────┘
 *
 * Invariants
 *   1. Everything here is guarded by `lock`. Only the loop's thread touches the link's socket.
 *   2. A flight ends once: by its caller's answer, error or return, or by the library when no
 *      caller has it.
 *   3. At most `slots` flights are with callers. As many again wait, for a gateway that came back
 *      and does not know yet what is held; what is beyond is given back at once.
 *   4. The bell rings exactly while tailgate_worker_next() has something to give. */
#ifndef TAILGATE_ADAPTERS_C_WORKER_INSIDE_H
#define TAILGATE_ADAPTERS_C_WORKER_INSIDE_H

#include <pthread.h>

#include "adapters/c/flights.h"
#include "adapters/c/link.h"
#include "adapters/c/loop.h"
#include "adapters/c/notices.h"

struct tailgate_worker {
    struct tailgate_loop *loop;
    bool own_loop;
    struct loop_seat seat;
    pthread_mutex_t lock;
    pthread_cond_t news; /* for callers that wait: something to give, or something has ended */
    size_t holders;      /* who uses this memory: the caller, and each query that is out */
    int bell;
    bool ringing;

    struct curve_client curve; /* without a server key: none */
    char *endpoint, *service;
    size_t slots;
    void (*notice)(void *context, const struct tailgate_event *event);
    void *context;

    struct link *link; /* NULL once it is closed */
    struct flights flights;
    struct notices notices;
    char problem[256];    /* the last reason for not being registered; "" while it is */
    bool joined;          /* tailgate_worker_join() was called last, not _leave() */
    bool held;            /* tailgate_worker_hold() */
    bool stopped;         /* tailgate_worker_stop() */
    bool told_of_sending; /* SENT was asked for */
    bool busy;            /* callers have left word for the thread */
    bool gathering;       /* tailgate_worker_gather() */
    bool unrung;          /* busy, and the thread was not woken for that yet */
    uint64_t asked,
        done; /* turns of the thread that were asked for, and the last one that was made */
};

/* A query that a caller has. */
struct tailgate_query {
    struct tailgate_worker *worker;
    struct flight *flight; /* owned once it has ended; until then it is in the worker's flights */
    char token[LINK_TOKEN_MAX + 1];
    char service[256], conversation[256], sender[256], sender_name[256];
    unsigned attempt;
    char *question; /* made when it is asked for */
    size_t question_size;
};

/* Under the lock: brings the bell and those who wait up to date with what there is to give. */
void worker_announce(struct tailgate_worker *self);
/* Under the lock: what callers left is looked at by the thread. Returns the number of the turn in
 * which that will have happened. */
uint64_t worker_ask(struct tailgate_worker *self);
/* Under the lock: wakes the thread for what was left, unless more is gathered first. */
void worker_ring(struct tailgate_worker *self);
/* Under the lock: sends a final body for the flight's token, and takes the flight out. Returns 0 or
 * 1 as link_final(), and says DROPPED where that failed. */
int worker_end(struct tailgate_worker *self, struct flight *flight, struct span body);
/* Under the lock: ends a flight that no caller has, gives it back (FAILED: as an error, to be tried
 * again) for REASON, and says so. */
void worker_refuse(struct tailgate_worker *self, struct flight *flight, bool failed,
                   const char *reason);
/* Appends {"type":"error","error":REASON,"retry":RETRY} or {"type":"return","error":REASON}. */
struct buffer;
void worker_compose_error(struct buffer *ret_body, const char *reason, bool retry);
void worker_compose_return(struct buffer *ret_body, const char *reason);
/* One that used this memory does so no more; frees it after the last. Without the lock. */
void worker_release(struct tailgate_worker *self);
/* A query that CALLERS get for FLIGHT. */
struct tailgate_query *query_new(struct tailgate_worker *worker, struct flight *flight);

#endif
