/* The bare limit of handing out queries: a ROUTER that sends each worker the next one as soon as it
 * has answered. The workers are those that the gateway has (bench_worker.h); nothing is read but
 * whether a message is a READY, and nothing is kept. */
#ifndef TAILGATE_GATEWAY_BENCH_BENCH_BARE_ROUTER_H
#define TAILGATE_GATEWAY_BENCH_BENCH_BARE_ROUTER_H

#include "gateway/bench/bench_worker.h"

struct bench_bare_router {
    const struct bench_worker *worker; /* BENCH_REQ or BENCH_SLOTS; it binds at its gate */
    size_t size;                       /* bytes of a query */
    uint64_t count;                    /* of answers; it ends with the last one */
    int64_t pause_us;                  /* before each query, 0: none. With one each query's trip is
                                        * stamped: asked_us as it leaves, visible_us when its answer
                                        * is here */
    _Atomic int64_t *ended_us;         /* when that came */
};

/* A bench_role_fn for a struct bench_bare_router. */
int bench_bare_router_run(const void *work);
/* Runs WORKERS like WORKER against it until COUNT answers have come, and gives how many a second
 * that was, from when the first worker had a query. 0, or -1 after bench_fail(). */
int bench_bare_route(const struct bench_worker *worker, size_t workers, size_t size, uint64_t count,
                     double *ret_per_s);
/* Runs WORKER alone against it, with PAUSE_US before each query; the board has the trips. */
int bench_bare_hop(const struct bench_worker *worker, size_t size, uint64_t count,
                   int64_t pause_us);

#endif
