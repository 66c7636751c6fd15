/* When to look whether somebody committed: pure policy, times in microseconds of a monotonic clock.
 *
 * A hint (inotify) comes before the commit it announces is visible, and nothing follows it. So a
 * hint starts a series of checks of the proof (data_version): at once, then after 20 us, each pause
 * a quarter longer than the last up to 25 ms, for up to 10 s, because an fsync may take that long.
 * So what becomes visible t after its hint is noticed t/4 later at most, with 30 checks in the
 * first 100 ms. (Doubling would need 12, and may notice it only after as long again.) Three rules
 * end a series early:
 *
 *  W1. A proof that comes after a check that said no settles every hint before that check: writers
 *      take turns, so whoever gave those hints is the one that has now become visible.
 *
 *  W2. A proof without such a check may hide a second writer behind the first; the series goes on,
 *      but only for 1 s: an fsync longer than that falls to the safety net, which is counted.
 *
 *  W3. A file that was merely closed is looked at once: all its process did is visible by then.
 *
 * The safety net checks every 500 ms without any hint; what it finds counts as a miss of this
 * design. */
#ifndef TAILGATE_ADAPTERS_BRIDGE_WAKE_H
#define TAILGATE_ADAPTERS_BRIDGE_WAKE_H

#include <stdbool.h>
#include <stdint.h>

#define WAKE_FIRST_US 20          /* the first re-check after a hint */
#define WAKE_GROWTH 4             /* each pause is longer than the last by this part of it */
#define WAKE_SLOWEST_US 25000     /* the longest pause between re-checks */
#define WAKE_UNPROVEN_US 10000000 /* how long a hint without proof is followed */
#define WAKE_DOUBT_US 1000000     /* how long a proof that may hide another is followed (W2) */
#define WAKE_NET_US 500000        /* the safety net */

struct wake {
    int64_t next_us;                            /* the next check of the series */
    int64_t pause_us;                           /* between the checks of the series */
    int64_t until_us;                           /* the series ends here */
    int64_t net_us;                             /* the next check of the safety net */
    bool following;                             /* a series is going on */
    bool denied;                                /* a check since the last hint said no (W1) */
    bool glance;                                /* look once (W3) */
    uint64_t hints, proofs, rechecks, net_hits; /* counters for status */
};

/* Starts with one check due at once. */
void wake_init(struct wake *self, int64_t now_us);
/* Something was written: starts a series. */
void wake_hint(struct wake *self, int64_t now_us);
/* A file was closed: look once. */
void wake_glance(struct wake *self);
/* True when a check is due. Take all waiting hints before each check. */
bool wake_due(const struct wake *self, int64_t now_us);
/* Tells what the check said: CHANGED is the proof. */
void wake_checked(struct wake *self, int64_t now_us, bool changed);
/* When the next check is due. */
int64_t wake_next(const struct wake *self);

#endif
