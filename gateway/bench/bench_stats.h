/* Medians, spreads, percentiles, and whether a target is met. */
#ifndef TAILGATE_GATEWAY_BENCH_BENCH_STATS_H
#define TAILGATE_GATEWAY_BENCH_BENCH_STATS_H

#include "gateway/bench/bench.h"

struct bench_spread {
    double median, least, most;
};

/* Of COUNT values (at least one), which are put in order. */
void bench_spread_of(double *value, size_t count, struct bench_spread *ret_spread);
/* The value that PERCENT of COUNT values, in order, do not exceed (nearest rank); 0 where there is
 * none. */
int64_t bench_percentile(const int64_t *ordered, size_t count, double percent);
/* Puts COUNT values in order. */
void bench_order(int64_t *value, size_t count);

/* What became of a target whose two medians are VALUE and AGAINST (1 where it has no other side).
 */
struct bench_verdict {
    double ratio; /* VALUE divided by AGAINST; 0 where AGAINST is 0 */
    double bound; /* what VALUE may be at most, or has to be at least */
    bool met;
};
void bench_judge(const struct bench_target *target, double value, double against,
                 struct bench_verdict *ret_verdict);

#endif
