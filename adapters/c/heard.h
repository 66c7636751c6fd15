/* What came from a gateway's events, or from a replay of them, once it is known to be well-formed:
 * hostile until then (proto/WIRE.md, "Events"). Reading borrows and allocates nothing. */
#ifndef TAILGATE_ADAPTERS_C_HEARD_H
#define TAILGATE_ADAPTERS_C_HEARD_H

#include <stdint.h>

#include "proto/span.h"
#include "proto/topic.h"

#define HEARD_DURABLE 3 /* TOPIC_QUERY, TOPIC_RESPONSE and TOPIC_MESSAGE are rows */
#define HEARD_EPOCH 64  /* bytes of an epoch and its NUL */

enum heard_kind {
    HEARD_NOTHING, /* no event: to be passed over */
    HEARD_ROW,     /* a row: id, prev */
    HEARD_OTHER,   /* an event that is told once */
    HEARD_MARK,    /* gateway/mark */
    HEARD_WELCOME  /* gateway/welcome: seq is that of the last event */
};

/* Spans are borrowed from the frames. */
struct heard {
    enum heard_kind kind;
    const struct span *frame; /* what it was read from; of a replayed one NULL */
    size_t count;
    int about; /* an enum topic_kind; TOPIC_KINDS: one that we do not know */
    struct span topic, json;
    struct span conversation, service; /* the members' values, raw; size 0: none */
    uint64_t seq;
    int64_t id;   /* ROW; MARK, WELCOME: the highest row that was passed */
    int64_t prev; /* ROW: no row of its kind lies between this and id */
    /* MARK, WELCOME */
    char epoch[HEARD_EPOCH];
    int64_t since;
    int64_t highest; /* the same as id, or that the file ever had when the run began */
    int64_t last[HEARD_DURABLE];
};

/* What the COUNT frames of one message of the events say. */
struct heard heard_read(const struct span *frame, size_t count);
/* What JSON, the row's event as a replay tells it, says: ROW without topic and prev, or NOTHING. */
struct heard heard_replayed(struct span json);

#endif
