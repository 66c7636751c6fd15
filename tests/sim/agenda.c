/* Chance, and the agenda: a heap of what is to happen, by time, then by when it was decided. */
#include "proto/buffer.h"
#include "tests/sim/sim.h"

static uint64_t draw(struct sim *self)
{
    self->random ^= self->random << 13;
    self->random ^= self->random >> 7;
    self->random ^= self->random << 17;
    return self->random * UINT64_C(2685821657736338717) >> 32;
}

unsigned below(struct sim *self, unsigned bound)
{
    return (unsigned)(draw(self) % bound);
}

int64_t between(struct sim *self, int64_t least, int64_t most)
{
    return least + (int64_t)(draw(self) % (uint64_t)(most - least + 1));
}

bool strikes(struct sim *self, enum fault fault, unsigned of)
{
    if (self->calm || !self->enabled[fault] || below(self, of))
        return false;
    self->totals->faults[fault]++;
    return true;
}

static bool is_before(const struct item *a, const struct item *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

void run_at(struct sim *self, int64_t at_us, enum what what, unsigned a, unsigned b, unsigned c)
{
    struct item item = {at_us, self->order++, what, a, b, c};
    size_t at = self->items++;

    if (self->items > self->room) {
        self->room = self->room ? self->room * 2 : 256;
        self->heap = memory_grow(self->heap, self->room * sizeof *self->heap);
    }
    for (; at > 0 && is_before(&item, &self->heap[(at - 1) / 2]); at = (at - 1) / 2)
        self->heap[at] = self->heap[(at - 1) / 2];
    self->heap[at] = item;
}

struct item agenda_take(struct sim *self)
{
    struct item first = self->heap[0], last = self->heap[--self->items];
    size_t at = 0, child;

    while ((child = 2 * at + 1) < self->items) {
        if (child + 1 < self->items && is_before(&self->heap[child + 1], &self->heap[child]))
            child++;
        if (!is_before(&self->heap[child], &last))
            break;
        self->heap[at] = self->heap[child];
        at = child;
    }
    self->heap[at] = last;
    return first;
}
