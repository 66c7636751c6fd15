/* The source that is another gateway: one link (uplink.h) for each service that workers here are
 * registered for. */
#ifndef TAILGATE_ADAPTERS_SOURCE_UPSTREAM_H
#define TAILGATE_ADAPTERS_SOURCE_UPSTREAM_H

#include "adapters/source/source.h"
#include "adapters/zmq/curve.h"

#define UPSTREAM_SERVICES 64            /* at most */
#define UPSTREAM_KEEP_BYTES (64u << 20) /* of answers that are held, all links together */
#define UPSTREAM_PART_BYTES (16u << 20) /* of parts that wait; beyond that they are dropped */

/* Borrowed for the source's life. */
struct upstream_setup {
    void *context;
    const char *endpoint;             /* the gate there */
    const struct curve_client *curve; /* NULL, or without a server key: no CURVE */
    const char *name;                 /* the relay's */
    uint32_t interval_ms;             /* of heartbeats */
};

/* Never NULL. */
struct source *upstream_new(const struct upstream_setup *setup);

#endif
