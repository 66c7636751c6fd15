/* Who sent a frame: a gate socket and the routing id that ZeroMQ gave the connection there. */
#ifndef TAILGATE_PROTO_PEER_H
#define TAILGATE_PROTO_PEER_H

#include <stdint.h>

#include "proto/limits.h"
#include "proto/span.h"

struct peer {
    uint8_t door;                    /* index of the gate socket */
    uint8_t size;                    /* bytes of the routing id, 1 to LIMIT_PEER_ID */
    unsigned char id[LIMIT_PEER_ID]; /* the routing id */
};

/* True when A and B are the same connection. */
static inline bool peer_equal(const struct peer *a, const struct peer *b)
{
    return a->door == b->door && a->size == b->size && memcmp(a->id, b->id, a->size) == 0;
}

#endif
