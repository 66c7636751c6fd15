/* The command line of `tailgate bench`. */
#ifndef TAILGATE_GATEWAY_BENCH_BENCH_OPTIONS_H
#define TAILGATE_GATEWAY_BENCH_BENCH_OPTIONS_H

#include "gateway/bench/bench.h"

#define BENCH_COMMAND "bench"
#define BENCH_FIGURES 64

/* What is to be done. */
struct bench_order {
    struct bench_options options;
    const struct bench_figure *figure[BENCH_FIGURES + 1]; /* ends with NULL */
};

/* Reads the command line. Returns -1 to go on, or the exit code to leave with. */
int bench_options_read(struct bench_order *ret_order, int argc, char **argv);

#endif
