/* The queries that the adapter `bridge` has, and what is known of each. */
#ifndef TAILGATE_ADAPTERS_WORKER_BRIDGE_FLIGHTS_H
#define TAILGATE_ADAPTERS_WORKER_BRIDGE_FLIGHTS_H

#include "adapters/worker/bridge_query.h"
#include "proto/reply.h"

enum flight_state {
    FLIGHT_WAITING, /* for its row to be written */
    FLIGHT_OUT,     /* it is asked, the reply is awaited */
    FLIGHT_REPLIED, /* the reply is here, and not yet marked as fetched */
    FLIGHT_FAILED   /* it has no answer: WHY */
};

struct flight {
    char *token;
    enum flight_state state;
    struct bridge_query query; /* its texts only while they may have to be written */
    struct forward_row row;    /* OUT, REPLIED */
    int64_t not_row;           /* the last row whose reply was an error that passes; 0: none */
    struct reply reply;        /* REPLIED */
    const char *why;           /* FAILED: a constant */
    bool final;                /* FAILED: and always will */
};

struct flights {
    struct flight **flight; /* oldest first */
    size_t count, room;
};

void flights_init(struct flights *self);
/* Forgets all of them. */
void flights_done(struct flights *self);
/* A new one that waits. */
struct flight *flights_add(struct flights *self, struct span token);
/* The oldest one in STATE, or NULL. */
struct flight *flights_first(const struct flights *self, enum flight_state state);
/* The one of TOKEN, or NULL. */
struct flight *flights_find(const struct flights *self, struct span token);
/* Takes FLIGHT out; the caller frees it with flight_destroy(). */
void flights_remove(struct flights *self, const struct flight *flight);
void flight_destroy(struct flight **self);
/* FLIGHT comes to nothing. */
void flight_fail(struct flight *self, const char *why, bool final);
/* Looks whether ROW of the other bridge is the reply to one that is out. */
void flights_see(struct flights *self, const struct tail_row *row);

#endif
