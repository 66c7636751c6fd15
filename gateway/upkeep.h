/* What a gateway does now and then so that it can run for months: the low-water mark moves up, what
 * is parked below it is looked at again, what is only ours and over is removed, presence is told.
 *
 *  U1. Every row at or below the mark is settled, not ours, or parked: an unread query in a live
 *      conversation is in tailgate_parked. So a start reads only what is parked and what is above.
 *
 *  U2. The mark passes a row `park.after` after the tail has seen it, whatever became of it.
 *
 *  U3. What the core has forgotten (a living agent's session, a person's read = 0 that `doctor`
 *      found) comes back by the second look at what is parked.
 *
 *  U4. But for a look once an hour, nothing here is due while no rows come and nothing is parked or
 *      in flight (I9). No step looks at more than a bounded number of rows, and what is parked
 * takes at most a quarter of the time at that pace. */
#ifndef TAILGATE_GATEWAY_UPKEEP_H
#define TAILGATE_GATEWAY_UPKEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UPKEEP_SAMPLES 8
#define UPKEEP_PARKS 1000 /* ids in one JOB_MARK */

struct upkeep {
    int64_t mark; /* as submitted: U1 holds for it once the committer has got there */
    struct {
        int64_t at_us, cursor;
    } sample[UPKEEP_SAMPLES]; /* where the tail was, oldest first */
    size_t samples;
    int64_t sample_us; /* no first sample before: the database has refused a mark */
    int64_t passed;    /* as committed: U1 holds for it */
    int64_t history;   /* rows up to here were there before the first start: what is over there was
                        * never ours */
    int64_t scanned;   /* rows up to here have been looked at for the next mark */
    int64_t *parks;    /* UPKEEP_PARKS of room: what that has found */
    size_t park_count;
    bool marking;           /* a JOB_MARK is under way */
    bool parked;            /* tailgate_parked may have rows */
    int64_t looked;         /* parked rows up to here have been looked at in this round */
    int64_t round_us;       /* when this round began */
    int64_t look_us;        /* when the next step of looking is due */
    int64_t retire_us;      /* when the next step of removing is due */
    bool retiring;          /* one is under way */
    int64_t present_us;     /* when presence is told again */
    struct holder *holders; /* processes that may still work on what they had before the restart */
    size_t holder_count, holder_room;
    int64_t holders_us; /* when they are looked at again */
};

#endif
