/* The source that is JetStream (proto/WIRE.md, JetStream): one pull consumer for each service.
 *
 * Invariants
 *   J1. A query is acknowledged to its stream only when what became of it is in the stream of
 *       replies (final, error, return), or its time was over before anybody had it.
 *   J2. While somebody here has a query, the stream is told so three times in the consumer's
 *       ack_wait; nobody else gets it. When we die, it goes to another host after that time.
 *   J3. A reply is stored once, whatever is sent again: its Nats-Msg-Id is the bridge's and the
 *       token's.
 *   J4. Only so many queries are asked for as slots are offered. Slots that take any service are
 *       shared among the services; what comes beyond them waits a little, then goes back.
 *   J5. A token that was answered here, or that a worker has from before this run, is not worked on
 *       once more when its query comes again. */
#ifndef TAILGATE_ADAPTERS_SOURCE_JETSTREAM_H
#define TAILGATE_ADAPTERS_SOURCE_JETSTREAM_H

#include "adapters/jetstream/conn.h"
#include "adapters/source/source.h"

#define JETSTREAM_SERVICES 64
#define JETSTREAM_KEEP_BYTES (64u << 20) /* of answers that wait to be stored */

/* Borrowed for the source's life. */
struct jetstream_setup {
    const struct conn_setup *nats;
    const char *prefix;
    const char *const *services; /* at most JETSTREAM_SERVICES */
    size_t service_count;
};

/* NULL with a text in RET_WHY as conn_new(). */
struct source *jetstream_new(const struct jetstream_setup *setup, char ret_why[CONN_TEXT]);

#endif
