/* What a service manager is told of a running gateway, and when: that it is alive only while it
 * gets on, and how it is, in one line, seldom and only when that has changed. Pure: time is a
 * parameter, the caller sends.
 *
 *  V1. A beat is due every half of the watchdog's time. There is none while one transaction of the
 *      committer has lasted for longer than that time: the disk does not come back, and a restart
 *      is wanted. (Until then it is looked at more often, so that one that ends in time is seen.)
 *      A lock that somebody else holds is no such transaction (committer.h, C3).
 *
 *  V2. How it is, is looked at once in VITALS_LOOK_US, when the loop turns anyway: nothing is ever
 *      due for it. */
#ifndef TAILGATE_GATEWAY_VITALS_H
#define TAILGATE_GATEWAY_VITALS_H

#include <stdbool.h>
#include <stdint.h>

#define VITALS_LOOK_US INT64_C(5000000)
#define VITALS_STATUS_SIZE 200

struct vitals {
    bool wanted;                     /* somebody is told */
    int64_t watchdog_us;             /* 0: no beats */
    int64_t beat_us;                 /* when the next one is due */
    int64_t look_us;                 /* when the status is looked at again */
    char status[VITALS_STATUS_SIZE]; /* as told */
};

/* WANTED false: nothing is ever told or due. */
void vitals_init(struct vitals *self, bool wanted, int64_t watchdog_us, int64_t now_us);
/* True when a beat is to be sent now. BUSY_SINCE_US: when the committer's transaction began; 0:
 * there is none. */
bool vitals_beats(struct vitals *self, int64_t now_us, int64_t busy_since_us);
/* When vitals_beats() is to be asked again; INT64_MAX: never. */
int64_t vitals_due(const struct vitals *self);
/* True when the status is to be looked at now, and told if vitals_changed(). */
bool vitals_looks(struct vitals *self, int64_t now_us);
/* TEXT is the status at NOW_US. True when it is to be told: it is another one than was told. */
bool vitals_changed(struct vitals *self, int64_t now_us, const char *text);

#endif
