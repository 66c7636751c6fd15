/* The core: who gets which query, what counts as its answer, what happens when something fails.
 *
 * A pure function of events and times: dispatch_feed() takes one event and the time at which it
 * happened, and appends actions; the caller takes them with dispatch_take() and carries them out,
 * feeding back what comes of them. No sqlite3, no sockets, no clock, and no randomness but the
 * seed: the same events give the same actions.
 *
 *  D1. A query is leased to one worker at a time; a token names the attempt.
 *
 *  D2. The first valid answer of any attempt wins and is committed; everything after it is refused
 *      (I2, I5).
 *
 *  D3. Errors and partials count only for the current attempt (I5).
 *
 *  D4. An attempt ends by an answer, an error, its lease's end, or the loss of its worker. All but
 *      the first cost it; after `attempts` of them, or at once on an error that says
 *      "retry": false, the query is dead and an error reply is committed. A query that could not be
 *      handed over costs nothing.
 *
 *  D5. Nothing is given out while `queue` or more is outstanding (leased or being committed): when
 *      commits do not get through, dispatch stops (I7), and goes on by itself. Only answers that
 *      come late, for queries that are leased to nobody just now, go beyond.
 *
 *  D6. Nothing here is durable. A query that is not settled in the file is seen again by the next
 *      run (I4). */
#ifndef TAILGATE_GATEWAY_DISPATCH_H
#define TAILGATE_GATEWAY_DISPATCH_H

#include "gateway/inflight.h"
#include "proto/token.h"

struct dispatch_config {
    uint64_t seed;            /* of hash keys and back-off jitter */
    struct token_key key;     /* of the fencing tokens */
    int64_t lease_us;         /* how long a worker may keep a query without a sign */
    int64_t attempt_max_us;   /* how long an attempt may last, heartbeats or not */
    int64_t beat_us;          /* our heartbeat interval */
    int64_t backoff_first_us; /* pause after the first failure; doubles */
    int64_t backoff_max_us;
    uint32_t attempts; /* before a query is dead, >= 1 */
    size_t queue;      /* D5 */
};

enum event_kind {
    EVENT_QUERY, /* the tail saw a query that nobody has answered */
    EVENT_READY, /* a worker registers */
    EVENT_HEARTBEAT,
    EVENT_DISCONNECT, /* a worker leaves */
    EVENT_ANSWER,     /* a worker's FINAL, or a REQ worker's answer */
    EVENT_PARTIAL,
    EVENT_DELIVERED,     /* an ACTION_DELIVER was carried out */
    EVENT_UNDELIVERABLE, /* an ACTION_DELIVER could not be carried out */
    EVENT_COMMITTED,     /* an ACTION_ANSWER, _DEAD or _GONE has ended, however it did */
    EVENT_TICK,          /* only time has passed */
    EVENT_DRAIN          /* deliver nothing more */
};

enum undeliverable {
    UNDELIVERABLE_ENDED,     /* the row is read, expired or gone: it is settled, or about to be */
    UNDELIVERABLE_PEER_GONE, /* the worker's connection is closed */
    UNDELIVERABLE_PEER_FULL, /* its queue is full */
    UNDELIVERABLE_BUSY       /* the row cannot be read just now */
};

/* What the file says of the row that an answer's token names. */
struct answered_row {
    bool found;
    bool read; /* somebody has answered it, or taken it */
    bool seen; /* the tail has reached it: it may stand in pending */
    struct token_digest digest;
    struct span service; /* as message_read() and the role say; 1 to LIMIT_SERVICE bytes */
    struct span conversation_id;
};

struct event {
    enum event_kind kind;
    union {
        struct {
            int64_t id;
            struct span conversation_id;
            struct span service; /* 1 to LIMIT_SERVICE bytes */
        } query;
        struct {
            const struct peer *peer;
            enum worker_protocol protocol;
            const struct envelope *envelope;
            struct span service; /* 1 to LIMIT_SERVICE bytes; SERVICE_ALL for all */
            const struct worker_options *options;
        } ready;
        struct {
            const struct peer *peer;
        } heartbeat;
        struct {
            const struct peer *peer;
            const char *reason; /* of its leaving, for the log and its attempts */
        } disconnect;
        struct {
            const struct peer *peer;
            struct token token;
            struct answered_row row;
            bool error;         /* it is an error: */
            bool retry;         /*   try again */
            struct span reason; /*   what it says */
        } answer;               /* ANSWER and PARTIAL */
        struct {
            int64_t id;
            uint32_t attempt;
            const struct peer *peer; /* the action's */
        } delivered;
        struct {
            int64_t id;
            uint32_t attempt;
            const struct peer *peer; /* the action's */
            enum undeliverable why;
        } undeliverable;
        struct {
            int64_t id;
        } committed;
        struct {
            int64_t heard_until_us; /* every frame that had come by then has been fed */
        } tick;
    };
};

enum action_kind {
    ACTION_DELIVER,    /* load the row, check it, send it to the worker */
    ACTION_ANSWER,     /* commit the answer that came with this event */
    ACTION_DEAD,       /* commit the error reply of a dead query */
    ACTION_GONE,       /* its answer came, but its row is gone: record that */
    ACTION_RETRY,      /* for the log: an attempt failed and another one follows */
    ACTION_HEARTBEAT,  /* send a heartbeat */
    ACTION_DISCONNECT, /* send DISCONNECT to a worker that is given up */
    ACTION_JOINED,     /* for the log: a worker registered */
    ACTION_LEFT,       /* for the log: a worker is gone */
    ACTION_PARTIAL,    /* a partial of a current attempt came */
    ACTION_REFUSED     /* for the log: something was not accepted */
};

enum refusal {
    REFUSED_FORGED,    /* the token was not made by this bridge for that row */
    REFUSED_DUPLICATE, /* the query has its answer */
    REFUSED_PAST,      /* an error or partial of an attempt that is over */
    REFUSED_FULL,      /* no room for another worker or service */
    REFUSALS
};

struct action {
    enum action_kind kind;
    int64_t id;                    /* message id, where it is about a query */
    uint32_t attempt;              /* DELIVER, ANSWER, RETRY: which; DEAD: how many were made */
    struct peer peer;              /* DELIVER, HEARTBEAT, DISCONNECT, REFUSED */
    enum worker_protocol protocol; /* of that peer */
    struct envelope envelope;      /* DISCONNECT: of that peer, which is no longer registered */
    int64_t deadline_us;           /* DELIVER: when the attempt ends at the latest, monotonic */
    int64_t seen_us, leased_us; /* ANSWER, DEAD, RETRY: when the row was seen, the attempt begun */
    int64_t due_us;             /* RETRY: when it may be dispatched again */
    enum refusal refusal;       /* REFUSED */
    char worker[LIMIT_WORKER_NAME + 1]; /* its name: ANSWER, DEAD and RETRY (the last one that had
                                         * it), DELIVER, JOINED, LEFT */
    char service[LIMIT_SERVICE + 1];    /* of the query, or of the worker */
    char reason[LIMIT_REASON + 1];      /* DEAD, RETRY, LEFT */
};

struct dispatch;

/* Copies CONFIG. Call token_init() once before. */
struct dispatch *dispatch_new(const struct dispatch_config *config);
void dispatch_destroy(struct dispatch **self);
/* Takes in one event that happened at NOW_US (monotonic, never going back); EVENT is borrowed for
 * the call. ACTION_ANSWER refers to the event's body, so take all actions before the body goes. */
void dispatch_feed(struct dispatch *self, int64_t now_us, const struct event *event);
/* The next action to carry out, valid until the next call; NULL when there is none. Feeding while
 * actions wait is allowed and appends. */
const struct action *dispatch_take(struct dispatch *self);
/* When the next EVENT_TICK is due; INT64_MAX when nothing is waiting for time. */
int64_t dispatch_next(const struct dispatch *self);
/* Work that is not settled: queries leased or being committed. */
size_t dispatch_outstanding(const struct dispatch *self);
/* Queries waiting for the end of their back-off. */
size_t dispatch_backing_off(const struct dispatch *self);
/* The registered worker at PEER, or NULL; borrowed until the next feed. */
const struct worker *dispatch_worker(const struct dispatch *self, const struct peer *peer);
/* For status. */
const struct workers *dispatch_workers(const struct dispatch *self);
const struct pending *dispatch_pending(const struct dispatch *self);
/* A word for a refusal: "forged", "duplicate" … */
const char *refusal_name(enum refusal refusal);

#endif
