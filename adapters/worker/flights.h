/* The queries that a worker has taken and not yet answered, oldest first. */
#ifndef TAILGATE_ADAPTERS_WORKER_FLIGHTS_H
#define TAILGATE_ADAPTERS_WORKER_FLIGHTS_H

#include <stdbool.h>
#include <stdint.h>

#include "adapters/worker/letter.h"

struct flight {
    struct letter query; /* as it came, with its token */
    bool offered;        /* the adapter has it; else it waits for a free slot */
    bool judged;         /* when its attempt ends is for the gateway to say (DISCONNECT) */
    int64_t id;          /* delivery.message_id; 0 when the query does not say */
    int64_t since_us;    /* when it came */
    int64_t over_us;     /* from then on a DISCONNECT means that the attempt is over; unless it is
                          * `judged`, the attempt ends then in any case */
    int64_t
        limit_us; /* when it ends in any case, by a limit of the worker's own; INT64_MAX: none */
};

struct flights {
    struct flight *flight;
    size_t room, count;
};

void flights_init(struct flights *self, size_t room);
void flights_done(struct flights *self);
/* Takes a copy in. Its attempt ends at the query's delivery.deadline. One that is past already says
 * that the clocks of two hosts differ and is not believed; then, and when there is none, the
 * gateway is the judge. UTC_US is the time of day at NOW_US. Returns NULL when there is no room.
 * The pointer is good until the next add or remove. */
struct flight *flights_add(struct flights *self, struct span token, struct span query,
                           int64_t now_us, int64_t utc_us);
/* A PARTIAL was sent for FLIGHT: the gateway may have put its deadline off, and is the judge now.
 */
void flights_extend(struct flight *flight);
/* The flight of TOKEN or, when its size is 0, the oldest one offered; NULL when there is none. */
struct flight *flights_find(struct flights *self, struct span token);
/* The oldest flight that waits, when fewer than SLOTS are offered; else NULL. */
struct flight *flights_waiting(struct flights *self, size_t slots);
/* How many are offered. */
size_t flights_offered(const struct flights *self);
/* A flight whose time is over at NOW_US, or NULL. */
struct flight *flights_late(struct flights *self, int64_t now_us);
/* A flight that is offered and that a DISCONNECT at NOW_US gives up, or NULL. With any other the
 * gateway does not know (any more) that we have it: it was started anew, or is about to stop. */
struct flight *flights_given_up(struct flights *self, int64_t now_us);
/* Writes their tokens, oldest first; returns their number, ROOM at most. */
size_t flights_tokens(const struct flights *self, struct span *ret_token, size_t room);
/* When the first one's time is over; INT64_MAX when there is none. */
int64_t flights_due(const struct flights *self);
void flights_remove(struct flights *self, struct flight *flight);

#endif
