/* A program that asks and waits for its reply by reading the file, as `tailgate ask --db` does: it
 * sleeps until the folder's watch says that somebody writes. One that looked every few microseconds
 * would take a part of the processors away from what it measures. */
#ifndef TAILGATE_GATEWAY_BENCH_BENCH_ASKER_H
#define TAILGATE_GATEWAY_BENCH_BENCH_ASKER_H

#include "gateway/bench/bench_board.h"
#include "gateway/bench/bench_site.h"

struct bench_asker {
    struct bench_site *site;
    uint64_t count;   /* of queries, one after the other: numbers 0 and up, the only rows */
    int64_t pause_us; /* between them */
    struct bench_board *board; /* asked_us, committed_us, visible_us */
};

/* A bench_role_fn for a struct bench_asker; it ends with its last reply. */
int bench_asker_run(const void *work);

#endif
