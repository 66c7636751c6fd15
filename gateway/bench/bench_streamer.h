/* Answers that come in parts, many at once: one worker with a query in each of its slots says a
 * part of one after the other, and an observer reads along. */
#ifndef TAILGATE_GATEWAY_BENCH_BENCH_STREAMER_H
#define TAILGATE_GATEWAY_BENCH_BENCH_STREAMER_H

#include "gateway/bench/bench_board.h"
#include "gateway/bench/bench_site.h"

/* Part N is said as number N of the board: committed_us when the worker sends it, received_us when
 * the observer has its event. Stream S has the parts S, S + STREAMS, … */
struct bench_streamer {
    const struct bench_site *site;
    size_t streams;   /* queries, 1 to 1000; the parts begin once it has all of them */
    uint64_t parts;   /* of all streams */
    int64_t pause_us; /* between two parts, of whatever streams */
    struct bench_board *board;
};

#define BENCH_EXTRA_SAID 0 /* of the board: 1 when the worker has sent all parts and answers */

/* A bench_role_fn for a struct bench_streamer: the worker. It runs until it is ended. */
int bench_streamer_run(const void *work);
/* A bench_role_fn for a struct bench_streamer: the observer. It runs until it is ended. */
int bench_reader_run(const void *work);

#endif
