/* The topic of an event, by which observers subscribe: `<kind>/<conversation id>`, and for what is
 * about the gateway itself `gateway/<word>`.
 *
 * Subscriptions are starts of topics: "partial/" is all partials, "" is everything. A topic is one
 * line of at most LIMIT_TOPIC bytes: of a conversation id, control characters (C0, DEL) and '%' are
 * written as %XX with capital hex digits, all other bytes as they are. An id that the bridge makes
 * stands there as it is. Where an id is so long that the topic is not, it is cut, between two bytes
 * or escapes: the event's JSON has the whole id. */
#ifndef TAILGATE_PROTO_TOPIC_H
#define TAILGATE_PROTO_TOPIC_H

#include "proto/limits.h"
#include "proto/span.h"

enum topic_kind {
    TOPIC_QUERY,
    TOPIC_RESPONSE,
    TOPIC_MESSAGE,
    TOPIC_PARTIAL,
    TOPIC_RETRY,
    TOPIC_DEAD,
    TOPIC_EXPIRED,
    TOPIC_SUPERSEDED,
    TOPIC_DELETED,
    TOPIC_DROPPED,
    TOPIC_WORKER,
    TOPIC_GATEWAY,
    TOPIC_KINDS
};

#define TOPIC_SIZE (LIMIT_TOPIC + 1) /* with its NUL */

/* "query", "response" … */
const char *topic_name(enum topic_kind kind);
/* Writes the topic of KIND about CONVERSATION_ID (any bytes; for TOPIC_GATEWAY: the word). Returns
 * its length without the NUL, at most LIMIT_TOPIC. */
size_t topic_make(enum topic_kind kind, struct span conversation_id, char ret_topic[TOPIC_SIZE]);

#endif
