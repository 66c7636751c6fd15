/* A worker's way to the gateway: the worker side of MDP/0.2 (proto/WIRE.md) over one connection
 * (dial.h).
 *
 * Invariants
 *   1. READY is said at once whenever the link is UP and the worker wants to be registered, before
 *      anything else. It names what the worker holds, so that a gateway that does not know of it
 *      gives it to nobody else.
 *   2. A final answer is handed to ZeroMQ only while the link is UP and, if the worker wants that,
 *      registered; else it is kept. One that was handed over when the connection ended may be lost:
 *      it is sent again on the next (outbox.h).
 *   3. Beats are sent and awaited only while registered, by two timers that know nothing of each
 *      other.
 *   4. READY states the interval of our beats. The gateway beats at least as often, so three of
 *      them without a word from it mean that it is gone.
 *   5. Only link_next() and link_destroy() touch the socket: the other calls leave word, and may
 *      come from another thread that holds the lock around this link. */
#ifndef TAILGATE_ADAPTERS_C_LINK_H
#define TAILGATE_ADAPTERS_C_LINK_H

#include "adapters/c/dial.h"
#include "proto/options.h"
#include "proto/span.h"

#define LINK_ITEMS DIAL_ITEMS
#define LINK_TOKEN_MAX 255 /* bytes of a client address; a query with a longer one is refused */
#define LINK_PARTIALS 1000 /* parts of answers that wait to be sent at most */

struct link;

/* Borrowed for the link's life, except OPTIONS, which is read once. */
struct link_setup {
    void *context;
    const char *endpoint;
    const struct curve_client *curve; /* NULL: none */
    const char *service;
    struct worker_options
        options; /* said in READY; interval_ms must be given: it is also the beat expected */
    size_t keep; /* answers kept at most while the gateway is away, at least 1 */
    /* Writes the tokens of what is worked on; returns their number, ROOM at most. */
    size_t (*holding)(const void *holder, struct span *ret_token, size_t room);
    const void *holder;
};

enum link_news_kind {
    LINK_NOTHING,
    LINK_READY, /* READY was said; count says how many tokens it named */
    LINK_QUERY, /* token and body of a query */
    LINK_ODD,  /* the gateway said something that is not MDP/0.2; text says what. Nothing changed */
    LINK_LOST, /* not registered any more; text says why */
    LINK_DISMISSED, /* the same by the gateway's word */
    LINK_WAITING,   /* cannot connect for now; said once until it can */
    LINK_REFUSED    /* the other side does not speak our protocol, or does not let us in */
};

/* Spans are borrowed until the next call on the link. */
struct link_news {
    enum link_news_kind kind;
    struct span token; /* QUERY */
    struct span text;  /* QUERY: the body; LOST, ODD: a reason */
    size_t count;      /* READY */
};

/* A link that is DOWN and connects at its first link_next(). Never NULL. */
struct link *link_new(const struct link_setup *setup);
/* Closes it (what was handed to ZeroMQ is still sent for a second) and sets *self to NULL. */
void link_destroy(struct link **self);
/* From now on the worker wants to be registered. */
void link_join(struct link *self);
/* From now on it does not: the next link_next() sends what it can of the answers, and then
 * DISCONNECT when registered. It stays connected. */
void link_leave(struct link *self);
/* Takes a copy of a final answer in. Returns 0 when it is about to be sent, 1 when it is kept for a
 * gateway that is away, -ENOBUFS when older ones that were kept had to be thrown away for it. */
int link_final(struct link *self, struct span token, struct span body);
/* Takes a copy of a part of an answer in, which renews the query's lease. Returns 0, 1 when there
 * is no gateway to send it to (it is not kept), or -ENOBUFS when too many wait to be sent. */
int link_partial(struct link *self, struct span token, struct span body);
/* The number of answers kept that are still to be sent. */
size_t link_kept(const struct link *self);
/* Fills in what to poll; returns how many. */
size_t link_items(const struct link *self, zmq_pollitem_t ret_item[LINK_ITEMS]);
/* When link_next() is to be called although nothing is ready; INT64_MAX: never. */
int64_t link_due(const struct link *self);
/* Does what is due and takes the next news; call it until it says LINK_NOTHING. Never blocks. */
struct link_news link_next(struct link *self, int64_t now_us);

#endif
