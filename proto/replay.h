/* What a client asks of `tailgate.replay`, and what the last frame of its reply says (WIRE.md). */
#ifndef TAILGATE_PROTO_REPLAY_H
#define TAILGATE_PROTO_REPLAY_H

#include "proto/event.h"
#include "proto/limits.h"
#include "proto/stamp.h"

#define REPLAY_LIMIT 1000 /* events, where the client does not say */

struct replay_request {
    int64_t after;          /* rows above it */
    char since[STAMP_SIZE]; /* instead; "": not said */
    int64_t upto;           /* INT64_MAX: not said */
    bool kind[EVENT_DURABLE];
    char conversation[LIMIT_CONVERSATION_ID + 1]; /* "": all */
    char service[LIMIT_SERVICE + 1];              /* "": all */
    size_t limit;                                 /* 1 to LIMIT_REPLAY_EVENTS */
};

/* Reads JSON (size 0: nothing is said). Unknown members are ignored. Returns NULL, or what is wrong
 * with it, a constant; then *ret_request is untouched. */
const char *replay_read(struct span json, struct replay_request *ret_request);

/* What was covered. */
struct replay_end {
    int64_t after, upto; /* all rows above AFTER up to UPTO that are there were told */
    int64_t last;        /* the highest row in the file */
    size_t events;
    bool more; /* a limit stopped it at UPTO */
};
/* Appends it as the FINAL's frame. */
void replay_write(const struct replay_end *end, struct buffer *ret_json);

#endif
