/* One worker: libtailgate towards the gateway, an adapter to a program, and what is decided between
 * them.
 *
 *             start              READY              GONE, or BROKEN / out of time, then GONE
 *   (made) ─────────▶ STARTING ─────────▶ SERVING ────────────────────▶ PAUSED ──back-off──▶
 * STARTING │                │   ▲                           │ │     Retry-After│   │its end │ │ ▼
 * │                           │ │               RESTING                          │ └────────
 * worker_stop(), from any ───────────────┴──────▶ DONE
 *
 * Invariants
 *   1. Every query taken ends as exactly one FINAL: the program's answer, an error with why, or its
 *      return, with why, when neither the query nor the program is to blame. (The
 *      library may send an answer once more over the next connection.)
 *   2. Registered only while the program can be given queries: when it ends, its queries are
 * reported first, then DISCONNECT is said, and READY only when it is there again. The loss of the
 * gateway ends nothing: the program works on, READY says on what, and what it answers meanwhile is
 * kept.
 *   3. At most `slots` queries are with the program: the library gives out no more.
 *   4. Nothing is held for ever: a query whose attempt is over (the library says so) is taken from
 *      the program, which costs it its process group when there is no other way, whatever the
 * gateway says, and whether it is there or not.
 *   5. A program that asked for a rest is offered nothing until then: what it works on ends first,
 *      then DISCONNECT is said, so that the gateway gives its queries to others. */
#ifndef TAILGATE_ADAPTERS_WORKER_WORKER_H
#define TAILGATE_ADAPTERS_WORKER_WORKER_H

#include "adapters/c/tailgate.h"
#include "adapters/worker/adapter.h"

#define WORKER_ITEMS (1 + ADAPTER_DESCRIPTORS)

struct worker;

/* Borrowed for the worker's life. */
struct worker_setup {
    struct tailgate_worker_options gate; /* name and slots are given; `later` is the worker's */
    const char *db; /* whose gate that is, to say why nobody is there; NULL: not known */
    const struct adapter *adapter;
    struct adapter_setup program;
    int64_t time_limit_us; /* for one query, from when the program got it; 0: none */
};

/* NULL when the library has no descriptor for it. */
struct worker *worker_new(const struct worker_setup *setup);
/* Ends what still runs, at once, and sets *self to NULL. */
void worker_destroy(struct worker **self);
/* The first start of its program: 0, or -errno when it cannot be started at all. */
int worker_start(struct worker *self, int64_t now_us);
/* Why it failed with CODE, for people; borrowed until the next call. */
const char *worker_why(const struct worker *self, int code);
/* Offers the program nothing more, waits for what it works on, says DISCONNECT, stops it; at once
 * when it works on nothing. Queries that are not finished when the worker leaves, and those that
 * came meanwhile, are returned, once each. Called once more: without waiting. */
void worker_stop(struct worker *self, int64_t now_us);
/* True when worker_stop() has been carried out. */
bool worker_done(const struct worker *self);
/* Fills in what to poll; returns how many. */
size_t worker_items(const struct worker *self, struct pollfd ret_item[WORKER_ITEMS]);
/* When worker_run() is to be called although nothing is ready; INT64_MAX: never. */
int64_t worker_due(const struct worker *self);
/* Does all that can be done without blocking. To be called when an item is ready, when worker_due()
 * has come, and when a child of this process has changed state. */
void worker_run(struct worker *self, int64_t now_us);

#endif
