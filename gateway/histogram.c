#include "gateway/histogram.h"

#include <assert.h>

void histogram_init(struct histogram *self, uint64_t first, size_t bounds)
{
    assert(first > 0 && bounds > 0 && bounds <= HISTOGRAM_BOUNDS_MAX);
    *self = (struct histogram){.first = first, .bounds = bounds};
}

void histogram_add(struct histogram *self, int64_t value)
{
    uint64_t size = value < 0 ? 0 : (uint64_t)value;
    uint64_t steps;
    size_t index = 0;

    if (value > HISTOGRAM_VALUE_MAX)
        size = (uint64_t)HISTOGRAM_VALUE_MAX;
    /* the first index with size <= first << index, that is, with (size - 1) / first < 1 << index */
    steps = size ? (size - 1) / self->first : 0;
    if (steps)
        index = 64 - (size_t)__builtin_clzll(steps);
    self->count[index < self->bounds ? index : self->bounds]++;
    self->sum += size;
}

uint64_t histogram_bound(const struct histogram *self, size_t index)
{
    return self->first << index;
}

uint64_t histogram_total(const struct histogram *self)
{
    uint64_t total = 0;

    for (size_t i = 0; i <= self->bounds; i++)
        total += self->count[i];
    return total;
}
