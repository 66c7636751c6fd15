/* Workers that answer at once, always the same, over libzmq alone: what a gateway can be asked to
 * bear. Each is a process with one connection. */
#ifndef TAILGATE_GATEWAY_BENCH_BENCH_WORKER_H
#define TAILGATE_GATEWAY_BENCH_BENCH_WORKER_H

#include "gateway/bench/bench_board.h"
#include "gateway/bench/bench_role.h"
#include "gateway/bench/bench_site.h"

enum bench_peer {
    BENCH_SLOTS,    /* Majordomo 0.2 with our options: SLOTS queries at once, heartbeats */
    BENCH_STOCK_02, /* Majordomo 0.2 as it is in the RFC: one at a time */
    BENCH_STOCK_01, /* Majordomo 0.1 */
    BENCH_REQ       /* a REQ socket, READY, and then query and answer in turn */
};

struct bench_worker {
    enum bench_peer peer;
    const char *gate;    /* the endpoint */
    const char *service; /* "*": all; BENCH_REQ has all */
    unsigned slots;
    size_t size; /* bytes of its answers */
    struct bench_board *board;
};

/* A bench_role_fn for a struct bench_worker; it runs until it is ended. */
int bench_worker_run(const void *work);
/* Starts COUNT processes like WORKER. 0, or -1 after bench_fail(), with all of them ended. */
int bench_workers_start(const struct bench_worker *worker, size_t count,
                        struct bench_role *ret_role);
/* Writes the answer that a worker gives, SIZE bytes (or the least it needs) and a NUL, to RET_TEXT,
 * which has room for SIZE + BENCH_TEXT_LEAST. Returns the size. */
size_t bench_answer_text(size_t size, char *ret_text);

/* Of bench_lockstep.c: BENCH_REQ, in the process of a worker. */
int bench_lockstep_run(const struct bench_worker *worker, void *context);

#endif
