/* How long a group of the committer holds the write lock, and for how long it is left alone after
 * that (I8). Guests wait for a held lock in sleeps of their own (SQLite's busy handler: 1, 2, 5,
 * 10, 15, 20, 25, 25, 25, 50, 50, 100 ms), so that what they lose is not the time that we hold it,
 * but the next of those steps, each time that they find it held:
 *
 *  1. A group is as large as what can be written in PACE_WRITE_US, going by how long a job has
 *     taken lately; or in as long as a COMMIT has taken lately, where that is longer: the lock is
 *     held for at most twice as long for it, and a slow disk's sync is shared by more. Never in
 *     more than PACE_WRITE_MOST_US.
 *
 *  2. After holding the lock for t it is left alone for t * (100 - duty) / duty.
 *
 *  3. While somebody else writes, PACE_GUEST_WRITE_US is in the place of PACE_WRITE_US, and the
 *     lock is left alone for PACE_GUEST_REST times as long: at a duty of 50 it is held a fifth of
 *     the time, other guests hold it for another tenth, and whoever wants it has it at the fourth
 *     try, 8 ms after the first, 99 times in a hundred. Few and long holds would do as well if it
 *     were for that share alone: but one of 3 ms meets the first three tries of whoever comes as
 *     it begins.
 *
 *  4. A lone reply has nothing waiting behind it, and its asker has the next question to write: it
 *     is followed by PACE_LONE_REST times the rest only.
 *
 * Pure: time is a parameter. */
#ifndef TAILGATE_GATEWAY_PACE_H
#define TAILGATE_GATEWAY_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACE_WRITE_US 6000
#define PACE_WRITE_MOST_US 50000
/* Jobs of a group at least, however long they take; and at most before one has been written. */
#define PACE_LEAST 16
#define PACE_FIRST 1000
/* Somebody who has written so lately writes. */
#define PACE_GUEST_US 250000
#define PACE_GUEST_WRITE_US 500
#define PACE_GUEST_REST 4
#define PACE_LONE_REST 2

/* All zeros is one that has seen nothing. */
struct pace {
    int64_t wrote_ns, jobs; /* of the last groups, the older the less; 0: none */
    int64_t commit_us;      /* that a COMMIT takes; 0: not known */
    int64_t guest_us; /* when somebody else was last seen to have written (monotonic); 0: never */
};

/* JOBS jobs (at least one) were written in WROTE_US, and their COMMIT has taken COMMIT_US. */
void pace_wrote(struct pace *self, size_t jobs, int64_t wrote_us, int64_t commit_us);
/* Somebody else has written, or holds the lock. */
void pace_guest(struct pace *self, int64_t now_us);
/* True while somebody else writes. */
bool pace_has_guests(const struct pace *self, int64_t now_us);
/* Jobs of the next group, at most MOST. */
size_t pace_group(const struct pace *self, int64_t now_us, size_t most);
/* How long the lock is left alone after it was held for HELD_US from about NOW_US, by a group of
 * JOBS or by what is none (0), at DUTY percent (1 to 100). */
int64_t pace_rest_us(const struct pace *self, int64_t now_us, int64_t held_us, size_t jobs,
                     unsigned duty);

#endif
