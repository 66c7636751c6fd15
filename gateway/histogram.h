/* How often values of which size came. The buckets' upper bounds double, so that 26 of them reach
 * from 100 microseconds to an hour, each value within a factor of two.
 *
 * No allocation, no clock, and adding costs a division and two additions: it is done for each
 * query. Whoever shows one reads the struct. */
#ifndef TAILGATE_GATEWAY_HISTOGRAM_H
#define TAILGATE_GATEWAY_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BOUNDS_MAX 32
/* A larger value counts as this, so that no clock that is wrong by years spoils the sum. */
#define HISTOGRAM_VALUE_MAX ((int64_t)1 << 40)

struct histogram {
    uint64_t first; /* the first bound; each further one is twice the one before it */
    size_t bounds;  /* how many there are */
    uint64_t count[HISTOGRAM_BOUNDS_MAX + 1]; /* values up to each bound and above the one before
                                               * it; the last: above all bounds */
    uint64_t sum;                             /* of the values */
};

/* An empty one: FIRST is not 0, BOUNDS at most HISTOGRAM_BOUNDS_MAX. */
void histogram_init(struct histogram *self, uint64_t first, size_t bounds);
/* Counts VALUE; one below 0 (a clock was set back between its two readings) counts as 0. */
void histogram_add(struct histogram *self, int64_t value);
/* The bound of bucket INDEX, inclusive. */
uint64_t histogram_bound(const struct histogram *self, size_t index);
/* How many values there were. */
uint64_t histogram_total(const struct histogram *self);

#endif
