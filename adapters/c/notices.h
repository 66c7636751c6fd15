/* What the library's thread has to tell its caller, in order. Bounded: when it is full the newest
 * notice is not taken, unless the caller made room for it (NOTICES_ROOM and one for each query). */
#ifndef TAILGATE_ADAPTERS_C_NOTICES_H
#define TAILGATE_ADAPTERS_C_NOTICES_H

#include "adapters/c/tailgate.h"
#include "proto/span.h"

#define NOTICES_ROOM 256

struct notices {
    struct tailgate_event *event; /* ring */
    size_t room, first, count;
    size_t kept_free; /* slots that only notices_force() uses */
};

/* An empty ring with room for MORE forced notices besides NOTICES_ROOM. */
void notices_init(struct notices *self, size_t more);
void notices_done(struct notices *self);
/* An event of KIND with TEXT (cut, control characters left as they are). */
struct tailgate_event notice_of(enum tailgate_event_kind kind, struct span text);
/* Puts EVENT in; drops it when there is no room. */
void notices_put(struct notices *self, const struct tailgate_event *event);
/* Puts it in also where there is only forced room; drops it when there is none of that either. */
void notices_force(struct notices *self, const struct tailgate_event *event);
/* Takes the oldest out; false when there is none. */
bool notices_take(struct notices *self, struct tailgate_event *ret_event);

#endif
