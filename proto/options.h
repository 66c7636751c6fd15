/* The JSON frame of READY: what a worker says about itself. */
#ifndef TAILGATE_PROTO_OPTIONS_H
#define TAILGATE_PROTO_OPTIONS_H

#include <stdint.h>

#include "proto/buffer.h"
#include "proto/limits.h"

struct worker_options {
    char name[LIMIT_WORKER_NAME + 1]; /* "" when not given */
    uint32_t slots;       /* queries in flight at once, 1 to LIMIT_SLOTS; 1 when not given */
    bool heartbeats;      /* it sends heartbeats while it is busy */
    uint32_t interval_ms; /* between its heartbeats, 100 to 60000; 0 when not given */
};

/* Reads OPTIONS (size 0: nothing given). Unknown members are ignored. Returns 0, or -1 when it is
 * not a JSON object or a member has the wrong type or is out of range (then *ret_options is
 * untouched). A name is cut at LIMIT_WORKER_NAME on a code point; control characters in it become
 * '?'. */
int options_read(struct span options, struct worker_options *ret_options);
/* Appends OPTIONS as JSON. */
void options_write(const struct worker_options *options, struct buffer *ret_json);

#endif
