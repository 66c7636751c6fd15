/* Many connections in one process, each a socket of its own: workers that answer at once, or
 * observers. A process for each of a thousand would measure the kernel's scheduler. */
#ifndef TAILGATE_GATEWAY_BENCH_BENCH_CROWD_H
#define TAILGATE_GATEWAY_BENCH_BENCH_CROWD_H

#include "gateway/bench/bench_board.h"
#include "gateway/bench/bench_role.h"
#include "gateway/bench/bench_site.h"

enum bench_kind {
    BENCH_CROWD_WORKERS, /* Majordomo 0.2, for all services */
    BENCH_CROWD_OF_ONE,  /* observers: number N of the rows of conversation N */
    BENCH_CROWD_OF_ALL,  /* observers of everything, event by event */
    BENCH_CROWD_BATCHED  /* the same in batches */
};

struct bench_crowd {
    const struct bench_site *site;
    enum bench_kind kind;
    size_t count;
    unsigned slots;            /* of each worker */
    struct bench_board *board; /* workers: received_us; observers: extra[BENCH_EXTRA_ROWS] */
};

#define BENCH_EXTRA_ROWS 0      /* query and response events that observers had, of all together */
#define BENCH_EXTRA_RESPONSES 3 /* those of them that are responses */
#define BENCH_EXTRA_THERE 1     /* connections that have heard from the gateway */

/* Starts the process. 0, or -1 after bench_fail(). */
int bench_crowd_start(const struct bench_crowd *crowd, struct bench_role *ret_role);
/* Waits until COUNT connections, of all crowds, have heard from the gateway. 0, or -1 after
 * bench_fail(). */
int bench_crowd_await(struct bench_board *board, size_t count);
/* Lets this process, and those that it starts, have as many descriptors as it may. */
void bench_crowd_descriptors(void);

#endif
