/* The REP workers that we dial (--rep): what stands between their sockets (adapters/zmq/dial.h) and
 * the core.
 *
 *  R1. One is registered in the core, with one slot, while its connection is up. Each --rep is a
 *      peer of its own: door DIAL_DOOR_FIRST and its number, and an id that says nothing.
 *
 *  R2. Out go the token of the attempt, an empty frame, and the query. A REP socket sends back all
 *      up to the empty frame in front of its reply, so that its answer is about the attempt that
 *      its first frame names, whenever it comes. A reply without that expels it.
 *
 *  R3. What the core gives up is hung up and dialled again after a pause; its answer may still come
 *      (dial.h, L3).
 *
 *  R4. The connection is ours and ends with this process, and what a REP works on is lost to us
 *      then. So its leases are recorded as held by our own process: the next run sees that it is
 *      gone, and does not wait for a worker that cannot come back. */
#ifndef TAILGATE_GATEWAY_REPS_H
#define TAILGATE_GATEWAY_REPS_H

#include "adapters/zmq/dial.h"
#include "proto/peer.h"

#define REPS_MAX 64 /* endpoints at most */
#define DIAL_DOOR_FIRST 128
#define REPS_ITEMS (REPS_MAX * DIAL_ITEMS) /* items to poll at most */
#define REP_ENDPOINT_SIZE 512

struct reps;
struct server;

/* A word of --rep: ENDPOINT[,service=NAME]. */
struct rep_word {
    char endpoint[REP_ENDPOINT_SIZE];
    struct span service; /* borrowed from the word; SERVICE_ALL when not given */
};

/* Reads WORD. Returns 0, or -1 when the endpoint is too long or the service is not one. What the
 * endpoint may be is endpoint.h's business. */
int rep_word_read(const char *word, struct rep_word *ret_word);

/* None yet; their sockets belong to CONTEXT. */
struct reps *reps_new(void *context);
/* Hangs all of them up; a query that was not sent is dropped, for it was not executed. NULL-safe.
 */
void reps_destroy(struct reps **self);
/* Dials one more. Returns 0 or -errno. */
int reps_add(struct reps *self, const struct rep_word *word, uint64_t seed);

/* Takes what came, a bounded number of messages from each, and feeds it to the core. Returns true
 * when nothing waits any more. */
bool reps_run(struct server *server, int64_t now_us);
/* True while a reply waits for its row, which could not be read: nothing else is taken. */
bool reps_held(const struct reps *self);
/* When reps_run() has something to do although nothing comes; INT64_MAX: never. */
int64_t reps_due(const struct reps *self);
/* Fills in what to poll; returns how many. */
size_t reps_items(const struct reps *self, zmq_pollitem_t ret_item[REPS_ITEMS]);
/* Sends frames to PEER, which is one of ours. Returns as gate_send(). */
int reps_send(struct reps *self, const struct peer *peer, const struct span *frame, size_t count);
/* The core has given PEER up (R3). */
void reps_give_up(struct reps *self, int64_t now_us, const struct peer *peer);

/* For status: one of the reps_count(). Borrowed. */
struct rep_view {
    const char *endpoint;
    const char *service;
    const char *state; /* "up", "down", "waiting" */
};
size_t reps_count(const struct reps *self);
struct rep_view reps_look(const struct reps *self, size_t at);

#endif
