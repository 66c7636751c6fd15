/* A client as client.c (its life and its thread's part), client_calls.c (what callers do with it)
 * and line.c (its requests in order) share it.
 *
 *   tailgate_client_send ──▶ line: [sent, sent, …, waits, waits] ──▶ socket
 *   socket ──▶ part or answer to the oldest of the line ──▶ inbox ──▶ tailgate_client_next
 *
 * Invariants
 *   1. Everything here is guarded by `lock`. Only the loop's thread touches the socket.
 *   2. MDP does not say what a reply belongs to: replies come in the order of the requests. So a
 *      request that was sent keeps its place in the line until it is answered or the connection
 *      ends, whether or not somebody still waits for it.
 *   3. When the connection ends, what is still waited for is sent again in the same order, with the
 *      same bytes (the gateway knows an identical request and does not have it worked on twice);
 *      the rest leaves the line.
 *   4. A connection on which nobody waits for anything that was sent is closed: so the gateway
 *      knows. */
#ifndef TAILGATE_ADAPTERS_C_CLIENT_INSIDE_H
#define TAILGATE_ADAPTERS_C_CLIENT_INSIDE_H

#include <pthread.h>

#include "adapters/c/dial.h"
#include "adapters/c/loop.h"
#include "adapters/c/notices.h"
#include "adapters/c/parcel.h"
#include "adapters/zmq/frameset.h"

#define CLIENT_REQUESTS 1000          /* in the line at most */
#define CLIENT_PARTS 1000             /* parts in the inbox at most: more are dropped */
#define CLIENT_PARTS_SIZE (16u << 20) /* and their bytes */

struct tailgate_reply {
    struct tailgate_reply *next;      /* in the inbox */
    struct tailgate_request *request; /* in the inbox: what it belongs to */
    enum tailgate_event_kind kind;    /* PARTIAL, REPLY, EXPIRED (without frames) */
    struct parcel body;
    char *text; /* made when it is asked for */
    size_t text_size;
};

struct tailgate_request {
    struct tailgate_client *client;
    struct tailgate_request *next; /* in the line */
    char *service;
    struct parcel body;
    int64_t end_us;      /* when its time is over; INT64_MAX: never */
    bool waited_in_call; /* by tailgate_client_ask() */
    bool in_line, sent;
    bool over;  /* answered or expired */
    bool owned; /* the caller has it */
};

struct tailgate_client {
    struct tailgate_loop *loop;
    bool own_loop;
    struct loop_seat seat;
    pthread_mutex_t lock;
    pthread_cond_t news;
    int bell;
    bool ringing;

    struct curve_client curve; /* without a server key: none */
    char *endpoint;
    void (*notice)(void *context, const struct tailgate_event *event);
    void *context;

    struct dial dial;
    struct frameset received;
    struct notices notices;
    char problem[256];  /* the last reason for not being connected; "" while it is */
    int trouble;        /* TAILGATE_UNREACHABLE or _REFUSED while that is why; else 0 */
    bool busy;          /* callers have left word for the thread */
    int64_t soonest_us; /* not after the end of the first request that expires */

    struct tailgate_request *line;
    size_t requests; /* in it */
    struct tailgate_reply *inbox, **inbox_end;
    size_t parts, parts_size; /* in it */
    size_t for_next;          /* in it, for tailgate_client_next() */
};

/* All under the lock. */

/* Brings the bell and those who wait up to date with what there is to give. */
void client_announce(struct tailgate_client *self);
/* What callers left is looked at by the thread. */
void client_ask(struct tailgate_client *self);

/* Puts REQUEST at the end of the line. */
void line_join(struct tailgate_client *self, struct tailgate_request *request);
/* The oldest that was sent, or NULL. */
struct tailgate_request *line_oldest(const struct tailgate_client *self);
/* The first that waits to be sent, or NULL. */
struct tailgate_request *line_waiting(const struct tailgate_client *self);
/* Takes REQUEST out; frees it when nobody has it. */
void line_leave(struct tailgate_client *self, struct tailgate_request *request);
/* Invariant 3. */
void line_reset(struct tailgate_client *self);
/* True when something was sent and nobody waits for any of it: invariant 4. */
bool line_is_abandoned(const struct tailgate_client *self);
/* Ends those whose time is over at NOW_US, and sets soonest_us. */
void line_expire(struct tailgate_client *self, int64_t now_us);

/* Puts something for REQUEST into the inbox; a part for which there is no room is dropped. */
void inbox_put(struct tailgate_client *self, struct tailgate_request *request,
               enum tailgate_event_kind kind, const struct span *frame, size_t count);
/* Takes the oldest out that is for REQUEST (NULL: for tailgate_client_next()), or returns NULL. */
struct tailgate_reply *inbox_take(struct tailgate_client *self, struct tailgate_request *request);
/* Frees it. */
void request_free(struct tailgate_request *self);

#endif
