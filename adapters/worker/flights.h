/* The queries that a worker has taken and not yet answered, oldest first. */
#ifndef TAILGATE_ADAPTERS_WORKER_FLIGHTS_H
#define TAILGATE_ADAPTERS_WORKER_FLIGHTS_H

#include <stdbool.h>
#include <stdint.h>

#include "adapters/worker/letter.h"

struct flight {
    struct letter query; /* as it came, with its token */
    bool offered;        /* the adapter has it; else it waits for a free slot */
    int64_t id;          /* delivery.message_id; 0 when the query does not say */
    int64_t since_us;    /* when it came */
    int64_t deadline_us; /* when it has run out of time; INT64_MAX: never */
};

struct flights {
    struct flight *flight;
    size_t room, count;
};

void flights_init(struct flights *self, size_t room);
void flights_done(struct flights *self);
/* Takes a copy in. Its deadline is the query's delivery.deadline when that is still to come; one
 * that is past already says that the clocks of two hosts differ, and is not believed. UTC_US is the
 * time of day at NOW_US. Returns NULL when there is no room. The pointer is good until the next add
 * or remove. */
struct flight *flights_add(struct flights *self, struct span token, struct span query,
                           int64_t now_us, int64_t utc_us);
/* The flight of TOKEN or, when its size is 0, the oldest one offered; NULL when there is none. */
struct flight *flights_find(struct flights *self, struct span token);
/* The oldest flight that waits, when fewer than SLOTS are offered; else NULL. */
struct flight *flights_waiting(struct flights *self, size_t slots);
/* How many are offered. */
size_t flights_offered(const struct flights *self);
/* A flight whose deadline is not after NOW_US, or NULL. */
struct flight *flights_late(struct flights *self, int64_t now_us);
/* The earliest deadline; INT64_MAX when there is none. */
int64_t flights_due(const struct flights *self);
void flights_remove(struct flights *self, struct flight *flight);

#endif
