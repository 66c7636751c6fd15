/* Which rows of a bridge are questions of other bridges: from where a question comes to the row
 * that asks it here. In memory only; it is filled by reading rows. */
#ifndef TAILGATE_ADAPTERS_BRIDGE_ORIGINS_H
#define TAILGATE_ADAPTERS_BRIDGE_ORIGINS_H

#include <stddef.h>
#include <stdint.h>

#include "proto/span.h"

/* Where a question comes from, or of which conversation there it is. */
struct origin {
    uint64_t place;     /* its bridge; or a hash of that and of the conversation */
    int64_t message_id; /* 0: of a conversation */
};

/* BRIDGE is a valid id (bridge_id.h), CONVERSATION as it stands in the metadata, decoded. */
struct origin origins_message(struct span bridge, int64_t message_id);
struct origin origins_conversation(struct span bridge, struct span conversation);
/* Reads both that stand in the metadata of a row (WIRE.md, "A second bridge"). False when there are
 * none, or they are not as we write them. */
bool origins_read(struct span metadata, struct origin ret_origin[2]);

struct origins {
    struct origins_entry *entry; /* open addressing, ROOM a power of two */
    size_t room, count;
};

/* Empty; allocates nothing. */
void origins_init(struct origins *self);
void origins_done(struct origins *self);
/* Notes that ROW asks ORIGIN's question, or one of its conversation; the one noted last counts. AT
 * is a time of the caller's: when there is no room for one more, what is older than FORGET is
 * forgotten first. */
void origins_note(struct origins *self, struct origin origin, int64_t row, int64_t at,
                  int64_t forget);
/* The row that was noted for ORIGIN; 0 when none is known. */
int64_t origins_find(const struct origins *self, struct origin origin);

#endif
