/* A relay: a gateway whose queries come from a source (adapters/source/source.h) instead of a
 * database. Its doors are a gateway's: workers of every kind at the gate, observers at the events.
 *
 * Invariants
 *   R1. It keeps nothing that a crash could lose. A query's token is its only name, here as there:
 *       workers are handed it unchanged, and say it again (`holding`) to the next run.
 *   R2. One query of the source is one attempt at one worker. What becomes of it is told to the
 *       source, which alone decides about another one.
 *   R3. At most as many queries are here as slots were offered; what does not fit is given back.
 *   R4. An answer whose token is not known here is passed on: the source judges it. Errors,
 *       returns and parts are passed on only from the worker that has the query. */
#ifndef TAILGATE_GATEWAY_RELAY_H
#define TAILGATE_GATEWAY_RELAY_H

#include "adapters/source/source.h"
#include "adapters/zmq/curve.h"
#include "adapters/zmq/gate.h"

/* All is borrowed until relay_run() returns. */
struct relay_setup {
    const char *command;      /* "relay": what errors and log lines call the program */
    struct gate *gate;        /* new, without doors; the caller destroys it after the source */
    struct source *source;    /* its sockets, if they are ZeroMQ's, of gate_context() */
    const char *from;         /* where the source is, for people */
    const char *name;         /* the relay's, 1 to LIMIT_WORKER_NAME bytes; in replies' "through" */
    const char *const *gates; /* endpoints to bind; at least one */
    size_t gate_count;
    const char *const *events; /* endpoints to bind; may be none */
    size_t event_count;
    const char *curve; /* the folder of our doors' certificates; NULL: no CURVE */
    bool insecure;     /* tcp beyond loopback without CURVE may be bound */
    /* The upstream gateway's own doors, where there is one; NULL: no events, no replays. */
    const char *from_gate, *from_events;
    const struct curve_client *client; /* for these; NULL or without a server key: no CURVE */
    int64_t lease_us;                  /* of a worker that does not beat while it is busy */
    int64_t beat_us;                   /* between our heartbeats to workers */
    int64_t drain_us;                  /* how long the end waits for what is worked on */
    int64_t settle_us; /* after the start, until queries are asked for: workers that still have some
                        * say so first */
};

/* Binds the doors and serves until SIGTERM or SIGINT, which must not be blocked away before. log.h
 * is set up by then. Does not destroy the source. Returns an exit code (gateway/cli.h), after one
 * line on stderr when it is not CLI_OK. */
int relay_run(const struct relay_setup *setup);

#endif
