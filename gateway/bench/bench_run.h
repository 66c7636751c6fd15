/* The rounds: every side of a figure, one after the other, again and again. */
#ifndef TAILGATE_GATEWAY_BENCH_BENCH_RUN_H
#define TAILGATE_GATEWAY_BENCH_BENCH_RUN_H

#include "gateway/bench/bench.h"
#include "gateway/bench/bench_stats.h"

/* One value of one side. */
struct bench_series {
    const char *name;
    double round[BENCH_ROUNDS]; /* as they came */
    size_t rounds;
    struct bench_spread spread;
};

struct bench_side_result {
    struct bench_series series[BENCH_VALUES];
    size_t count;
};

struct bench_result {
    const struct bench_figure *figure;
    size_t size; /* bytes of a query */
    struct bench_side_result side[BENCH_SIDES];
    struct bench_verdict verdict[BENCH_SIDES]; /* of each target */
};

/* Measures FIGURE. Returns 0, or -1 after bench_fail(). */
int bench_run(struct bench *bench, const struct bench_figure *figure,
              struct bench_result *ret_result);
/* How many sides and targets there are. */
size_t bench_sides(const struct bench_figure *figure);
size_t bench_targets(const struct bench_figure *figure);
/* The series VALUE of the side called SIDE; NULL: it was not measured. */
const struct bench_series *bench_find(const struct bench_result *result, const char *side,
                                      const char *value);

#endif
