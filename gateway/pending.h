/* Queries that wait for a worker, by service.
 *
 *  P1. Within a conversation: by id, which is first in, first out; a query whose attempt failed, or
 *      that could not be handed over, comes back to its place.
 *
 *  P2. Between the conversations of a service: round robin, so that one conversation's 100,000
 *      questions do not bury another's one. With ORDER_FIFO a service has one queue for all of
 *      them; with ORDER_CONVERSATION a conversation waits while one query of it is in flight.
 *
 *  P3. An id waits at most once.
 *
 *  P4. Services with something to give out that are not paused form a ring, so that a worker for
 *      all services serves them in turn.
 *
 *  P5. A service keeps at most its rules' window of queries in memory, and a quarter more for
 *      conversations that have none there yet. What does not fit waits in the file, from the id
 *      service->more_from on; a query at or above that id comes in only by refilling, or, within
 *      that quarter, when its conversation has nothing that waits beyond (so that P1 holds). A row
 *      that is fed late takes the place of its conversation's last one where there is no room.
 *      pending_want() says what to read again. What comes back (pending_return()) always fits.
 *
 * A service that has nothing waiting, here or in the file, and no users (pending_hold()) is
 * forgotten. What a crash loses here, the next start reads from the file again. */
#ifndef TAILGATE_GATEWAY_PENDING_H
#define TAILGATE_GATEWAY_PENDING_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/ring.h"
#include "gateway/rules.h"
#include "gateway/table.h"

/* The service name under which a worker registers for every service. */
#define SERVICE_ALL "*"

struct worker;

struct service {
    char name[LIMIT_SERVICE + 1];
    const struct rules *rules; /* borrowed from the rulebook; never NULL */
    size_t backlog;            /* queries that wait here */
    size_t beyond;             /* queries that were seen and wait in the file only: about so many */
    int64_t more_from;         /* P5; 0: all that is known waits here */
    bool paused;               /* nothing is given out: pending_pause() */
    size_t in_flight;          /* queries leased or being committed: counted by inflight, as */
    size_t backing_off;        /*   are those that pause after a failure */
    size_t workers;            /* registered for exactly this service: counted by workers, */
    int64_t left_us;           /*   and when the last of them left; 0: none did */
    struct worker *idle_first,
        *idle_last; /* with a free slot, least recently used first: workers' */
    /* pending's own */
    struct table_node node;
    enum order order;      /* as the queues are laid out: the rules may have changed */
    struct ring in_turn;   /* P4 */
    struct ring in_want;   /* among those for pending_want() */
    struct ring *turn;     /* P2: the conversation whose turn it is; NULL: nothing to give out */
    struct ring *shut;     /* ORDER_CONVERSATION: those that wait for pending_free() */
    uint64_t *beyond_bits; /* P5: conversations that have something beyond, by hash */
    size_t ahead;          /* P5: queries that wait here ahead of what waits beyond */
    size_t holds;
};

/* A waiting query. */
struct waiting {
    int64_t id;
    int64_t seen_us;       /* when its row was seen, monotonic */
    uint64_t conversation; /* pending_conversation() of its conversation id */
    bool single;           /* its conversation waits for pending_free() */
};

enum pending_seen {
    PENDING_WAITS, /* it waits now */
    PENDING_KNOWN, /* it waited already (P3) */
    PENDING_BEYOND /* it waits in the file (P5) */
};

struct pending;

/* SEED keys the hash tables (table.h); RULEBOOK is borrowed. */
struct pending *pending_new(uint64_t seed, const struct rulebook *rulebook);
void pending_destroy(struct pending **self);
/* The rulebook has changed: every service looks its rules up again. What waits falls into line with
 * a new order; a smaller window applies to what comes. The old rulebook may be gone already. */
void pending_rules(struct pending *self, const struct rulebook *rulebook);
/* The service of that NAME (1 to LIMIT_SERVICE bytes), made when new, and held: release it. NULL
 * when there are LIMIT_SERVICES of them already. */
struct service *pending_hold(struct pending *self, struct span name);
void pending_hold_again(struct service *service);
/* The service of that NAME, or NULL: none is made. */
struct service *pending_find(const struct pending *self, struct span name);
/* There are LIMIT_SERVICES of them. */
bool pending_is_full(const struct pending *self);
void pending_release(struct pending *self, struct service *service);
/* The key of a conversation id: equal ids have equal keys; two ids with one key merely take turns
 * together. */
uint64_t pending_conversation(const struct pending *self, struct span conversation_id);
/* Takes in a query whose row was seen (P1, P3, P5). */
enum pending_seen pending_append(struct pending *self, struct service *service,
                                 const struct waiting *query);
/* Puts a query that was given out back to its place; where it was given out with `single`, its
 * conversation is free (pending_free()). */
void pending_return(struct pending *self, struct service *service, const struct waiting *query);
/* Takes the next query of SERVICE, paused or not; false when there is none to give out. */
bool pending_take(struct pending *self, struct service *service, struct waiting *ret_query);
/* ORDER_CONVERSATION: a query of CONVERSATION is in flight that pending_take() has not given out (a
 * restart found it there, its worker took it up again, its answer came late). Returns true when
 * pending_free() is due for it, too. */
bool pending_engage(struct pending *self, struct service *service, uint64_t conversation);
/* ORDER_CONVERSATION: the query of CONVERSATION that was given out with `single` has ended. Until
 * then the service stays, whoever holds it. */
void pending_free(struct pending *self, struct service *service, uint64_t conversation);
/* Takes out query ID wherever it waits; false when it does not. Either out-parameter may be NULL;
 * the service comes held. */
bool pending_remove(struct pending *self, int64_t id, struct waiting *ret_query,
                    struct service **ret_service);
bool pending_waits(const struct pending *self, int64_t id);

/* P5: a service whose memory has room while more of it waits in the file, NULL when there is none:
 * read the rows from service->more_from on, give those of this service to pending_refill() in id
 * order until it returns false, then tell pending_refilled(); nothing is appended in between. */
struct service *pending_want(const struct pending *self);
/* False: no room for it (nothing was done). What waits already is passed over. */
bool pending_refill(struct pending *self, struct service *service, const struct waiting *query);
/* Everything below MORE_FROM has been read; 0: everything. */
void pending_refilled(struct pending *self, struct service *service, int64_t more_from);

/* Stops giving out queries of SERVICE through pending_turn(), or goes on with it. */
void pending_pause(struct pending *self, struct service *service, bool paused);
/* The service whose turn it is among those of P4, or NULL; the next call gives the next one. */
struct service *pending_turn(struct pending *self);
/* True when SERVICE has something to give out and is not paused. */
bool pending_gives(const struct service *service);
/* Queries that wait here, in all services. */
size_t pending_backlog(const struct pending *self);
/* When the query that waits longest in SERVICE was seen; INT64_MAX when none waits.
 * O(conversations). */
int64_t pending_oldest(const struct pending *self, const struct service *service);
/* Walks all services in no order; start with NULL. */
struct service *pending_walk(const struct pending *self, const struct service *after);

#endif
