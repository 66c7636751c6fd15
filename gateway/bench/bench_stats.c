#include "gateway/bench/bench_stats.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static int compare_integers(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

void bench_spread_of(double *value, size_t count, struct bench_spread *ret_spread)
{
    assert(count > 0);
    qsort(value, count, sizeof *value, compare_doubles);
    ret_spread->least = value[0];
    ret_spread->most = value[count - 1];
    ret_spread->median = (value[(count - 1) / 2] + value[count / 2]) / 2;
}

void bench_order(int64_t *value, size_t count)
{
    qsort(value, count, sizeof *value, compare_integers);
}

int64_t bench_percentile(const int64_t *ordered, size_t count, double percent)
{
    if (count == 0)
        return 0;
    double rank = ceil(percent / 100 * (double)count);
    size_t index = rank < 1 ? 0 : (size_t)rank - 1;
    return ordered[index < count ? index : count - 1];
}

void bench_judge(const struct bench_target *target, double value, double against,
                 struct bench_verdict *ret_verdict)
{
    double bound = target->limit * (target->against ? against : 1) + target->slack;

    ret_verdict->ratio = against == 0 ? 0 : value / against;
    ret_verdict->bound = bound;
    ret_verdict->met = target->at_least ? value >= bound : value <= bound;
}
