/* How long a group of the committer holds the write lock, and for how long it is left alone after
 * that (I8). Guests wait for a held lock in sleeps of their own (SQLite's busy handler: 1, 2, 5,
 * 10, 15, 20, 25, 25, 25, 50, 50, 100 ms), so that what they lose is not the time that we hold it,
 * but the next of those steps, each time that they find it held:
 *
 *  1. A group is as large as what can be written in PACE_WRITE_US, going by how long a job has
 *     taken lately: its COMMIT (and a slow disk's fsync) is not counted, as a smaller group would
 *     not make it shorter.
 *
 *  2. After holding the lock for t it is left alone for t * (100 - duty) / duty; for twice as long
 *     while somebody else writes. At a duty of 50 a writer then finds it held one time in three:
 *     that it does so six times in a row (53 ms) is rarer than one in a hundred by far, and with
 *     one time in two it is not.
 *
 * Pure: time is a parameter. */
#ifndef TAILGATE_GATEWAY_PACE_H
#define TAILGATE_GATEWAY_PACE_H

#include <stddef.h>
#include <stdint.h>

#define PACE_WRITE_US 6000
/* Jobs of a group at least, however long they take. */
#define PACE_LEAST 16
/* Somebody who has written so lately writes. */
#define PACE_GUEST_US 250000

/* All zeros is one that has seen nothing. */
struct pace {
    int64_t job_ns;   /* that a job takes; 0: not known */
    int64_t guest_us; /* when somebody else was last seen to have written (monotonic); 0: never */
};

/* JOBS jobs (at least one) were written in LASTED_US, without their COMMIT. */
void pace_wrote(struct pace *self, int64_t lasted_us, size_t jobs);
/* Somebody else has written, or holds the lock. */
void pace_guest(struct pace *self, int64_t now_us);
/* Jobs of the next group, at most MOST. */
size_t pace_group(const struct pace *self, size_t most);
/* How long the lock is left alone after it was held for HELD_US, at DUTY percent (1 to 100). */
int64_t pace_rest_us(const struct pace *self, int64_t now_us, int64_t held_us, unsigned duty);

#endif
