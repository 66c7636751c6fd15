/* The frames of one body, copied into one block of memory, a NUL behind each. */
#ifndef TAILGATE_ADAPTERS_C_PARCEL_H
#define TAILGATE_ADAPTERS_C_PARCEL_H

#include "proto/span.h"

struct parcel {
    struct span *frame; /* the block's start; owned */
    size_t count;
    size_t size; /* bytes of all frames */
};

/* A copy of COUNT frames. */
struct parcel parcel_of(const struct span *frame, size_t count);
/* Frees it and empties it; an empty one is fine. */
void parcel_done(struct parcel *self);

#endif
