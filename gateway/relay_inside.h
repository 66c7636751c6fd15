/* What the files of the relay share (relay.h): its state, and who does what.
 *
 *   relay.c          begins, turns, ends
 *   relay_doors.c    the gate: what is read there, and sent
 *   relay_hear.c     frames at the gate ──▶ what they mean
 *   relay_work.c     workers come, say what they have, leave
 *   relay_flights.c  the queries that are here
 *   relay_hand.c     queries to workers, and what they say of them
 *   relay_asks.c     clients: status, mmi, replays
 *   relay_status.c   what it says of itself
 *   relay_feed.c     events from above, passed on */
#ifndef TAILGATE_GATEWAY_RELAY_INSIDE_H
#define TAILGATE_GATEWAY_RELAY_INSIDE_H

#include "adapters/c/dial.h"
#include "adapters/zmq/events.h"
#include "gateway/descriptors.h"
#include "gateway/keys.h"
#include "gateway/relay.h"
#include "gateway/workers.h"
#include "proto/mdp.h"
#include "proto/via.h"

#define RELAY_ASKS 100 /* replays under way */

/* A query that is here: one attempt at one worker. */
struct relay_flight {
    struct table_node node; /* by its token */
    char token[TOKEN_SIZE];
    size_t size;
    struct worker *worker; /* who has it; NULL only within a READY */
    int64_t over_us;       /* delivery.deadline; INT64_MAX: not known, or put off by a PARTIAL */
    int64_t lease_us;      /* its worker is silent while it works; INT64_MAX: it beats */
    bool over; /* the source was told that the attempt failed; the worker still has it */
    struct timer timer;
};

enum relay_count {
    RELAY_TAKEN,    /* queries that came */
    RELAY_ANSWERED, /* answers passed on */
    RELAY_UNKNOWN,  /* of these, such whose token was not known here */
    RELAY_PARTIALS,
    RELAY_FAILED,
    RELAY_RETURNED,
    RELAY_ADOPTED, /* queries that a worker said it has already */
    RELAY_DROPPED, /* answers that were kept and had to be thrown away */
    RELAY_LOOPS,   /* relays that were refused */
    RELAY_REFUSED, /* messages that a key's roles do not allow */
    RELAY_BAD_FRAMES,
    RELAY_EVENTS, /* events passed on */
    RELAY_REPLAYS,
    RELAY_COUNTS
};

/* A replay that was asked for, and to whom its answer goes. */
struct relay_ask {
    struct peer peer;
    struct envelope envelope;
    bool gone; /* nobody takes it any more */
};

struct relay {
    const struct relay_setup *setup;
    struct gate *gate;
    struct events *events;
    struct keys *keys; /* NULL without --curve */
    struct source *source;
    char id[OPTIONS_RELAY_SIZE];
    int signals;
    int64_t started_us; /* monotonic */
    int64_t started_utc_us;
    bool settled;            /* queries are asked for (relay_setup.settle_us) */
    bool draining, finished; /* SIGTERM came; and all is done */
    int64_t drain_until_us;
    bool up;       /* the source's way is open */
    int64_t up_us; /* since when it is, or is not */
    uint64_t count[RELAY_COUNTS];
    struct descriptors descriptors;
    uint64_t turned_away; /* connections for which there was none */
    /* relay_work.c, relay_flights.c */
    struct rulebook rulebook; /* empty: pending wants one */
    struct pending *pending;  /* names of services; nothing waits in it */
    struct service *all;      /* "*", for those that no worker serves by name */
    struct workers *workers;
    struct timers timers;
    struct table flights;
    /* relay_doors.c */
    struct frameset set;
    struct peer *closed; /* whose connections have closed, to be told when all is read */
    size_t closed_count, closed_room;
    /* relay_hear.c */
    uint64_t told_roles;   /* refused messages that the log knows of, */
    int64_t told_roles_us; /*   and since when; 0: none */
    /* relay_asks.c */
    struct dial ask_dial;
    struct frameset ask_set;
    struct relay_ask ask[RELAY_ASKS]; /* ring, in the order they were asked */
    size_t ask_first, ask_count;
    bool ask_waits;       /* ask_set has a message that its client had no room for */
    int64_t ask_until_us; /* so long */
    int64_t ask_again_us;
    /* relay_feed.c */
    struct dial feed_dial;
    struct frameset feed_set;
};

/* relay.c */
/* ZeroMQ's own heartbeat, for connections whose protocol has none: it tells that a host, or the way
 * to it, is gone. */
int relay_zmtp_beat_ms(const struct relay *self);

/* relay_doors.c */
/* Sends frames behind ENVELOPE (NULL: none). Returns as gate_send(). */
int relay_send(struct relay *self, const struct peer *peer, const struct envelope *envelope,
               const struct span *frame, size_t count);
/* Tells a bare peer an error; a Majordomo worker DISCONNECT. */
void relay_tell_error(struct relay *self, const struct peer *peer, const struct envelope *envelope,
                      const char *error);
void relay_dismiss(struct relay *self, const struct peer *peer, const struct envelope *envelope,
                   enum mdp_version version);
/* Takes a bounded number of messages; true when nothing waits any more. */
bool relay_doors_run(struct relay *self, int64_t now_us);

/* relay_hear.c */
/* One message of PEER, which is in the set. */
void relay_hear(struct relay *self, int64_t now_us, const struct peer *peer,
                const struct span *frame, size_t count);

/* relay_work.c */
void relay_work_init(struct relay *self, uint64_t seed);
void relay_work_done(struct relay *self);
/* PEER registers. RET_WHY: a reason when it is refused, else NULL. */
const char *relay_work_ready(struct relay *self, int64_t now_us, const struct peer *peer,
                             enum worker_protocol protocol, const struct envelope *envelope,
                             struct span service, const struct worker_options *options);
/* WORKER is none any more: what it has, has failed. Frees it. */
void relay_work_lose(struct relay *self, int64_t now_us, struct worker *worker, const char *reason);
/* The relays at and below WORKER are from now on those that SAID names. Returns why that is
 * refused, else NULL. */
const char *relay_work_relays(struct relay *self, struct worker *worker,
                              const struct worker_options *said);
/* WORKER takes another number of queries at once. */
void relay_work_resize(struct relay *self, struct worker *worker, uint32_t slots);
/* The end: the source gets back what is here. */
void relay_work_give_back(struct relay *self);
/* Beats, silences, leases that are due. */
void relay_work_tick(struct relay *self, int64_t now_us);
/* The attempt of TOKEN is over there. */
void relay_work_end(struct relay *self, int64_t now_us, struct span token);
/* Offers every service's slots to the source. */
void relay_work_offer_all(struct relay *self);

/* relay_flights.c */
struct span relay_flight_token(const struct relay_flight *flight);
struct relay_flight *relay_flight_find(const struct relay *self, struct span token);
/* The next one of WORKER after FLIGHT (NULL: the first). */
struct relay_flight *relay_flight_next(const struct relay *self, const struct worker *worker,
                                       const struct relay_flight *flight);
/* A new one, at WORKER; TOKEN is shorter than TOKEN_SIZE. */
struct relay_flight *relay_flight_add(struct relay *self, struct span token, struct worker *worker);
/* Its attempt ends at its deadline, or at the lease, from now on, of a worker that says nothing
 * while it works. */
void relay_flight_arm(struct relay *self, struct relay_flight *flight, int64_t now_us);
/* It is over, and its worker free of it. Frees it. */
void relay_flight_forget(struct relay *self, struct relay_flight *flight);

/* relay_hand.c */
/* A query of the source. */
void relay_hand_out(struct relay *self, int64_t now_us, const struct source_news *news);
/* What a worker said of a query. */
struct relay_said {
    struct span token; /* size 0: of the only one it has */
    bool raw, partial;
    const struct via *via; /* of a relay below; NULL: WORKER, or NAME where it is not registered */
    const struct span *frame;
    size_t count;
};
/* WORKER NULL: PEER is not registered. Returns false when no query is known to it. */
bool relay_hand_back(struct relay *self, int64_t now_us, struct worker *worker,
                     const struct relay_said *said);

/* relay_asks.c */
void relay_asks_init(struct relay *self);
void relay_asks_done(struct relay *self);
/* A client's request. VERSION < 0: it is bare. */
struct relay_request {
    const struct peer *peer;
    const struct envelope *envelope;
    int version;
    struct span service;
    const struct span *body;
    size_t count;
};
/* Answers with an error object. */
void relay_asks_refuse(struct relay *self, const struct relay_request *request, const char *error);
void relay_asks_hear(struct relay *self, int64_t now_us, const struct relay_request *request);
void relay_asks_run(struct relay *self, int64_t now_us);
size_t relay_asks_items(const struct relay *self, zmq_pollitem_t ret_item[DIAL_ITEMS]);
int64_t relay_asks_due(const struct relay *self);

/* relay_status.c */
/* The status, one JSON object. */
void relay_status(const struct relay *self, int64_t now_us, struct buffer *ret_json);

/* relay_feed.c */
void relay_feed_init(struct relay *self);
void relay_feed_done(struct relay *self);
void relay_feed_run(struct relay *self, int64_t now_us);
size_t relay_feed_items(const struct relay *self, zmq_pollitem_t ret_item[DIAL_ITEMS]);
int64_t relay_feed_due(const struct relay *self);

#endif
