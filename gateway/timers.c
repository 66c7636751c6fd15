#include "gateway/timers.h"

#include <stdlib.h>
#include <string.h>

#include "proto/buffer.h"

void timers_init(struct timers *self)
{
    memset(self, 0, sizeof *self);
}

void timers_done(struct timers *self)
{
    free(self->heap);
    memset(self, 0, sizeof *self);
}

static void put(struct timers *self, struct timer *timer, size_t place)
{
    self->heap[place - 1] = timer;
    timer->place = place;
}

static void sift(struct timers *self, struct timer *timer, size_t place)
{
    while (place > 1 && self->heap[place / 2 - 1]->at_us > timer->at_us) {
        put(self, self->heap[place / 2 - 1], place);
        place /= 2;
    }
    for (;;) {
        size_t child = place * 2;
        if (child > self->count)
            break;
        if (child < self->count && self->heap[child]->at_us < self->heap[child - 1]->at_us)
            child++;
        if (self->heap[child - 1]->at_us >= timer->at_us)
            break;
        put(self, self->heap[child - 1], place);
        place = child;
    }
    put(self, timer, place);
}

/* Brings the first one that is due to the front. */
static void settle(struct timers *self)
{
    while (self->count && self->heap[0]->at_us < self->heap[0]->due_us) {
        self->heap[0]->at_us = self->heap[0]->due_us;
        sift(self, self->heap[0], 1);
    }
}

void timers_arm(struct timers *self, struct timer *timer, int64_t due_us)
{
    timer->due_us = due_us;
    if (timer->place == 0) {
        if (self->count == self->room) {
            self->room = self->room ? self->room * 2 : 16;
            self->heap = memory_grow(self->heap, self->room * sizeof(struct timer *));
        }
        timer->place = ++self->count;
        timer->at_us = INT64_MAX;
        self->heap[timer->place - 1] = timer;
    }
    if (timer->place == 1 || due_us < timer->at_us) {
        timer->at_us = due_us;
        sift(self, timer, timer->place);
    }
    settle(self);
}

void timers_disarm(struct timers *self, struct timer *timer)
{
    size_t place = timer->place;
    struct timer *last;

    if (place == 0)
        return;
    timer->place = 0;
    last = self->heap[--self->count];
    if (last != timer)
        sift(self, last, place);
    settle(self);
}

int64_t timers_next(const struct timers *self)
{
    return self->count ? self->heap[0]->due_us : INT64_MAX;
}

struct timer *timers_take(struct timers *self, int64_t now_us)
{
    struct timer *first = self->count ? self->heap[0] : NULL;

    if (!first || first->due_us > now_us)
        return NULL;
    timers_disarm(self, first);
    return first;
}
