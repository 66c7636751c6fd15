/* libtailgate: workers, clients and observers of a Tailgate gateway, over ZeroMQ.
 *
 *   worker    takes queries from the gateway and answers them    (MDP/0.2, ZeroMQ RFC 18)
 *   client    asks a service through the gateway                 (MDP/0.2, client side)
 *   observer  is told every row of the bridge, and what happens  (SUB, and MDP/0.2 for what
 *             around them                                        was missed)
 *
 * The frames are those of proto/WIRE.md (installed as share/doc/tailgate/WIRE.md). The pages
 * libtailgate(3), tailgate_worker(3), tailgate_client(3) and tailgate_observer(3) are a tour with
 * examples.
 *
 * What the library does by itself: a thread of its own connects, registers, sends and expects
 * heartbeats, and connects afresh, with a growing pause, when the gateway is gone. So a call of
 * yours that blocks for ten minutes looks neither dead nor gone. A worker tells a gateway that came
 * back what it still holds, and sends again the answers of which it cannot know whether they
 * arrived; a client sends again the requests that have no answer yet; an observer has replayed what
 * it missed.
 *
 * Errors: a function that can fail returns 0 or a negative enum tailgate_error; out-parameters come
 * last and are untouched on failure. The loss of the gateway is no error but an event: the library
 * goes on trying.
 *
 * Ownership: what a function called _new or one with a ret_ parameter hands over is yours, to be
 * given to the _destroy function of its type, which sets your pointer to NULL and takes a NULL.
 * Texts and bytes that you pass are copied. What an accessor returns is borrowed from its object.
 *
 * Threads: any function may be called from any thread, and several threads may share a worker or a
 * client. An object must not be used by one thread while another destroys it; one query, request or
 * reply is for one thread at a time, and so are the events of an observer.
 *
 * Blocking: a function that takes a time-out may block, and no other does, except _destroy,
 * tailgate_worker_stop() and tailgate_loop_destroy(), each of which says for how long. Time-outs
 * are milliseconds: 0 returns at once, -1 waits for ever.
 *
 * Signals: the library's thread blocks all signals. It installs no handler.
 *
 * Fork: a child of fork() must call nothing of this library on objects of its parent; exec, and
 * posix_spawn(), are fine: every descriptor is closed then.
 *
 * Memory: out of memory ends the process with a line on stderr, as libzmq does.
 *
 * State: there is none outside the objects: two libraries in one process may both use it. */
#ifndef TAILGATE_H
#define TAILGATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TAILGATE_API __attribute__((visibility("default")))

enum tailgate_error {
    TAILGATE_OK = 0,
    TAILGATE_TIMED_OUT = -1,    /* nothing happened in time */
    TAILGATE_INVALID = -2,      /* an argument cannot be: see the function */
    TAILGATE_CLOSED = -3,       /* the worker was stopped, or its query has its answer already */
    TAILGATE_FULL = -4,         /* a bound of the library is reached; try again later */
    TAILGATE_NO_RESOURCES = -5, /* no thread, descriptor or socket is to be had */
    TAILGATE_UNREACHABLE = -6,  /* nobody listens at the endpoint */
    TAILGATE_REFUSED = -7       /* who listens is no gateway, or lets us not in */
};

/* A sentence without full stop for CODE, never NULL; static. */
TAILGATE_API const char *tailgate_error_text(int code);
/* The library's version, "0.1.0"; static. */
TAILGATE_API const char *tailgate_version(void);

/* Whether `cert` and `server_cert` of an options struct can be used: TAILGATE_OK, or
 * TAILGATE_INVALID and why in RET_WHY of ROOM bytes (300 are enough), a sentence without full stop
 * that names the file. */
TAILGATE_API int tailgate_certificates_check(const char *cert, const char *server_cert,
                                             char *ret_why, size_t room);

/* --- the thread --- */

/* The library's thread. Every worker, client and observer has one of its own unless it is given
 * one: many workers of one process are better put on one (about three hundred at most). */
struct tailgate_loop;

/* TAILGATE_NO_RESOURCES when there is no thread or descriptor for it. */
TAILGATE_API int tailgate_loop_new(struct tailgate_loop **ret_loop);
/* Ends it. Who is on it must have been destroyed. What ZeroMQ has not sent yet is sent for up to
 * a second, for which this blocks. */
TAILGATE_API void tailgate_loop_destroy(struct tailgate_loop **self);

/* --- what happened --- */

enum tailgate_event_kind {
    /* of a worker */
    TAILGATE_EVENT_QUERY = 1, /* query is yours, to be answered and destroyed */
    TAILGATE_EVENT_WAITING,   /* a query came and waits for a free slot, or for
                               * tailgate_worker_hold(w, false); it follows as QUERY */
    TAILGATE_EVENT_GIVEN_UP,  /* the attempt of a query that you have is over: end the work. Its
                               * answer may still be sent, and counts if it is the first. text says
                               * who said so */
    TAILGATE_EVENT_RETURNED,  /* the library gave a query back that you never had; text says why */
    TAILGATE_EVENT_FAILED,    /* the same as an error: it ran out of time while it waited */
    TAILGATE_EVENT_DROPPED,   /* too many answers were kept while the gateway was away: count of the
                               * oldest were thrown away */
    TAILGATE_EVENT_SENT,      /* every answer was handed over: see tailgate_worker_unsent() */
    /* of both */
    TAILGATE_EVENT_READY = 20, /* connected; a worker: registered, count queries are held */
    TAILGATE_EVENT_LOST,       /* the connection is gone; text says why. It is tried again */
    TAILGATE_EVENT_DISMISSED,  /* a worker: the gateway said DISCONNECT. It is tried again */
    TAILGATE_EVENT_ABSENT,     /* nobody listens at the endpoint; said once until somebody does */
    TAILGATE_EVENT_REFUSED,    /* who listens is no gateway, or lets us not in. It is tried again */
    TAILGATE_EVENT_ODD,        /* the gateway said something that is not MDP/0.2; text says what */
    /* of a client */
    TAILGATE_EVENT_PARTIAL = 40, /* a part of the answer to request: reply is yours */
    TAILGATE_EVENT_REPLY,        /* the answer to request: reply is yours, request is over */
    TAILGATE_EVENT_EXPIRED       /* request had no answer in its time, and is over */
};

/* A copy that is yours: only query and reply have to be destroyed. */
struct tailgate_event {
    enum tailgate_event_kind kind;
    struct tailgate_query *query;
    struct tailgate_reply *reply;
    struct tailgate_request *request; /* the one you have; borrowed */
    bool waited;                      /* QUERY: it was told as WAITING before */
    int64_t message_id; /* of WAITING, GIVEN_UP, RETURNED, FAILED; 0: the query does not say */
    uint64_t count;
    char token[256]; /* GIVEN_UP: of the query, see tailgate_query_token() */
    char text[256];  /* for people; cut when it is longer */
};

/* --- a worker --- */

struct tailgate_worker;
struct tailgate_query;

/* Zero everything that is not to be said. Copied. */
struct tailgate_worker_options {
    const char *endpoint; /* "ipc:///path/bridge.db-gate/gate", "tcp://host:port"; must be given */
    const char *service;  /* 1 to 100 bytes of UTF-8; NULL: "*", every service */
    const char
        *name; /* what logs and replies call it, up to 64 bytes; NULL: the gateway's choice */
    const char *adapter; /* how its program is reached, for counters in status: up to 32 of a-z, 0-9
                          * and -, "tcp"; NULL: not said */
    unsigned slots;      /* queries that it has at once, 1 to 1000; 0: 1 */
    unsigned interval_ms; /* between heartbeats, ours and the gateway's, 100 to 60000; 0: 2500.
                           * Three that are missed end the connection */
    const char *cert;     /* our certificate's file, with FILE_secret beside it, for a gateway that
                           * wants a key (CURVE); read once. NULL: none */
    const char *server_cert;    /* the gateway's public certificate; goes with cert */
    bool later;                 /* do not register before tailgate_worker_join() */
    struct tailgate_loop *loop; /* NULL: a thread of its own; else borrowed until it is destroyed */
    /* Called in the library's thread with every event but QUERY. It must not block, and must
     * neither stop nor destroy anything. NULL: tailgate_worker_next() gives these events, too. */
    void (*notice)(void *context, const struct tailgate_event *event);
    void *context; /* for notice; borrowed */
};

/* Makes a worker and returns at once: it connects and registers in the background. TAILGATE_INVALID
 * when an option is out of its range, the endpoint is neither ipc:// nor tcp://, or a certificate
 * cannot be used (tailgate_certificates_check() says why). */
TAILGATE_API int tailgate_worker_new(const struct tailgate_worker_options *options,
                                     struct tailgate_worker **ret_worker);
/* tailgate_worker_stop() without waiting, and frees it. A query that is not destroyed yet may be
 * destroyed later. Blocks as tailgate_loop_destroy() does when the thread is its own. */
TAILGATE_API void tailgate_worker_destroy(struct tailgate_worker **self);

/* Waits up to TIMEOUT_MS for a query. Events of other kinds are for `notice`; without one they are
 * dropped. TAILGATE_TIMED_OUT, or TAILGATE_CLOSED after tailgate_worker_stop(). */
TAILGATE_API int tailgate_worker_receive(struct tailgate_worker *self, int timeout_ms,
                                         struct tailgate_query **ret_query);
/* Waits up to TIMEOUT_MS for the next event. Errors as above. */
TAILGATE_API int tailgate_worker_next(struct tailgate_worker *self, int timeout_ms,
                                      struct tailgate_event *ret_event);
/* A descriptor that is readable while tailgate_worker_next() has something to give, for an event
 * loop. Only poll it: it is the worker's. */
TAILGATE_API int tailgate_worker_fd(const struct tailgate_worker *self);
/* Copies the text of the last LOST, DISMISSED, ABSENT or REFUSED into RET_TEXT of ROOM bytes; ""
 * while the worker is registered. Returns its length. */
TAILGATE_API size_t tailgate_worker_problem(const struct tailgate_worker *self, char *ret_text,
                                            size_t room);

/* Registers the worker (from now on; the gateway may be away). It is registered from the start
 * unless `later` was said. */
TAILGATE_API void tailgate_worker_join(struct tailgate_worker *self);
/* Gives back the queries that nobody has received, for REASON, and says DISCONNECT. The answers to
 * queries that you still have may follow. */
TAILGATE_API void tailgate_worker_leave(struct tailgate_worker *self, const char *reason);
/* HOLD: gives out no query until it is called with false; those that come are held. */
TAILGATE_API void tailgate_worker_hold(struct tailgate_worker *self, bool hold);
/* GATHER: what you answer from now on may wait until it is called with false, and leaves together
 * then. For a loop of your own in which a turn ends many queries: one waking of the library's
 * thread is far less work than one for each of them. */
TAILGATE_API void tailgate_worker_gather(struct tailgate_worker *self, bool gather);
/* How many answers were not handed to ZeroMQ yet. When it is not 0, one event SENT follows. */
TAILGATE_API size_t tailgate_worker_unsent(struct tailgate_worker *self);
/* A clean stop: gives out no more queries (tailgate_worker_receive() returns TAILGATE_CLOSED),
 * waits up to TIMEOUT_MS until those that are out have ended and their answers are sent, gives back
 * the rest, says DISCONNECT. Returns the number of answers that could not be sent because the
 * gateway is away. May be called again. */
TAILGATE_API int tailgate_worker_stop(struct tailgate_worker *self, int timeout_ms);

/* --- a query --- */

/* The query as it came: one JSON object on one line, UTF-8, a NUL behind it. *RET_SIZE (may be
 * NULL) is its length in bytes. */
TAILGATE_API const char *tailgate_query_json(const struct tailgate_query *self, size_t *ret_size);
/* Its member "question" as text, UTF-8, a NUL behind it; the whole JSON when it has none, and the
 * JSON of a question that is not a string. */
TAILGATE_API const char *tailgate_query_question(const struct tailgate_query *self,
                                                 size_t *ret_size);
/* What its member "delivery" says: the row's number (0: not said), the service and conversation (""
 * when not said, cut at 255 bytes), the attempt (from 1; 0: not said), and the instant at which the
 * attempt ends, microseconds since 1970-01-01 UTC (0: not said). */
TAILGATE_API int64_t tailgate_query_message_id(const struct tailgate_query *self);
TAILGATE_API const char *tailgate_query_service(const struct tailgate_query *self);
TAILGATE_API const char *tailgate_query_conversation(const struct tailgate_query *self);
TAILGATE_API unsigned tailgate_query_attempt(const struct tailgate_query *self);
TAILGATE_API int64_t tailgate_query_deadline(const struct tailgate_query *self);
/* Who asks, where the gateway has verified that: "key:<fingerprint>" or "uid:<number>", and the
 * name that the gateway's list has for the key; "" when it has not. What they ask, the rest of the
 * query, nobody has verified. */
TAILGATE_API const char *tailgate_query_sender(const struct tailgate_query *self);
TAILGATE_API const char *tailgate_query_sender_name(const struct tailgate_query *self);
/* The token of this attempt, by which the gateway knows the answer. */
TAILGATE_API const char *tailgate_query_token(const struct tailgate_query *self);
/* True when its attempt is over (event GIVEN_UP): the work may be ended. */
TAILGATE_API bool tailgate_query_given_up(const struct tailgate_query *self);

/* Sends SIZE bytes as a part of the answer, for clients that read along; it also renews the lease.
 * The final answer must hold the whole. While the gateway is away it is dropped (and 0 returned).
 * TAILGATE_FULL when 1000 parts wait to be sent. TAILGATE_CLOSED when the query has ended. */
TAILGATE_API int tailgate_query_partial(struct tailgate_query *self, const void *data, size_t size);
/* Ends the query with an answer: SIZE bytes as WIRE.md has them under "The answer": a JSON object
 * with "answer", or text. Returns 1 when it is kept for a gateway that is away, TAILGATE_CLOSED
 * when the query has ended. */
TAILGATE_API int tailgate_query_answer(struct tailgate_query *self, const void *data, size_t size);
/* The same for text that is the answer itself, whatever it looks like: {"answer":"<text>"}. */
TAILGATE_API int tailgate_query_answer_text(struct tailgate_query *self, const char *text,
                                            size_t size);
/* Ends it with an error, which costs an attempt. RETRY: another attempt may succeed. */
TAILGATE_API int tailgate_query_error(struct tailgate_query *self, const char *reason, bool retry);
/* Gives it back, which costs nothing: another worker gets it. */
TAILGATE_API int tailgate_query_return(struct tailgate_query *self, const char *reason);
/* Frees it. A query that has not ended is given back. */
TAILGATE_API void tailgate_query_destroy(struct tailgate_query **self);

/* --- a client --- */

struct tailgate_client;
struct tailgate_request;
struct tailgate_reply;

/* Zero everything that is not to be said. Copied. */
struct tailgate_client_options {
    const char *endpoint;           /* as a worker's; must be given */
    const char *cert, *server_cert; /* as a worker's */
    struct tailgate_loop *loop;
    /* As a worker's, with READY, LOST, ABSENT, REFUSED and ODD. */
    void (*notice)(void *context, const struct tailgate_event *event);
    void *context;
};

/* One frame of a request's body; borrowed. */
struct tailgate_frame {
    const void *data;
    size_t size;
};

/* Makes a client and returns at once: it connects in the background. Errors as of a worker. */
TAILGATE_API int tailgate_client_new(const struct tailgate_client_options *options,
                                     struct tailgate_client **ret_client);
/* Its requests must have been destroyed. The connection closes: the gateway answers what was asked,
 * and tells nobody. Blocks as tailgate_loop_destroy() does when the thread is its own. */
TAILGATE_API void tailgate_client_destroy(struct tailgate_client **self);

/* Asks SERVICE (1 to 100 bytes) with COUNT frames (1 to 56, at most 16 MiB together) and waits up
 * to TIMEOUT_MS for the answer. PARTIAL (may be NULL) is called in this thread with each part of
 * the answer that comes meanwhile, and with CONTEXT; the reply is borrowed. An answer may be an
 * error: tailgate_reply_is_error(). Returns TAILGATE_TIMED_OUT (the question stays, and may still
 * be answered), TAILGATE_UNREACHABLE or TAILGATE_REFUSED instead when that is why,
 * TAILGATE_INVALID, TAILGATE_FULL as tailgate_client_send(). */
TAILGATE_API int
tailgate_client_ask(struct tailgate_client *self, const char *service,
                    const struct tailgate_frame *frame, size_t count, int timeout_ms,
                    void (*partial)(void *context, const struct tailgate_reply *part),
                    void *context, struct tailgate_reply **ret_reply);
/* The same without waiting: what comes is given by tailgate_client_next(), and the request is over
 * after REPLY or EXPIRED. Requests of one client are worked on at the same time and answered in the
 * order in which they were sent (MDP has no other way to tell them apart); parts come for the
 * oldest only. TAILGATE_FULL when 1000 are out. */
TAILGATE_API int tailgate_client_send(struct tailgate_client *self, const char *service,
                                      const struct tailgate_frame *frame, size_t count,
                                      int timeout_ms, struct tailgate_request **ret_request);
/* Waits up to TIMEOUT_MS for the next event: READY, LOST … unless they go to `notice`, and PARTIAL,
 * REPLY, EXPIRED of requests made by tailgate_client_send(). */
TAILGATE_API int tailgate_client_next(struct tailgate_client *self, int timeout_ms,
                                      struct tailgate_event *ret_event);
/* A descriptor that is readable while tailgate_client_next() has something to give. */
TAILGATE_API int tailgate_client_fd(const struct tailgate_client *self);
/* As tailgate_worker_problem(). */
TAILGATE_API size_t tailgate_client_problem(const struct tailgate_client *self, char *ret_text,
                                            size_t room);
/* Frees it. When it is not over, nobody waits for its answer any more; when no other request is out
 * either, the connection is closed and made afresh, so that the gateway knows. */
TAILGATE_API void tailgate_request_destroy(struct tailgate_request **self);

/* --- a reply --- */

/* The number of its frames (at least 1), and frame INDEX, any bytes, a NUL behind them; *RET_SIZE
 * (may be NULL) is the frame's length. */
TAILGATE_API size_t tailgate_reply_frames(const struct tailgate_reply *self);
TAILGATE_API const void *tailgate_reply_frame(const struct tailgate_reply *self, size_t index,
                                              size_t *ret_size);
/* True when it is one frame with a JSON object whose "type" is "error". */
TAILGATE_API bool tailgate_reply_is_error(const struct tailgate_reply *self);
/* What a person reads, UTF-8, a NUL behind it: the error's "error", a response object's "answer",
 * or the first frame, repaired. */
TAILGATE_API const char *tailgate_reply_text(const struct tailgate_reply *self, size_t *ret_size);
TAILGATE_API void tailgate_reply_destroy(struct tailgate_reply **self);

/* --- an observer --- */

struct tailgate_observer;

/* Zero everything that is not to be said, but `after`. Copied. */
struct tailgate_observer_options {
    const char *endpoint; /* of the events: "ipc:///path/bridge.db-gate/events"; must be given */
    const char *cert, *server_cert; /* as a worker's; for both endpoints */
    const char *gate; /* the gate's, from which missed rows are replayed. NULL: gaps are only told
                       * (LOST), and after and since cannot be said */
    const char *const *kinds; /* COUNT kinds of events, "query" …; count 0: all */
    size_t kind_count;
    const char *conversation; /* only this one's events; NULL: all */
    const char *service;      /* only this one's events; NULL: all */
    int64_t after;            /* begin behind this row: 0 is the whole file. TAILGATE_FROM_NOW: with
                               * what comes from now on */
    const char *since;        /* instead: begin with the first row that is not older: UTC,
                               * "2026-11-21T01:00:00"; NULL: not said */
    struct tailgate_loop *loop; /* as a worker's */
};

#define TAILGATE_FROM_NOW (-1)

enum tailgate_observed_kind {
    TAILGATE_OBSERVED_EVENT = 1, /* an event: kind, json, id */
    TAILGATE_OBSERVED_REPAIRED,  /* count rows had been missed; they have all just been given */
    TAILGATE_OBSERVED_LOST, /* count events were lost for good: no rows, or rows that are not in
                             * the file any more, or there is no gate. Marks of the gateway
                             * count. 0: some may be, it is not known how many */
    TAILGATE_OBSERVED_UP,   /* connected to the events; text: a new run of the gateway, or "" */
    TAILGATE_OBSERVED_AWAY, /* the gateway is gone, or cannot replay; text says why. It is
                             * tried again */
    TAILGATE_OBSERVED_RESET /* the file was put back to an older one: from here on its rows
                             * count, id is the highest */
};

/* Borrowed until the next call of tailgate_observer_next(). */
struct tailgate_observed {
    enum tailgate_observed_kind kind;
    const char *topic; /* EVENT: "query/conv_…"; of a replayed one its kind, a slash and the id */
    const char *json;  /* EVENT: the object, UTF-8 on one line, a NUL behind it */
    size_t size;       /* its length in bytes */
    int64_t id;        /* EVENT: of a row; else 0 */
    bool replayed;     /* EVENT: it came by replay */
    uint64_t count;
    char text[256];
};

/* Makes an observer and returns at once: it connects and subscribes in the background. What it
 * gives: every row of the kinds, conversation and service, whoever wrote it, exactly once, in the
 * order of ids within a kind, whatever is lost on the way and however often either side restarts;
 * other events as they come, but gateway/mark and gateway/welcome, which are for the library.
 * Without gate a row may be missing (LOST). Errors as of a worker; TAILGATE_INVALID also for an
 * unknown kind, for a conversation above 200 bytes, for after or since without gate, and for since
 * with after above 0. */
TAILGATE_API int tailgate_observer_new(const struct tailgate_observer_options *options,
                                       struct tailgate_observer **ret_observer);
/* Blocks as tailgate_loop_destroy() does when the thread is its own. */
TAILGATE_API void tailgate_observer_destroy(struct tailgate_observer **self);
/* Waits up to TIMEOUT_MS for the next one. TAILGATE_TIMED_OUT. Who does not call this loses nothing
 * but what is no row. */
TAILGATE_API int tailgate_observer_next(struct tailgate_observer *self, int timeout_ms,
                                        struct tailgate_observed *ret_observed);
/* A descriptor that is readable while tailgate_observer_next() has something to give. */
TAILGATE_API int tailgate_observer_fd(const struct tailgate_observer *self);
/* The row up to which everything was given: `after` for the next observer. TAILGATE_FROM_NOW while
 * that is not known. Rows above it may have been given, too: of several kinds, half a second may
 * pass until it is known that nothing is missing between them. */
TAILGATE_API int64_t tailgate_observer_position(const struct tailgate_observer *self);

#ifdef __cplusplus
}
#endif

#endif
