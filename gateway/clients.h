/* Clients of the gate: which request waits for what, and in which order replies leave. Pure: no
 * socket, no database, no clock; who calls it sends, and has rows made.
 *
 *   request ─▶ WAITING ─▶ MAKING ─────▶ ASKED ─────▶ DONE ─▶ sent
 *              beyond     its row is    its row is    its reply is there, and waits
 *              the window being made    committed     for those of earlier requests
 *
 *  C1. Majordomo has no correlation id: replies leave in the order in which a connection asked, and
 *      only the oldest request of a connection hears PARTIALs.
 *
 *  C2. At most `window` requests of a connection are MAKING or ASKED. What is beyond waits, up to
 *      LIMIT_CLIENT_WAITING; what is beyond that is refused in its turn.
 *
 *  C3. What was asked by somebody who is gone is known for `coalesce`: the same request (equal
 *      digests) attaches to it instead of having another row made, and where it has ended meanwhile
 *      its row is looked for in the file. It does not while the earlier asker is there: two who ask
 *      the same get an answer each.
 *
 *      A client that asks again has closed its connection before, but we may hear of that later
 *      than of the new one: where an earlier asker, of another connection, has waited for
 *      TWIN_OLD_US and seems to be there, the new request waits for TWIN_WAIT_US before it gets a
 *      row of its own.
 *
 *  C4. A connection that takes nothing keeps its replies, up to LIMIT_CLIENT_BYTES. Beyond that it
 *      is cut: a reply is missing then, and without a correlation id all later ones would be taken
 *      for others. It hears nothing more; once it has connected afresh it can ask again. Where all
 *      replies together are more than LIMIT_CLIENTS_BYTES, whoever keeps most is cut.
 *
 *  C5. A request that was ASKED `expire` ago is looked at (clients_overdue()), and again after as
 *      long: somebody may have to give it up because nobody serves it.
 *
 *  C6. All of it is a cache: rows that were made are served without it.
 *
 *  C7. What waits, or is on its way into the file, has LIMIT_CLIENT_BYTES of a connection and
 *      LIMIT_CLIENTS_BYTES of all, and LIMIT_REQUESTS requests; what is beyond is refused.
 *
 *  C8. The end of a query that was known here is told to each of its askers, or clients_end() says
 *      that there is none, or clients_lost() that it was never sent. */
#ifndef TAILGATE_GATEWAY_CLIENTS_H
#define TAILGATE_GATEWAY_CLIENTS_H

#include "gateway/workers.h"

#define CLIENT_DIGEST_SIZE 16
#define TWIN_OLD_US 250000 /* C3: no client gives up sooner */
#define TWIN_WAIT_US 100000

enum client_protocol {
    CLIENT_MDP_02, /* Majordomo 0.2 */
    CLIENT_MDP_01, /* Majordomo 0.1 */
    CLIENT_REQ     /* a bare peer: ASK, or a query object */
};

/* "MDP/0.2", "MDP/0.1" or "REQ". */
const char *client_protocol_name(enum client_protocol protocol);

struct clients;

struct clients_limits {
    size_t window;       /* C2 */
    int64_t coalesce_us; /* C3 */
    int64_t expire_us;   /* C5 */
};

/* What cannot be made yet is kept for later with what making it takes; freed by DISCARD. */
typedef void clients_discard_fn(void *cargo);

/* SEED keys the hash tables; LIMITS are copied; NOW_US: the run begins. */
struct clients *clients_new(uint64_t seed, int64_t now_us, const struct clients_limits *limits,
                            clients_discard_fn *discard);
void clients_destroy(struct clients **self);
/* LIMITS have changed: they hold for what comes. */
void clients_limit(struct clients *self, const struct clients_limits *limits);

/* A request as it came; all is borrowed. */
struct client_request {
    const struct peer *peer;
    enum client_protocol protocol;
    const struct envelope *envelope;
    struct span service; /* as the client named it: it stands in the reply; cut to LIMIT_SERVICE */
};

/* Takes a request whose reply is known at once, or refused: it waits for its turn only (C1).
 * Returns its number, or 0 when the connection was cut (C4) or there is no room: it hears nothing.
 * Follow with clients_reply(). */
uint64_t clients_hear(struct clients *self, const struct client_request *request);

enum clients_verdict {
    CLIENTS_MAKE,     /* have its row made, then clients_made() */
    CLIENTS_ATTACHED, /* it waits for a row that is there or being made: discard the cargo */
    CLIENTS_LATER,    /* CARGO is kept: clients_next() brings it */
    CLIENTS_FULL,     /* refused: give it an error by clients_reply(), discard the cargo */
    CLIENTS_IGNORED   /* the connection was cut, or there is no room: discard the cargo */
};

/* Takes a request that wants a row of its own. DIGEST names principal, service and body. TICKET:
 * its reply is a receipt for the row, not the row's answer; such a one never attaches here, but has
 * its row looked for. CARGO of SIZE bytes is what making the row takes. *ret_number names it. For
 * CLIENTS_MAKE *ret_look says that the file is to be searched for the row of an asker who is gone:
 * this run is too young to know it, or what it asked for was never delivered. */
enum clients_verdict clients_take(struct clients *self, int64_t now_us,
                                  const struct client_request *request,
                                  const unsigned char digest[CLIENT_DIGEST_SIZE], bool ticket,
                                  void *cargo, size_t size, uint64_t *ret_number, bool *ret_look);
/* A request that waited and may have its row made now: its number and cargo, which is the caller's
 * then. False when there is none. */
bool clients_next(struct clients *self, int64_t now_us, uint64_t *ret_number, void **ret_cargo,
                  bool *ret_look);
/* The row of request NUMBER is ID. (A TICKET is answered with clients_reply() instead.) */
void clients_made(struct clients *self, uint64_t number, int64_t id);
/* PACKED (proto/pack.h) is the reply to request NUMBER, about query ID (0: about none). */
void clients_reply(struct clients *self, uint64_t number, int64_t id, struct span packed);
/* True when the row of query ID was asked for here. */
bool clients_know(const struct clients *self, int64_t id);
/* Query ID has ended with PACKED. Returns how many wait for it; 0: its askers are gone. */
size_t clients_end(struct clients *self, int64_t id, struct span packed);
/* The connection of PEER is closed. */
void clients_closed(struct clients *self, const struct peer *peer);

/* Something to send, borrowed until the next call. */
struct client_parcel {
    const struct peer *peer;
    enum client_protocol protocol;
    const struct envelope *envelope;
    struct span service;
    struct span packed;
    int64_t id; /* of the query; 0: of none */
};

/* Whether it is the turn of request NUMBER, which has no reply yet: until clients_reply() it may be
 * sent PARTIALs. RET_PARCEL says where to; its `packed` is the caller's to set. */
enum clients_turn {
    CLIENTS_GONE,  /* its connection is closed or cut, or it has its reply */
    CLIENTS_WAITS, /* earlier requests of its connection have no reply yet (C1) */
    CLIENTS_TURN
};
enum clients_turn clients_turn(const struct clients *self, uint64_t number,
                               struct client_parcel *ret_parcel);
/* The oldest request of each connection that waits for query ID and understands PARTIALs; start
 * with *at = NULL. False when there is no other. */
bool clients_listener(struct clients *self, int64_t id, void **at,
                      struct client_parcel *ret_parcel);
/* The next reply whose turn it is, to be sent and then clients_sent(). False when there is none. */
bool clients_parcel(struct clients *self, struct client_parcel *ret_parcel);
enum client_sent {
    CLIENT_SENT, /* it is on its way */
    CLIENT_FULL, /* the connection takes nothing now: it is tried again */
    CLIENT_GONE  /* it is closed */
};
/* What became of the parcel that clients_parcel() gave last. */
void clients_sent(struct clients *self, int64_t now_us, enum client_sent sent);
/* A query whose reply was never sent, because its client is gone or was CUT (C4): its id. False
 * when there is none. */
bool clients_lost(struct clients *self, int64_t *ret_id, bool *ret_cut);
/* When clients_tick() has something to do; INT64_MAX: nothing waits for time. */
int64_t clients_due(const struct clients *self);
/* Time has passed. */
void clients_tick(struct clients *self, int64_t now_us);
/* A query that is to be looked at (C5): its id and service, borrowed. False when there is none. */
bool clients_overdue(struct clients *self, int64_t *ret_id, const char **ret_service);

/* How many connections have something open, how many requests are, how many of them wait. */
struct clients_view {
    size_t clients, requests, waiting;
    uint64_t attached, cut; /* so far: C3, C4 */
};
void clients_look(const struct clients *self, struct clients_view *ret_view);

#endif
