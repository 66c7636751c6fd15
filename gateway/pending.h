/* Queries that wait for a worker, by service.
 *
 *  P1. Within a conversation: first in, first out.
 *
 *  P2. Between the conversations of a service: round robin, so that one conversation's 100,000
 *      questions do not bury another's one.
 *
 *  P3. A query whose attempt failed, or that could not be handed over, comes back in front of its
 *      conversation; several that came back stand there by id.
 *
 *  P4. Services with a backlog form a ring, so that a worker for all services serves them in turn.
 *
 * A service that has neither backlog nor users (pending_hold()) is forgotten. What a crash loses
 * here, the next start reads from the file again. */
#ifndef TAILGATE_GATEWAY_PENDING_H
#define TAILGATE_GATEWAY_PENDING_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/table.h"
#include "proto/limits.h"
#include "proto/span.h"

/* The service name under which a worker registers for every service. */
#define SERVICE_ALL "*"

struct worker;

struct service {
    char name[LIMIT_SERVICE + 1];
    size_t backlog;   /* queries that wait */
    size_t in_flight; /* queries leased or being committed: counted by inflight */
    size_t workers;   /* registered for exactly this service: counted by workers */
    struct worker *idle_first,
        *idle_last; /* with a free slot, least recently used first: workers' */
    /* pending's own */
    struct table_node node;
    struct service *next, *previous; /* in the ring of P4, while backlog > 0 */
    struct conversation *turn;       /* the ring of P2: whose turn it is; NULL when backlog is 0 */
    size_t holds;
};

/* A waiting query. */
struct waiting {
    int64_t id;
    int64_t seen_us;       /* when its row was seen, monotonic */
    uint64_t conversation; /* pending_conversation() of its conversation id */
};

struct pending;

/* SEED keys the hash tables (table.h). */
struct pending *pending_new(uint64_t seed);
void pending_destroy(struct pending **self);
/* The service of that NAME (1 to LIMIT_SERVICE bytes), made when new, and held: release it. NULL
 * when there are LIMIT_SERVICES of them already. */
struct service *pending_hold(struct pending *self, struct span name);
void pending_hold_again(struct service *service);
void pending_release(struct pending *self, struct service *service);
/* The key of a conversation id: equal ids have equal keys; two ids with one key merely take turns
 * together. */
uint64_t pending_conversation(const struct pending *self, struct span conversation_id);
/* Appends a query to its conversation's queue (P1), or puts it in front (P3). */
void pending_append(struct pending *self, struct service *service, const struct waiting *query);
void pending_return(struct pending *self, struct service *service, const struct waiting *query);
/* Takes the next query of SERVICE; false when none waits. */
bool pending_take(struct pending *self, struct service *service, struct waiting *ret_query);
/* The service whose turn it is among those with a backlog, or NULL; the next call gives the next
 * one. */
struct service *pending_turn(struct pending *self);
/* Queries that wait, in all services. */
size_t pending_backlog(const struct pending *self);
/* When the query that waits longest in SERVICE was seen; INT64_MAX when none waits.
 * O(conversations). */
int64_t pending_oldest(const struct pending *self, const struct service *service);
/* Walks all services in no order; start with NULL. */
struct service *pending_walk(const struct pending *self, const struct service *after);

#endif
