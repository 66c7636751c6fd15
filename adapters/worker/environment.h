/* What a child that works on one query is told of it beside its question: who asks, where the
 * gateway has verified that, as TAILGATE_SENDER ("key:<fingerprint>", "uid:1000") and
 * TAILGATE_SENDER_NAME (that the gateway's list has for the key). */
#ifndef TAILGATE_ADAPTERS_WORKER_ENVIRONMENT_H
#define TAILGATE_ADAPTERS_WORKER_ENVIRONMENT_H

#include "proto/buffer.h"

/* Our own environment for QUERY: with what its delivery says of the sender, and without what our
 * environment had of these two. Entries that are ours are borrowed. */
char **environment_new(struct span query);
void environment_free(char ***self);

#endif
