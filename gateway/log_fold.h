/* Which warnings are written when one comes again and again: of those that say the same, the first
 * LOG_FOLD_FIRST of a window of time, and at its end how many more there were. Bounded: an event
 * has LOG_FOLD_REASONS reasons of its own at most, what comes beyond them counts as "other".
 * Pure: time is a parameter; the caller locks. */
#ifndef TAILGATE_GATEWAY_LOG_FOLD_H
#define TAILGATE_GATEWAY_LOG_FOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/span.h"

#define LOG_FOLD_FIRST 10
#define LOG_FOLD_WINDOW_US INT64_C(60000000)
#define LOG_FOLD_REASONS 8
#define LOG_FOLD_SLOTS 64
#define LOG_FOLD_EVENT 31
#define LOG_FOLD_WHY 160 /* reasons that begin alike are alike */

struct log_fold_slot {
    char event[LOG_FOLD_EVENT + 1]; /* "": free */
    char why[LOG_FOLD_WHY + 1];
    int level;        /* of the last one held back */
    int64_t since_us; /* when the window began */
    uint64_t seen;    /* lines in it, */
    uint64_t held;    /*   and how many of them were held back */
};

/* Zero-initialised. The last slot is for what finds no other. */
struct log_fold {
    struct log_fold_slot slot[LOG_FOLD_SLOTS + 1];
};

/* A line EVENT at LEVEL that is told from others of its kind by WHY (may be empty). True: it is to
 * be written. Call log_fold_take() until it returns false before. */
bool log_fold_admit(struct log_fold *self, int64_t now_us, int level, const char *event,
                    struct span why);
/* Finds a window that is over at NOW_US (INT64_MAX: any) in which lines were held back: copies it
 * to *RET_SLOT, and forgets it. False: there is none. */
bool log_fold_take(struct log_fold *self, int64_t now_us, struct log_fold_slot *ret_slot);
/* When log_fold_take() finds the next one; INT64_MAX: nothing is held back. */
int64_t log_fold_due(const struct log_fold *self);

#endif
