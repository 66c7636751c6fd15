/* The JSON frame of READY: what a worker says about itself. */
#ifndef TAILGATE_PROTO_OPTIONS_H
#define TAILGATE_PROTO_OPTIONS_H

#include <stdint.h>

#include "proto/buffer.h"
#include "proto/limits.h"
#include "proto/token.h"

#define OPTIONS_RELAY_SIZE 17 /* of a relay's id, 16 hexadecimal digits, with its NUL */

struct worker_options {
    char name[LIMIT_WORKER_NAME + 1]; /* "" when not given */
    uint32_t slots;       /* queries in flight at once, 1 to LIMIT_SLOTS; 1 when not given */
    bool heartbeats;      /* it sends heartbeats while it is busy */
    uint32_t interval_ms; /* between its heartbeats, 100 to 60000; 0 when not given */
    /* The tokens of what it still works on, or has not yet handed the answer over of: a JSON array
     * of at most LIMIT_SLOTS strings, borrowed; size 0 when not given. */
    struct span holding;
    bool wants_query; /* "format":"query": it gets clients' requests as JSON queries, too; false
                       * when it said "raw" or nothing */
    char adapter[LIMIT_ADAPTER + 1]; /* how it reaches its program, "tcp"; "" when not given */
    bool relays; /* "format":"relay": it gets every query as JSON, and behind that what a Majordomo
                  * client sent, for workers of either kind */
    char relay[LIMIT_RELAYS][OPTIONS_RELAY_SIZE]; /* ids of this relay and of those below it */
    size_t relay_count;                           /* 0: it is none */
    bool batches; /* it takes several queries in one message (mdp.h, BATCH) */
};

/* Reads OPTIONS (size 0: nothing given). Unknown members are ignored. Returns 0, or -1 when it is
 * not a JSON object or a member has the wrong type or is out of range (then *ret_options is
 * untouched). A name is cut at LIMIT_WORKER_NAME on a code point; control characters in it become
 * '?'. */
int options_read(struct span options, struct worker_options *ret_options);
/* Appends OPTIONS as JSON, at most LIMIT_OPTIONS_SIZE bytes when `holding` is of options_hold(). */
void options_write(const struct worker_options *options, struct buffer *ret_json);
/* Reads the frame of a HEARTBEAT, {"slots":N}: how many queries the worker takes at once from now
 * on, 0 to LIMIT_SLOTS. Returns 0, or -1 when it is not that. */
int options_read_slots(struct span json, uint32_t *ret_slots);
/* Reads `relay` of that frame, which options_read_slots() has read. Returns 1; 0 when it says
 * nothing of relays, -1 when that is malformed: then nothing in OPTIONS has changed. */
int options_read_relays(struct span json, struct worker_options *options);
/* Copies the JSON string VALUE as a name: cut and cleaned as above. Returns 0, or -1 when it is no
 * string. */
int options_name(struct span value, char ret_name[LIMIT_WORKER_NAME + 1]);
/* Appends an array for `holding`: the first LIMIT_SLOTS of COUNT texts that are tokens by their
 * form. Returns how many those are. */
size_t options_hold(const struct span *token, size_t count, struct buffer *ret_json);
/* Takes the next element of `holding` that is a token by its form and passes over the others. *rest
 * starts as `holding` and becomes what is left of it. False at the end. */
bool options_holding(struct span *rest, struct token *ret_token);

#endif
