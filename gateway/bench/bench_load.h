/* A backlog that is answered, with everything else that may be large given: how fast, and what one
 * query costs the gateway. */
#ifndef TAILGATE_GATEWAY_BENCH_BENCH_LOAD_H
#define TAILGATE_GATEWAY_BENCH_BENCH_LOAD_H

#include "gateway/bench/bench.h"

/* 0 is what is not asked about: no history, one conversation, one service, the crew of the figure
 * `backlog`, no observer. */
struct bench_load {
    uint64_t history; /* queries that were answered long ago */
    uint64_t backlog;
    uint64_t conversations, services;
    size_t workers;   /* connections, with 1000 slots together; 0: 4 processes with 100 each */
    size_t observers; /* of everything */
};

/* Values: first_start_s (with the history that nobody has seen), start_ms (the one after that),
 * served_per_s (from the first dispatch to the last commit), cpu_us (of the gateway, for a query),
 * anonymous_bytes (the most it had), responses_missed_percent (by observers). The counts are those
 * at scale 1. Returns 0, or -1 after bench_fail(). */
int bench_load_run(struct bench *bench, const struct bench_load *load,
                   struct bench_sample *ret_sample);

#endif
