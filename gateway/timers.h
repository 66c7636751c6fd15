/* A binary heap of instants that live inside their owners: what is due first comes first.
 *
 * Most timers are put off again and again and never come: one that is moved to a later instant
 * keeps its place, and goes to the new one when it is first in the heap. So the first one is always
 * where it belongs. */
#ifndef TAILGATE_GATEWAY_TIMERS_H
#define TAILGATE_GATEWAY_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer {
    int64_t due_us; /* monotonic */
    int64_t at_us;  /* of its place in the heap; never after due_us */
    size_t place;   /* 1-based; 0: not armed */
    int kind;       /* what it is for: the owner's business */
};

struct timers {
    struct timer **heap;
    size_t count, room;
};

void timers_init(struct timers *self);
/* Frees the heap; the timers in it must be gone or forgotten. */
void timers_done(struct timers *self);
/* Arms TIMER for DUE_US, or moves it there. */
void timers_arm(struct timers *self, struct timer *timer, int64_t due_us);
/* Takes TIMER out; harmless when it is not armed. */
void timers_disarm(struct timers *self, struct timer *timer);
/* When the first one is due; INT64_MAX when none is armed. */
int64_t timers_next(const struct timers *self);
/* Takes out and returns the first timer that is due at NOW_US, or NULL. */
struct timer *timers_take(struct timers *self, int64_t now_us);

#endif
