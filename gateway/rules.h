/* How a service is served: the general rules, and a service's own where the configuration names it.
 * Looked up once when a service comes up, and again when the configuration is reloaded. */
#ifndef TAILGATE_GATEWAY_RULES_H
#define TAILGATE_GATEWAY_RULES_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "proto/limits.h"
#include "proto/span.h"

enum order {
    ORDER_FAIR,        /* first in, first out within a conversation, conversations in turn */
    ORDER_FIFO,        /* first in, first out */
    ORDER_CONVERSATION /* as FAIR, and one in flight per conversation */
};

struct rules {
    int64_t lease_us;       /* how long a worker that does not heartbeat may keep a query */
    int64_t attempt_max_us; /* how long an attempt may last, heartbeats or not; a PARTIAL begins
                             * that time anew, */
    int64_t attempt_hard_max_us; /*   up to here */
    int64_t backoff_first_us;    /* pause after the first failure; doubles */
    int64_t backoff_max_us;
    uint32_t attempts; /* failed ones, before a query is dead; >= 1 */
    size_t window;     /* queries that wait in memory, >= 1; the others wait in the file */
    enum order order;
};

struct rules_entry {
    char service[LIMIT_SERVICE + 1];
    struct rules rules;
};

/* The rules of all services; plain data, its owner frees `entry`. */
struct rulebook {
    struct rules general;
    struct rules_entry *entry; /* services with rules of their own */
    size_t count;
};

/* The rules for the service of that NAME; borrowed from SELF. */
static inline const struct rules *rulebook_find(const struct rulebook *self, struct span name)
{
    for (size_t i = 0; i < self->count; i++)
        if (span_is(name, self->entry[i].service))
            return &self->entry[i].rules;
    return &self->general;
}

/* Frees its entries. */
static inline void rulebook_done(struct rulebook *self)
{
    free(self->entry);
    self->entry = NULL;
    self->count = 0;
}

#endif
