/* The queries that a worker has taken and not yet answered, oldest first. */
#ifndef TAILGATE_ADAPTERS_C_FLIGHTS_H
#define TAILGATE_ADAPTERS_C_FLIGHTS_H

#include <stdbool.h>
#include <stdint.h>

#include "adapters/c/letter.h"

/* On the heap, at one place for all its life. */
struct flight {
    struct letter query; /* as it came, with its token */
    bool offered;        /* whoever answers has it; else it waits for a free slot */
    bool waited;         /* it was told that this one waits */
    bool ended;          /* it has had its answer, error or return */
    bool told;           /* whoever answers was told that its attempt is over */
    bool judged;         /* when its attempt ends is for the gateway to say (DISCONNECT) */
    struct delivered {   /* members of the query's `delivery`, views of it; size 0: none */
        struct span deadline, message_id, attempt, service, conversation_id, sender;
    } delivered;
    int64_t id;          /* delivery.message_id; 0 when the query does not say */
    int64_t deadline_us; /* delivery.deadline in microseconds since 1970; 0 when it does not say */
    int64_t since_us;    /* when it came */
    int64_t over_us;     /* from then on a DISCONNECT means that the attempt is over; unless it is
                          * `judged`, the attempt ends then in any case */
};

struct flights {
    struct flight **flight; /* first those that are offered, then those that wait */
    size_t room, count, offered;
};

void flights_init(struct flights *self, size_t room);
/* Frees those that are still there, too. */
void flights_done(struct flights *self);
/* Takes a copy in. Its attempt ends at the query's delivery.deadline. One that is past already says
 * that the clocks of two hosts differ and is not believed; then, and when there is none, the
 * gateway is the judge. UTC_US is the time of day at NOW_US. Returns NULL when there is no room. */
struct flight *flights_add(struct flights *self, struct span token, struct span query,
                           int64_t now_us, int64_t utc_us);
/* A PARTIAL was sent for FLIGHT: the gateway may have put its deadline off, and is the judge now.
 */
void flights_extend(struct flight *flight);
/* The oldest flight that waits, UNOFFERED, is offered now. */
void flights_offer(struct flights *self, struct flight *unoffered);
/* The oldest flight that waits, when fewer than SLOTS are offered; else NULL. */
struct flight *flights_waiting(const struct flights *self, size_t slots);
/* The oldest flight that waits, or NULL. */
struct flight *flights_unoffered(const struct flights *self);
/* How many are offered. */
size_t flights_offered(const struct flights *self);
/* A flight whose time is over at NOW_US and of which that was not told, or NULL. */
struct flight *flights_late(const struct flights *self, int64_t now_us);
/* A flight that is offered and that a DISCONNECT at NOW_US gives up, unless that was told, or NULL.
 * With any other the gateway does not know (any more) that we have it: it was started anew, or is
 * about to stop. */
struct flight *flights_given_up(const struct flights *self, int64_t now_us);
/* Writes their tokens, oldest first; returns their number, ROOM at most. */
size_t flights_tokens(const struct flights *self, struct span *ret_token, size_t room);
/* When the first one's time is over; INT64_MAX when there is none. */
int64_t flights_due(const struct flights *self);
/* Takes FLIGHT out; the caller frees it (flight_free). */
void flights_remove(struct flights *self, struct flight *flight);
/* Frees a flight that was taken out, and sets *self to NULL; NULL is fine. */
void flight_free(struct flight **self);

#endif
