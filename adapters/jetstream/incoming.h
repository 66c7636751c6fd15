/* What stands in the messages of the streams (proto/WIRE.md, JetStream). Whoever may publish there
 * may have written anything. Everything is borrowed from the message. */
#ifndef TAILGATE_ADAPTERS_JETSTREAM_INCOMING_H
#define TAILGATE_ADAPTERS_JETSTREAM_INCOMING_H

#include "adapters/jetstream/conn.h"
#include "adapters/source/source.h"
#include "proto/limits.h"

#define INCOMING_WHY 1024 /* of a reason, its NUL included */

struct incoming_query {
    struct span token, bridge, json;
    int64_t deadline_us; /* UTC; INT64_MAX: none */
};

/* A failed attempt: {"type":…,"error":…,"retry":…}. */
struct incoming_failure {
    char why[INCOMING_WHY];
    bool retry;
};

/* False when MESSAGE is no query: token, bridge or text are missing or not as they must be. */
bool incoming_read_query(natsMsg *message, struct incoming_query *ret_query);
/* An answer, a part of one, or a failure (then the frame is its JSON). False for what a gateway
 * would cut us off for: no token, or more than LIMIT_FRAME_SIZE. FRAME has LIMIT_BODY_FRAMES. */
bool incoming_read_answer(natsMsg *message, struct span *frame, struct source_answer *ret_answer);
void incoming_read_failure(struct span json, struct incoming_failure *ret_failure);
/* The plain text of MEMBER in OBJECT, in TEXT with ROOM; size 0 when there is none that fits. */
struct span incoming_member(struct span object, const char *member, char *text, size_t room);

#endif
