/* A set of subscriptions: what one connection has subscribed to, or all those together that cannot
 * be told apart. Bounded by those who use it; each counts how often it was made. */
#ifndef TAILGATE_ADAPTERS_ZMQ_SUBSCRIPTIONS_H
#define TAILGATE_ADAPTERS_ZMQ_SUBSCRIPTIONS_H

#include "proto/span.h"

struct subscription {
    size_t times; /* how often it was made, less how often it was ended; at least 1 */
    size_t size;  /* bytes of TEXT */
    char text[];
};

struct subscriptions {
    struct subscription **entry; /* in the order of their texts */
    size_t count, room;
    size_t bytes; /* of all texts */
};

/* An empty set is all zeros. Forgets everything; the set is empty then. */
void subscriptions_clear(struct subscriptions *self);
/* The one to TEXT; NULL: there is none. */
struct subscription *subscriptions_find(const struct subscriptions *self, struct span text);
/* Takes up TEXT (copied), which is not among them. */
void subscriptions_add(struct subscriptions *self, struct span text);
/* Takes ENTRY, which is among them, out and frees it. */
void subscriptions_remove(struct subscriptions *self, struct subscription *entry_take);

#endif
