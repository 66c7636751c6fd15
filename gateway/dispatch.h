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
 *  D3. Errors, partials and returns count only for the current attempt (I5): that of the worker
 *      that has the query; after a restart, that of the worker that had it, whoever brings word.
 *
 *  D4. An attempt ends by an answer, an error, its lease's end, or the loss of its worker. All but
 *      the first cost it; after the service's `attempts` of them, or at once on an error that says
 *      "retry": false, the query is dead and an error reply is committed. A query that could not be
 *      handed over costs nothing, nor does one that a worker gives back, RETURNS_FREE times.
 *      From its beginning to its end an attempt lasts no longer than `attempt_hard_max`, be it
 *      interrupted by restarts or by the loss of its worker's connection.
 *
 *  D5. Nothing is given out while `queue` or more is outstanding (leased or being committed): when
 *      commits do not get through, dispatch stops (I7), and goes on by itself. Only answers that
 *      come late, for queries that are leased to nobody just now, and attempts that are taken up
 *      again (D8) go beyond, and what is withdrawn (D9). Nothing is given out either between
 *      EVENT_FULL and its end, for not only the ends of queries are committed, and nothing of a
 *      service while `queue` of its queries pause after a failure.
 *
 *  D6. A failed attempt is on disk before the next one begins (EVENT_RECORDED), so that a query
 *      that kills whatever touches it cannot hide behind restarts. An attempt that lasts is on
 *      disk after `record_after` (ACTION_RECORD); fast work leaves no trace.
 *
 *  D7. With `claim`, a query is handed over only after its row was claimed (ACTION_CLAIM,
 *      EVENT_CLAIMED). Where nothing may be handed over by then (a pause, a drain), it waits, and
 *      stays claimed.
 *
 *  D8. After a restart, what was in a worker's hands (EVENT_RESTORE) is given to nobody else until
 *      its time, or until its worker is known to be gone or to work on something else. A worker
 *      that says it still has it (READY's `holding`) gets its lease back; so does a worker that
 *      was lost and comes again, on another connection or, with another READY, on the same one:
 *      only what that does not name has failed. The attempt goes on, and its time with it (D4).
 * Where `attempt_max` is over already, partials may have renewed it, which nobody knows any more:
 *      it has `grace` for the next one.
 *
 *  D9. A query that waits here can be withdrawn (EVENT_WITHDRAW), for a worker or after a failure
 *      that is on disk: it is given to nobody any more, and its end is committed, as dead with a
 *      reason that is its caller's, or as dropped. It has failed no more often for that. An answer
 *      of an earlier attempt that comes now is a duplicate (D2); until the end is committed its
 *      conversation waits as for any other (P2). What a worker has, or may have (D8), what is being
 *      claimed or was (D7), and what is being committed is not withdrawn: it ends as it would.
 *
 *  D10. Everything else here is a cache: a query that is not settled in the file is seen again by
 *      the next run (I4). A withdrawal too: what was not committed is not withdrawn. */
#ifndef TAILGATE_GATEWAY_DISPATCH_H
#define TAILGATE_GATEWAY_DISPATCH_H

#include "gateway/inflight.h"
#include "proto/token.h"

#define RETURNS_FREE 20

struct dispatch_config {
    uint64_t seed;                   /* of hash keys and back-off jitter */
    struct token_key key;            /* of the fencing tokens */
    const struct rulebook *rulebook; /* borrowed until the next dispatch_rules() */
    int64_t beat_us;                 /* our heartbeat interval */
    int64_t grace_us;                /* D8: how long a sign of life prolongs the waiting */
    int64_t record_after_us;         /* D6 */
    uint32_t record_at_once;         /* so many first attempts are recorded without waiting */
    bool claim;                      /* D7 */
    size_t queue;                    /* D5 */
};

enum event_kind {
    EVENT_QUERY,   /* the tail saw a query that nobody has answered */
    EVENT_RESTORE, /* a row of tailgate_delivery, before the tail begins */
    EVENT_RELEASE, /* a restored query's worker is gone */
    EVENT_READY,   /* a worker registers */
    EVENT_HEARTBEAT,
    EVENT_DISCONNECT, /* a worker leaves */
    EVENT_ANSWER,     /* a worker's FINAL, or a REQ worker's answer */
    EVENT_PARTIAL,
    EVENT_DELIVERED,     /* an ACTION_DELIVER was carried out */
    EVENT_UNDELIVERABLE, /* an ACTION_DELIVER could not be carried out */
    EVENT_CLAIMED,       /* an ACTION_CLAIM has ended */
    EVENT_RECORDED,      /* an ACTION_RETRY or ACTION_RETURNED is on disk */
    EVENT_COMMITTED,     /* an ACTION_ANSWER, _DEAD, _DROP or _GONE has ended, however it did */
    EVENT_ENDED,         /* a query that waits was found to want no answer any more */
    EVENT_WITHDRAW,      /* a query that waits is to wait no more (D9) */
    EVENT_TICK,          /* only time has passed */
    EVENT_PAUSE,         /* give out nothing, of one service or of all, or go on */
    EVENT_FULL,          /* what commits has enough to do: give out nothing, or go on */
    EVENT_DRAIN          /* deliver nothing more */
};

enum undeliverable {
    UNDELIVERABLE_ENDED, /* the row is not to be served (any more): read, expired, gone, a living
                          * agent's; whoever finds that it is feeds it again */
    UNDELIVERABLE_PEER_GONE, /* the worker's connection is closed */
    UNDELIVERABLE_PEER_FULL, /* its queue is full */
    UNDELIVERABLE_BUSY       /* the row cannot be read just now */
};

/* What the file says of the row that a token names. */
struct answered_row {
    bool found;
    bool read; /* somebody has answered it, or taken it */
    struct token_digest digest;
    struct span service; /* as message_read() and the role say; 1 to LIMIT_SERVICE bytes */
    struct span conversation_id;
};

/* One token of READY's `holding`, and its row. */
struct holding {
    struct token token;
    struct answered_row row;
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
            int64_t id;
            struct span conversation_id;
            struct span service;
            bool leased;              /* in a worker's hands; else it pauses after a failure */
            bool claimed;             /* D7 */
            uint32_t attempt, failed; /* as in struct flight */
            int64_t until_us;         /* nobody else gets it before: monotonic, as is */
            int64_t leased_us;        /*   when its attempt began, in the past; 0: not known */
            struct span worker;       /* that had it, */
            int64_t pid;              /*   its process, 0: not known */
            struct span reason;       /* of the last failure */
        } restore;
        struct {
            int64_t id;
            const char *reason;
        } release;
        struct {
            const struct peer *peer;
            enum worker_protocol protocol;
            const struct envelope *envelope;
            struct span service; /* 1 to LIMIT_SERVICE bytes; SERVICE_ALL for all */
            const struct worker_options *options;
            int64_t pid;                     /* of its process, where that is known; else 0 */
            const struct identity *verified; /* who it is; NULL: nobody knows */
            const struct holding *holding;
            size_t holding_count;
        } ready;
        struct {
            const struct peer *peer;
            bool resized; /* it takes SLOTS queries at once from now on */
            uint32_t slots;
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
            bool returned;      /* or it is given back (never with `error`) */
            struct span reason; /* what either says */
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
            bool ours; /* else it has ended without us, and that is recorded */
        } claimed;
        struct {
            int64_t id;
        } recorded, committed, ended;
        struct {
            int64_t id;
            bool dead;          /* it dies; else it is dropped */
            const char *reason; /* why it dies; NULL: it is dropped */
        } withdraw;
        struct {
            int64_t heard_until_us; /* every frame that had come by then has been fed */
        } tick;
        struct {
            struct span service; /* size 0: all */
            bool on;
        } pause;
        struct {
            bool on;
        } full;
    };
};

enum action_kind {
    ACTION_DELIVER,    /* load the row, check it, send it to the worker; may be put off for a while,
                        * see dispatch_awaits() */
    ACTION_CLAIM,      /* claim the row, and record its lease */
    ACTION_RECORD,     /* record its lease */
    ACTION_ANSWER,     /* commit the answer that came with this event */
    ACTION_DEAD,       /* commit the error reply of a dead query */
    ACTION_DROP,       /* commit that a query was dropped: it gets no reply */
    ACTION_GONE,       /* its answer came, but its row is gone: record that, keep the answer */
    ACTION_RETRY,      /* an attempt failed and another one follows: record that */
    ACTION_RETURNED,   /* a worker gave the query back: record that where it is `recorded` */
    ACTION_HEARTBEAT,  /* send a heartbeat */
    ACTION_DISCONNECT, /* send DISCONNECT to a worker that is given up */
    ACTION_JOINED,     /* for the log: a worker registered */
    ACTION_LEFT,       /* for the log: a worker is gone */
    ACTION_ADOPTED,    /* for the log: a worker has taken up an attempt again */
    ACTION_PARTIAL,    /* a partial of a current attempt came */
    ACTION_REFUSED     /* for the log: something was not accepted */
};

enum refusal {
    REFUSED_FORGED,    /* the token was not made by this bridge for that row */
    REFUSED_DUPLICATE, /* the query has its answer */
    REFUSED_PAST,      /* an error, partial or return of an attempt that is over */
    REFUSED_FULL,      /* no room for another worker or service */
    REFUSALS
};

struct action {
    enum action_kind kind;
    int64_t id;                    /* message id, where it is about a query */
    uint32_t attempt;              /* which: the last one begun, or that of the answer */
    uint32_t failed;               /* attempts of the query that count as failed */
    bool claimed;                  /* its row was claimed, or that is under way */
    bool recorded;                 /* it has a delivery row, or one is under way */
    struct peer peer;              /* DELIVER, CLAIM, RECORD, HEARTBEAT, DISCONNECT, REFUSED */
    enum worker_protocol protocol; /* of that peer */
    struct envelope envelope;      /* DISCONNECT: of that peer, which is no longer registered */
    int64_t pid;                   /* CLAIM, RECORD: of the worker's process; 0: not known */
    int64_t deadline_us;           /* DELIVER: when the attempt ends at the latest, monotonic */
    int64_t seen_us, leased_us; /* ANSWER, DEAD, RETRY: when the row was seen, the attempt begun */
    int64_t due_us; /* RETRY, RETURNED: when it may be dispatched again; CLAIM, RECORD: when the
                     * lease ends, 0 when that is up to heartbeats */
    enum refusal refusal;               /* REFUSED */
    char worker[LIMIT_WORKER_NAME + 1]; /* its name: what is about a query (the last one that had
                                         * it), JOINED, LEFT */
    struct identity verified;           /* who that worker is; JOINED, LEFT, ADOPTED */
    char adapter[LIMIT_ADAPTER + 1]; /* of that worker while it is registered; "" when not said */
    char service[LIMIT_SERVICE + 1]; /* of the query, or of the worker */
    char reason[LIMIT_REASON + 1];   /* DEAD, RETRY, RETURNED, LEFT */
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
/* True when DELIVER, an action that was taken earlier, is still to be carried out. If not, its
 * worker was lost meanwhile, or the query needs it no more. */
bool dispatch_awaits(const struct dispatch *self, const struct action *deliver);
/* The rules have changed: from now on SELF goes by RULEBOOK (borrowed). Leases and pauses that run
 * keep their times; what they let out now goes out with the next event (feed EVENT_TICK). */
void dispatch_rules(struct dispatch *self, const struct rulebook *rulebook);

/* A service that has room in memory while more of its queries wait in the file (pending.h, P5). */
struct refill {
    char service[LIMIT_SERVICE + 1];
    int64_t from; /* the row to begin with */
};
/* True when rows are to be read again: give those of RET's service to dispatch_refill() in id order
 * until it returns false or the rows that the tail has seen are through, then call
 * dispatch_refilled(). Cheap: to be asked in every turn. */
bool dispatch_want(const struct dispatch *self, struct refill *ret_refill);
/* As EVENT_QUERY. False: there is no room for it yet. */
bool dispatch_refill(struct dispatch *self, int64_t now_us, const struct event *query);
/* True when a query of service NAME waits under WANTED: its own name, or "default" where there is
 * no room for another service. */
bool dispatch_is_under(const struct dispatch *self, struct span name, struct span wanted);
/* All rows of SERVICE below MORE_FROM have been given, or (0) all that the tail has seen. */
void dispatch_refilled(struct dispatch *self, int64_t now_us, struct span service,
                       int64_t more_from);
/* Where query ID is; *ret_claimed (may be NULL): its row was claimed, or that is under way. This
 * tells what came of an EVENT_WITHDRAW: PLACE_WAITS before it and PLACE_COMMITTING after it, it was
 * withdrawn; PLACE_WAITS still, it must wait just now (D9): try again later, as with what waits in
 * the file only (dispatch_is_beyond()), which is PLACE_UNKNOWN here. */
enum dispatch_place {
    PLACE_UNKNOWN,
    PLACE_WAITS,     /* for a worker, for its pause, for the worker that had it */
    PLACE_LEASED,    /* a worker has it */
    PLACE_COMMITTING /* its end is decided */
};
enum dispatch_place dispatch_where(const struct dispatch *self, int64_t id, bool *ret_claimed);
/* The attempt at a query that a worker has now; times are monotonic. */
struct dispatch_live {
    char worker[LIMIT_WORKER_NAME + 1];
    uint32_t attempt;
    int64_t since_us, deadline_us;
};
/* False when no worker has query ID. */
bool dispatch_live(const struct dispatch *self, int64_t id, struct dispatch_live *ret_live);
/* True when query ID of SERVICE, which is PLACE_UNKNOWN, waits in the file only: dispatch_refill()
 * brings it in its turn. */
bool dispatch_is_beyond(const struct dispatch *self, struct span service, int64_t id);
/* True when a worker is registered, free or not, for SERVICE or for all services; where there is no
 * room for that service, for the one that its queries wait under (dispatch_is_under()). */
bool dispatch_serves(const struct dispatch *self, struct span service);
/* When the last one left who served it: INT64_MAX while somebody does, 0 when nobody did. */
int64_t dispatch_unserved_since(const struct dispatch *self, struct span name);
/* EVENT_PAUSE of everything is on. */
bool dispatch_paused(const struct dispatch *self);
/* Queries that wait for the worker that had them before the restart (D8). */
size_t dispatch_held(const struct dispatch *self);
/* True when query ID is one of those. */
bool dispatch_holds(const struct dispatch *self, int64_t id);
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
