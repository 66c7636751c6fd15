/* The way to a gateway, as worker, client and observer share it: one socket at a time.
 *
 *   DOWN ──retry_us──▶ CONNECTING ──handshake──▶ UP
 *    ▲                  │  ▲   │                  │
 *    │                  └──┘   └──refused──┐      │
 *    │       ZeroMQ tries again            │      │
 *    └── back-off, fresh socket ───────────┴──────┘ connection lost, or dial_drop()
 *
 * A DEALER socket is one connection: what was left in it when the connection ended goes with it,
 * and nothing that the next connection brings can be about this one. A SUB socket (dial_listen())
 * stays when its connection is lost, for what is left in it is still to be read: it is CONNECTING
 * then. */
#ifndef TAILGATE_ADAPTERS_C_DIAL_H
#define TAILGATE_ADAPTERS_C_DIAL_H

#include <stdbool.h>
#include <stdint.h>
#include <zmq.h>

#include "adapters/zmq/curve.h"
#include "adapters/zmq/link_monitor.h"

#define DIAL_ITEMS 2 /* items to poll at most */

enum dial_state { DIAL_DOWN, DIAL_CONNECTING, DIAL_UP };

struct dial {
    void *context;                    /* ZeroMQ's; borrowed */
    const char *endpoint;             /* borrowed */
    int heartbeat_ms;                 /* ZMTP's own, for a protocol that has none; 0: none */
    int queue;                        /* messages waiting in the socket, each way */
    const char *const *topic;         /* what a SUB socket is subscribed to; borrowed */
    size_t topics;                    /* 0: it is a DEALER */
    const struct curve_client *curve; /* NULL: none; borrowed */
    enum dial_state state;
    void *socket; /* NULL while DOWN */
    struct link_monitor monitor;
    bool waiting; /* DIAL_WAITING was what was said last */
    bool refused; /* the same of DIAL_REFUSED, for REFUSAL */
    int refusal;
    int turned_away;    /* CONNECTING: how often we were let in and closed before the handshake */
    bool closed;        /* CONNECTING: that was the last that happened */
    int64_t retry_us;   /* DOWN: when to try again; closed: when ZeroMQ should have */
    int64_t backoff_us; /* the pause before the next fresh socket */
};

enum dial_event {
    DIAL_NOTHING,
    DIAL_OPEN,    /* it is UP: what is sent now reaches the other side */
    DIAL_LOST,    /* the connection is gone, and the socket with it */
    DIAL_WAITING, /* nobody listens there for now; said once until somebody does */
    DIAL_REFUSED, /* who listens does not let us in, or speaks something else; said once until it
                   * changes, and tried again */
    DIAL_FAILED   /* no socket is to be had; *ret_error says why (errno) */
};

/* DOWN; connects at its first dial_next(). ENDPOINT is borrowed for good. */
void dial_init(struct dial *self, void *context, const char *endpoint, int heartbeat_ms);
/* Makes it a SUB socket that is subscribed to COUNT topics (at least one), borrowed for good. Call
 * it before the first dial_next(). */
void dial_listen(struct dial *self, const char *const *topic, size_t count);
/* At most MESSAGES wait in the socket, each way; 1000 where this is not called. Call it before the
 * first dial_next(). */
void dial_queue(struct dial *self, int messages);
/* Makes it speak CURVE; CURVE is borrowed for good. Call it before the first dial_next(). */
void dial_secure(struct dial *self, const struct curve_client *curve);
/* Closes it; what was handed to ZeroMQ is still sent for a second. May be called twice. */
void dial_done(struct dial *self);
/* Connects when that is due, and tells what became of the connection. Never blocks. */
enum dial_event dial_next(struct dial *self, int64_t now_us, int *ret_error);
/* What EVENT means, for a person: ERROR is what dial_next() gave with it (of DIAL_FAILED errno, of
 * DIAL_REFUSED one of our own). Static, or ZeroMQ's. */
const char *dial_words(enum dial_event event, int error);
/* Gives the socket up; a fresh one follows after a pause that doubles from one time to the next. */
void dial_drop(struct dial *self, int64_t now_us);
/* Gives the socket up and lets what waits in it go to nobody; a fresh one follows soon. */
void dial_break(struct dial *self, int64_t now_us);
/* The other side has spoken sensibly: the next pause is a short one again. */
void dial_settle(struct dial *self);
/* Fills in what to poll; BLOCKED: something waits to be sent. Returns how many. */
size_t dial_items(const struct dial *self, bool blocked, zmq_pollitem_t ret_item[DIAL_ITEMS]);
/* When dial_next() is to be called although nothing is ready; INT64_MAX: never. */
int64_t dial_due(const struct dial *self);

#endif
