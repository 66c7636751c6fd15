/* The queries that the adapter `bridge` has, and what is known of each. */
#ifndef TAILGATE_ADAPTERS_WORKER_BRIDGE_FLIGHTS_H
#define TAILGATE_ADAPTERS_WORKER_BRIDGE_FLIGHTS_H

#include "adapters/worker/bridge_query.h"
#include "proto/reply.h"

enum bridge_flight_state {
    FLIGHT_WAITING, /* for its row to be written */
    FLIGHT_OUT,     /* it is asked, the reply is awaited */
    FLIGHT_REPLIED, /* the reply is here, and not yet marked as fetched */
    FLIGHT_FAILED   /* it has no answer: WHY */
};

struct bridge_flight {
    char *token;
    enum bridge_flight_state state;
    struct bridge_query query; /* its texts only while they may have to be written */
    struct forward_row row;    /* OUT, REPLIED */
    int64_t not_row;           /* the last row whose reply was an error that passes; 0: none */
    struct reply reply;        /* REPLIED */
    const char *why;           /* FAILED: a constant */
    bool final;                /* FAILED: and always will */
};

struct bridge_flights {
    struct bridge_flight **flight; /* oldest first */
    size_t count, room;
};

void bridge_flights_init(struct bridge_flights *self);
/* Forgets all of them. */
void bridge_flights_done(struct bridge_flights *self);
/* A new one that waits. */
struct bridge_flight *bridge_flights_add(struct bridge_flights *self, struct span token);
/* The oldest one in STATE, or NULL. */
struct bridge_flight *bridge_flights_first(const struct bridge_flights *self,
                                           enum bridge_flight_state state);
/* The one of TOKEN, or NULL. */
struct bridge_flight *bridge_flights_find(const struct bridge_flights *self, struct span token);
/* Takes FLIGHT out; the caller frees it with bridge_flight_destroy(). */
void bridge_flights_remove(struct bridge_flights *self, const struct bridge_flight *flight);
void bridge_flight_destroy(struct bridge_flight **self);
/* FLIGHT comes to nothing. */
void bridge_flight_fail(struct bridge_flight *self, const char *why, bool final);
/* Looks whether ROW of the other bridge is the reply to one that is out. */
void bridge_flights_see(struct bridge_flights *self, const struct tail_row *row);

#endif
