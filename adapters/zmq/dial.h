/* A socket that connects: one DEALER to a REP socket that somebody else binds. It moves frames and
 * keeps time; what they mean is the caller's business.
 *
 *   WAITING ──due──▶ DOWN ──handshake──▶ UP
 *      ▲             │  ▲                 │
 *      │             │  └── nobody listens: ZeroMQ tries again by itself
 *      └── refused ──┴─── lost, hung up ──┘
 *
 *  L1. One socket is one connection: when it is lost or hung up a fresh one follows, so that what
 *      the old one had not sent reaches nobody.
 *
 *  L2. Before that comes a pause, between half of a span and all of it. The span is 250 ms and
 *      doubles from one pause to the next up to 30 s; dial_answered() and a loss while nothing was
 *      awaited set it back.
 *
 *  L3. What was awaited when we hung up may come late: the old socket is heard until it has said
 *      something, is lost, or another one takes its place. Nothing is sent on it.
 *
 *  L4. A DEALER is not listened to: it may be our own. Where nobody listens on a port that the
 *      system also gives to those who connect, TCP sooner or later connects a socket with itself.
 *
 *  L5. Everything that had come by a connection is read before its loss is told. */
#ifndef TAILGATE_ADAPTERS_ZMQ_DIAL_H
#define TAILGATE_ADAPTERS_ZMQ_DIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "adapters/zmq/frameset.h"

#define DIAL_ITEMS 4 /* items to poll at most */
#define DIAL_PAUSE_FIRST_US 250000
#define DIAL_PAUSE_MAX_US 30000000

struct dial;

enum dial_state { DIAL_DOWN, DIAL_UP, DIAL_WAITING };

enum dial_news {
    DIAL_NOTHING, /* nothing more for now */
    DIAL_CAME,    /* it is UP */
    DIAL_WENT,    /* it was UP, and the connection is gone */
    DIAL_ABSENT,  /* nobody listens there; said once until it was UP again */
    DIAL_REFUSED, /* somebody listens who does not speak with us; a fresh socket follows */
    DIAL_FAILED,  /* no socket is to be had (errno says why); tried again after a pause */
    DIAL_MESSAGE, /* a message came (L3 included) */
    DIAL_BAD,     /* one of more frames than fit came, and was dropped */
    DIAL_STRANGE  /* one came of what is neither a REP nor a ROUTER (which stands in front of REPs)
                   */
};

/* Dials ENDPOINT (copied) in CONTEXT, on its last I/O thread; SEED is of the pauses. Returns 0 or
 * -errno. */
int dial_new(void *context, const char *endpoint, uint64_t seed, struct dial **ret_dial);
/* Closes it; what was not sent is dropped. NULL-safe. */
void dial_destroy(struct dial **self);
enum dial_state dial_state(const struct dial *self);
/* Sends frames without blocking. Returns 0, -EHOSTUNREACH when it is not UP, or another -errno,
 * after which the connection counts as lost. */
int dial_send(struct dial *self, const struct span *frame, size_t count);
/* What came last was a good answer (L2). One that came late ends the pause, too. */
void dial_answered(struct dial *self, int64_t now_us);
/* Gives the connection up. HEAR: listens to what is still awaited (L3). */
void dial_hang_up(struct dial *self, int64_t now_us, bool hear);
/* Fills in what to poll; returns how many. */
size_t dial_items(const struct dial *self, zmq_pollitem_t ret_item[DIAL_ITEMS]);
/* When dial_next() is to be called although nothing is ready; INT64_MAX: never. */
int64_t dial_due(const struct dial *self);
/* Does what is due and takes the next news, a message into SET; call it until it says DIAL_NOTHING.
 * Never blocks. */
enum dial_news dial_next(struct dial *self, int64_t now_us, struct frameset *set);

#endif
