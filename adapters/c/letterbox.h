/* A bounded first-in first-out of letters: a query's token and a text that belongs to it. */
#ifndef TAILGATE_ADAPTERS_C_LETTERBOX_H
#define TAILGATE_ADAPTERS_C_LETTERBOX_H

#include <stdbool.h>

#include "adapters/c/letter.h"

struct letterbox {
    struct letter *letter; /* ring */
    size_t room, first, count;
};

/* An empty box for ROOM letters (at least 1). */
void letterbox_init(struct letterbox *self, size_t room);
void letterbox_done(struct letterbox *self);
/* Puts a copy in. When the box is full the oldest letter is thrown away and the result is false. */
bool letterbox_put(struct letterbox *self, struct span token, struct span text);
/* The oldest letter, borrowed until it is dropped; NULL when there is none. */
const struct letter *letterbox_first(const struct letterbox *self);
/* Letter INDEX, of count, the oldest first; borrowed as above. */
const struct letter *letterbox_at(const struct letterbox *self, size_t index);
/* Removes the oldest letter; there must be one. */
void letterbox_drop(struct letterbox *self);

#endif
