/* A worker's way to the gateway: the worker side of MDP/0.2 (proto/WIRE.md) over one DEALER socket.
 *
 *   DOWN ──retry_us──▶ CONNECTING ──handshake──▶ UP ──READY──▶ registered
 *    ▲                    ▲    └──refused──┐      │
 *    │                    └────────────────│──────┤ connection lost: ZeroMQ connects again
 *    └── back-off, fresh socket ───────────┴──────┘ three beats missed, or DISCONNECT received
 *
 * Invariants
 *   1. READY is said at once whenever the link is UP and the worker wants to be registered.
 *   2. A final answer is handed to ZeroMQ only while the link is UP; else it is kept, and sent
 *      before READY is said again. (One that was handed over in the moment in which the connection
 *      broke may be lost; then the gateway's lease is the truth.)
 *   3. Beats are sent and awaited only while registered, by two timers that know nothing of each
 *      other.
 *   4. READY states the interval of our beats. The gateway beats at least as often, so three of
 *      them without a word from it mean that it is gone. */
#ifndef TAILGATE_ADAPTERS_WORKER_LINK_H
#define TAILGATE_ADAPTERS_WORKER_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <zmq.h>

#include "proto/options.h"
#include "proto/span.h"

#define LINK_ITEMS 2       /* items to poll at most */
#define LINK_TOKEN_MAX 255 /* bytes of a client address; a query with a longer one is refused */

struct link;

/* Borrowed for the link's life, except OPTIONS, which is read once. */
struct link_setup {
    void *context;
    const char *endpoint;
    const char *service;
    struct worker_options
        options; /* said in READY; interval_ms must be given: it is also the beat expected */
    size_t keep; /* answers kept at most while the gateway is away, at least 1 */
};

enum link_news_kind {
    LINK_NOTHING,
    LINK_READY, /* READY was said */
    LINK_QUERY, /* token and body of a query */
    LINK_ODD,  /* the gateway said something that is not MDP/0.2; text says what. Nothing changed */
    LINK_LOST, /* not registered any more; text says why */
    LINK_WAITING, /* cannot connect for now; said once until it can */
    LINK_REFUSED  /* the other side does not speak our protocol, or does not let us in */
};

/* Spans are borrowed until the next call on the link. */
struct link_news {
    enum link_news_kind kind;
    struct span token; /* QUERY */
    struct span text;  /* QUERY: the body; LOST, ODD: a reason */
};

/* A link that is DOWN and connects at its first link_next(). Never NULL. */
struct link *link_new(const struct link_setup *setup);
/* Closes it (what was handed to ZeroMQ is still sent for a second) and sets *self to NULL. */
void link_destroy(struct link **self);
/* From now on the worker wants to be registered. */
void link_join(struct link *self);
/* From now on it does not: says DISCONNECT when registered; stays connected. */
void link_leave(struct link *self);
/* Sends a final answer or keeps it. Returns 0 when it was sent, 1 when it is kept, -ENOBUFS when it
 * is kept and the oldest one kept was thrown away for it. */
int link_final(struct link *self, struct span token, struct span body);
/* Sends a part of an answer, which renews the query's lease; it is not kept. */
void link_partial(struct link *self, struct span token, struct span body);
/* The number of answers kept. */
size_t link_kept(const struct link *self);
/* Fills in what to poll; returns how many. */
size_t link_items(const struct link *self, zmq_pollitem_t ret_item[LINK_ITEMS]);
/* When link_next() is to be called although nothing is ready; INT64_MAX: never. */
int64_t link_due(const struct link *self);
/* Does what is due and takes the next news; call it until it says LINK_NOTHING. Never blocks. */
struct link_news link_next(struct link *self, int64_t now_us);

#endif
