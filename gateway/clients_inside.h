/* What the files of the clients share: clients.c has connections and their requests, clients_take.c
 * and clients_send.c what comes from them and goes to them, clients_asked.c the rows that they wait
 * for. For nobody else. */
#ifndef TAILGATE_GATEWAY_CLIENTS_INSIDE_H
#define TAILGATE_GATEWAY_CLIENTS_INSIDE_H

#include "gateway/clients.h"
#include "gateway/ring.h"
#include "gateway/table.h"
#include "gateway/timers.h"
#include "proto/buffer.h"

enum clients_timer { TIMER_ASKED, TIMER_STALLED, TIMER_TWIN };

enum request_state { REQUEST_WAITING, REQUEST_MAKING, REQUEST_ASKED, REQUEST_DONE };

struct request {
    uint64_t number;
    int64_t id;            /* DONE: of the query that has ended with this reply; 0: of none */
    struct client *client; /* NULL: it is gone while its row is being made */
    enum request_state state;
    bool ticket;
    bool maker; /* its row is being made for it, or was */
    enum client_protocol protocol;
    struct envelope envelope;
    char service[LIMIT_SERVICE + 1];
    unsigned char digest[CLIENT_DIGEST_SIZE];
    struct asked *asked;        /* MAKING, ASKED, a DONE ticket: what it waits for; else NULL */
    struct request *next_asker; /* of the same row */
    struct request *next;       /* of the same connection */
    void *cargo;                /* WAITING */
    int64_t not_before_us;      /* WAITING: C3; 0: at once */
    size_t asking;              /* WAITING, MAKING: the bytes of what is to be written (C7) */
    size_t replying;            /* DONE: those of its reply (C4) */
    struct buffer reply;        /* DONE: packed */
    struct table_node node;     /* by number */
};

/* A row that was asked for here, or is being made. */
struct asked {
    int64_t id;  /* 0: not known (yet) */
    bool making; /* its row is being made */
    bool ended;  /* it has ended, and nobody had that: only its digest counts (C3) */
    bool ticket;
    int64_t since_us;
    struct request *asker; /* those who wait for it and are there; */
    int64_t waited_us;     /*   since then somebody does */
    char service[LIMIT_SERVICE + 1];
    struct timer timer;
    struct ring overdue;
    struct sheaf *sheaf;
    struct ring alike; /* in one of the sheaf's rings */
    struct table_node by_id;
};

/* The rows of one digest: thousands may ask the same. */
struct sheaf {
    unsigned char digest[CLIENT_DIGEST_SIZE];
    struct ring *orphans; /* whose askers are gone, the longest first */
    struct ring *ended;   /* and what they asked for has ended */
    struct ring *awaited; /* the others, in the order of waited_us */
    struct table_node node;
};

/* A reply that nobody has got. */
struct lost {
    int64_t id;
    bool cut;
};

struct client {
    struct peer peer;
    bool cut;                       /* C4 */
    bool stalled;                   /* C4: tried again when its timer says so */
    int64_t pause_us;               /* how long until then, doubling; 0: it was not yet */
    struct request *first, *last;   /* in the order of asking */
    struct request *waiting;        /* the first that is WAITING */
    size_t count, running, waiters; /* requests; MAKING or ASKED; WAITING */
    size_t asking, replying;        /* bytes, as in its requests */
    struct timer timer;
    struct timer twin; /* armed: its first WAITING one waits for that (C3) */
    struct ring ready; /* its first reply can be sent */
    struct ring maker; /* a WAITING one may have its row made */
    struct table_node node;
};

struct clients {
    struct clients_limits limits;
    clients_discard_fn *discard;
    int64_t began_us, now_us; /* when the run began; the last time that was told */
    uint64_t numbers;         /* given out so far */
    struct table clients, requests, by_id, sheaves;
    size_t asked; /* rows */
    struct timers timers;
    struct ring *ready, *maker, *overdue; /* whose turn it is */
    size_t asking, replying;              /* bytes of all; those of the gone included */
    size_t waiters;
    struct lost *lost;
    size_t lost_count, lost_room;
    uint64_t attached, cut;
};

/* clients_asked.c */

/* REQUEST waits for ASKED from NOW_US on. */
void asked_join(struct asked *asked, int64_t now_us, struct request *request);
/* REQUEST waits for it no longer. */
void asked_leave(struct request *request);
/* A row of DIGEST whose askers are gone and that may be attached to; NULL: none. (What is asked for
 * a ticket has a digest of its own.) */
struct asked *asked_orphan(const struct clients *self, int64_t now_us,
                           const unsigned char digest[CLIENT_DIGEST_SIZE]);
/* True when another connection than CLIENT, which seems to be there, has waited for a row of DIGEST
 * for long (C3). */
bool asked_twin(const struct clients *self, int64_t now_us,
                const unsigned char digest[CLIENT_DIGEST_SIZE], const struct client *client);
/* A row that REQUEST has made for it. */
struct asked *asked_new(struct clients *self, int64_t now_us, const struct request *request);
/* What REQUEST waited for has ended, and its connection with it. */
void asked_lose(struct clients *self, const struct request *request);
/* Forgets it; nobody waits for it. */
void asked_destroy(struct clients *self, struct asked *asked);
/* True when the file is to be searched for REQUEST's row (clients_take()). */
bool asked_look(const struct clients *self, int64_t now_us, const struct request *request);
/* TIMER_ASKED of ASKED is due. */
void asked_tick(struct clients *self, int64_t now_us, struct asked *asked);

/* clients.c */

/* The connection of PEER; NULL when it is a new one and there are too many. */
struct client *client_find_or_add(struct clients *self, const struct peer *peer);
/* CLIENT has changed: whether it stands among those whose turn it may be. */
void client_line_up(struct clients *self, struct client *client);
/* Takes the first request of CLIENT out of its line. */
struct request *client_pop(struct client *client);
/* CLIENT is gone, or hears nothing more. What was asked stays known (C3). */
void client_drop(struct clients *self, struct client *client);
/* C4. */
void client_cut(struct clients *self, struct client *client);
/* Frees CLIENT, which has no requests. */
void client_forget(struct clients *self, struct client *client);

void request_enter(struct clients *self, struct request *request, enum request_state state);
/* REQUEST has PACKED as its reply. */
void request_done(struct clients *self, struct request *request, struct span packed);
/* What REQUEST has to be written takes BYTES; 0: it is written, or comes to nothing (C7). */
void request_asks(struct clients *self, struct request *request, size_t bytes);
/* REQUEST is not its client's any more. */
void request_let_go(struct clients *self, struct request *request);
/* Frees REQUEST, which is nobody's. */
void request_destroy(struct clients *self, struct request *request);

#endif
