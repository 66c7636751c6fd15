/* A query's token and a text that belongs to it (the query itself, or an answer), copied into one
 * block of memory. */
#ifndef TAILGATE_ADAPTERS_C_LETTER_H
#define TAILGATE_ADAPTERS_C_LETTER_H

#include "proto/span.h"

struct letter {
    char *bytes;       /* token and text, one after the other; owned */
    struct span token; /* views of them */
    struct span text;  /* a NUL stands behind it */
};

/* A copy of both. */
struct letter letter_of(struct span token, struct span text);
/* Frees it and empties it; an empty one is fine. */
void letter_done(struct letter *self);

#endif
