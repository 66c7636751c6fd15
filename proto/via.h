/* Who worked on an answer that relays pass on: the first body frame of a PARTIAL or FINAL whose
 * client address ends in TOKEN_VIA, one JSON object: {"worker":"w1","through":["site-b","site-a"]}.
 */
#ifndef TAILGATE_PROTO_VIA_H
#define TAILGATE_PROTO_VIA_H

#include "proto/buffer.h"
#include "proto/limits.h"

struct via {
    char worker[LIMIT_WORKER_NAME + 1];                /* as it called itself in READY */
    char through[LIMIT_RELAYS][LIMIT_WORKER_NAME + 1]; /* the relays' names, nearest to it first */
    size_t count;                                      /* of those; 0: it worked for a gateway */
};

/* Reads JSON. Names are cut and cleaned as READY's are. Returns 0, or -1 when it is not such an
 * object, or names more than LIMIT_RELAYS relays (then *ret_via is untouched). */
int via_read(struct span json, struct via *ret_via);
/* Appends VIA as JSON. */
void via_write(const struct via *via, struct buffer *ret_json);
/* Appends the names of the relays as a JSON array. */
void via_through(const struct via *via, struct buffer *ret_json);

#endif
