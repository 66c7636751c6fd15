/* A relay's way to the gateway above it, for one service: the worker side of MDP/0.2 with what
 * proto/WIRE.md says of relays ("format":"relay"), over one connection (adapters/c/dial.h). It is
 * to a relay what adapters/c/link.h is to a worker; besides,
 *
 *   1. it takes as many queries at once as its slots say, which may change at any time and are 0
 *      when nobody works; when that lasts, it leaves;
 *   2. it knows which tokens are out here, and names them in every READY. */
#ifndef TAILGATE_ADAPTERS_SOURCE_UPLINK_H
#define TAILGATE_ADAPTERS_SOURCE_UPLINK_H

#include "adapters/c/dial.h"
#include "adapters/source/source.h"
#include "adapters/zmq/curve.h"
#include "proto/limits.h"

#define UPLINK_ITEMS DIAL_ITEMS

struct uplink;

/* Borrowed for the link's life. */
struct uplink_setup {
    void *context;
    const char *endpoint;
    const struct curve_client *curve; /* NULL: none */
    const char *name;                 /* the relay's */
    uint32_t interval_ms;             /* of our beats, and the longest of theirs */
    const struct buffer *relays;      /* JSON array of ids; read at each READY */
};

enum uplink_news_kind {
    UPLINK_NOTHING,
    UPLINK_READY,     /* READY was said; after a refusal: and taken */
    UPLINK_QUERY,     /* token, json and frames */
    UPLINK_END,       /* token: its attempt is over there */
    UPLINK_LOST,      /* not registered any more; text says why */
    UPLINK_DISMISSED, /* the same by the gateway's word */
    UPLINK_WAITING,   /* cannot connect for now; said once until it can */
    UPLINK_REFUSED    /* the other side does not let us in, or speaks something else */
};

struct uplink_news {
    enum uplink_news_kind kind;
    struct span token, json, text;
    const struct span *frame;
    size_t frames;
};

/* A link that wants nothing yet. Never NULL. */
struct uplink *uplink_new(const struct uplink_setup *setup, struct span service);
/* Says DISCONNECT when registered; closes it. NULL-safe. */
void uplink_destroy(struct uplink **self);
const char *uplink_service(const struct uplink *self);
/* From now on so many at once; 0: none, and no registration is made for that. */
void uplink_slots(struct uplink *self, uint32_t slots, int64_t now_us);
/* TOKEN is out here, since before this registration: READY is said (anew). */
void uplink_hold(struct uplink *self, struct span token);
bool uplink_has(const struct uplink *self, struct span token);
/* What the setup says of relays has changed: they are to be told. */
void uplink_relays(struct uplink *self);
/* Takes a copy of a final answer in; TOKEN is not out any more. Returns how many that were kept had
 * to be thrown away. */
size_t uplink_final(struct uplink *self, const struct source_answer *answer);
void uplink_partial(struct uplink *self, const struct source_answer *answer);
/* Says that TOKEN's attempt failed, or (RETURNED) is given back; only while registered. */
void uplink_fail(struct uplink *self, struct span token, struct span reason, bool retry,
                 bool returned);
/* The bytes of all parts that wait to be sent. */
size_t uplink_part_bytes(const struct uplink *self);
/* Answers that wait to be sent; and the bytes of all that are held. */
size_t uplink_kept(const struct uplink *self);
size_t uplink_bytes(const struct uplink *self);
/* Throws the oldest answer away; true when it waited to be sent. */
bool uplink_shed(struct uplink *self);
/* It wants nothing, has nothing out and nothing to send: nobody need know of it any more. */
bool uplink_is_idle(const struct uplink *self);
bool uplink_registered(const struct uplink *self);
bool uplink_wanted(const struct uplink *self);
size_t uplink_items(const struct uplink *self, zmq_pollitem_t ret_item[UPLINK_ITEMS]);
int64_t uplink_due(const struct uplink *self);
/* UTC_US is the time of day at NOW_US. */
struct uplink_news uplink_next(struct uplink *self, int64_t now_us, int64_t utc_us);

#endif
