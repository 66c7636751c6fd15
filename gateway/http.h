/* tailgate-http: the gateway over HTTP, as a client of its two doors like anyone else. It knows no
 * database; when it crashes, nothing but HTTP is gone.
 *
 *   browser, curl, Prometheus ──▶ libmicrohttpd ──▶ a row of a route table ──▶ http_ask() ──▶ gate
 *                                                   on_event() of a table  ◀── events
 *
 *  H1. One thread, one loop (http_loop.c): handlers, answers of the gate, events and ticks are all
 *      called from it, never from within each other, and never block.
 *
 *  H2. A request is answered exactly once: http_reply(), http_problem() or http_stream(). Whoever
 *      keeps one beyond its handler says http_keep(), and is told when its client has gone.
 *
 *  H3. What comes from outside is bounded before a handler sees it: the body by its route, the
 *      number of connections, streams and waiting requests by limits of http.c.
 *
 *  H4. A route names the roles that may use it; http.c has checked them, and the Host, before the
 *      handler is called. Handlers check session tokens only. */
#ifndef TAILGATE_GATEWAY_HTTP_H
#define TAILGATE_GATEWAY_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/c/tailgate.h"
#include "proto/buffer.h"
#include "proto/span.h"

struct http;
struct http_request;
struct http_stream;

/* Who asks. Without a token file everybody who reaches the door is an observer and a client, and
 * nobody an operator; with one, who says a token (Authorization: Bearer) has that token's roles. */
enum http_role { HTTP_ANYONE = 0, HTTP_OBSERVER = 1, HTTP_CLIENT = 2, HTTP_OPERATOR = 4 };

struct http_route {
    const char *method; /* "GET" (HEAD comes with it), "POST" */
    const char *path;   /* "/v1/conversations/{}/queries/{}": each {} is one part, not empty */
    unsigned roles;     /* any of them may; HTTP_ANYONE: everybody */
    size_t body_max;    /* bytes; more is 413 */
    void (*handle)(struct http *http, struct http_request *request);
};

/* What a part of the house hangs into the helper. Each is one constant table, listed in http.c. */
struct http_part {
    const struct http_route *routes; /* ended by one without a method */
    int (*start)(struct http *http); /* 0, or -1 after a log line; each may be NULL */
    void (*stop)(struct http *http);
    /* Every event and row, in order, each row once (tailgate_observer); and the states of that. */
    void (*on_event)(struct http *http, const struct tailgate_observed *event);
    /* Called when it is due; returns when it is due again (INT64_MAX: only after something else
     * happened, after which every part is asked again: that is in each turn of the loop, so it
     * must be cheap). Monotonic microseconds. */
    int64_t (*on_time)(struct http *http, int64_t now_us);
};

extern const struct http_part http_part_health;  /* http_health.c: /healthz /readyz /status.json */
extern const struct http_part http_part_metrics; /* http_metrics.c: /metrics */
extern const struct http_part http_part_rest;    /* http_rest.c …: /v1/… */
extern const struct http_part http_part_page;    /* http_page.c …: / and /page/… */

/* A part's own state: one pointer for each part, by its table's address. */
void http_state_set(struct http *http, const struct http_part *part, void *state);
void *http_state(const struct http *http, const struct http_part *part);

/* --- a request --- all spans are borrowed and live as long as the request --- */

struct span http_part_of_path(const struct http_request *request, unsigned index); /* decoded */
/* Of the query string, decoded; *RET_THERE (may be NULL) tells an empty value from none. */
struct span http_query(const struct http_request *request, const char *name, bool *ret_there);
struct span http_header(const struct http_request *request, const char *name); /* "" when missing */
struct span http_body(const struct http_request *request);
/* The token of `Authorization: Bearer`, "" when there is none. */
struct span http_bearer(const struct http_request *request);
unsigned http_roles(const struct http_request *request); /* enum http_role, or-ed */
bool http_has_tokens(const struct http *http);           /* a token file is in use */

/* While a handler waits: DATA is its own, GONE (may be NULL) is called when the client has gone or
 * the helper stops, after which REQUEST is not there any more: cancel what would come back to it.
 * Replying ends that without GONE. A client that ends its sending side has gone. */
void http_keep(struct http_request *request, void *data,
               void (*gone)(struct http_request *request, void *data));
void *http_kept(const struct http_request *request);

/* One more header of the answer to come. Copied. Values must be visible ASCII; others are left out
 * and logged. */
void http_add_header(struct http_request *request, const char *name, const char *value);
/* Answers with BODY (copied). REQUEST is over. */
void http_reply(struct http_request *request, unsigned status, const char *type, struct span body);
/* Answers with a problem document (RFC 9457): type "https://tailgate.invalid/problems/<SLUG>",
 * TITLE constant for the slug, DETAIL what to do (escaped; may be ""). */
void http_problem(struct http_request *request, unsigned status, const char *slug,
                  const char *title, const char *detail);

enum http_asked {
    HTTP_ANSWERED, /* REPLY is the reply's first frame, any bytes */
    /* REPLY says why in a sentence: */
    HTTP_NOT_ASKED, /* the gateway is away, or too much is out */
    HTTP_NO_ANSWER  /* its connection was lost, or it did not answer in 5 s */
};

/* Answers as a gate's refusal deserves, or its silence: what http_ask() gave HOW and REPLY, an
 * object of type error. Its "code" becomes the status (invalid 422, unauthorized 401, forbidden
 * 403, not_found 404, expired 410, conflict 409, too_large 413, unsupported 501, busy and all else
 * 503) and the slug. */
void http_gate_problem(struct http_request *request, enum http_asked how, struct span reply);

/* --- server-sent events (WHATWG HTML, 9.2) --- */

/* Answers 200 text/event-stream and leaves it open. GONE is called once when it has ended, from
 * whichever side; STREAM is not there any more then. NULL when too many are open: REQUEST has been
 * answered 503. */
struct http_stream *http_stream(struct http_request *request, void *data,
                                void (*gone)(struct http_stream *stream, void *data));
/* Sends one event; ID and EVENT may be empty; DATA may have line breaks. A comment line goes out by
 * itself every 15 s. A client that has not taken 1 MiB is cut: false, and GONE is called later. */
bool http_stream_send(struct http_stream *stream, struct span id, struct span event,
                      struct span data);
/* Bytes that its client has not taken yet. */
size_t http_stream_waiting(const struct http_stream *stream);
/* Ends it from our side; GONE is called later, from the loop. */
void http_stream_end(struct http_stream *stream);

/* --- the doors --- */

/* Asks a built-in service of the gate (`tailgate.status`) with the one frame BODY. DONE is called
 * from the loop, with CONTEXT, unless CANCEL was called. Never fails: when too much is out, or the
 * gateway is known to be away, DONE is told so, from the loop, too. Returns a number for
 * http_ask_cancel(). HTTP_NO_ANSWER does not mean that nothing was done: what changes something
 * needs a key of its own (idempotency_key) to be asked twice, and the library may do so by itself
 * when the connection is lost and comes again. */
uint64_t http_ask(struct http *http, const char *service, struct span body,
                  void (*done)(void *context, enum http_asked how, struct span reply),
                  void *context);
void http_ask_cancel(struct http *http, uint64_t number);
/* The same with `tailgate.replay`: ROW is called with each row that it tells, before DONE; not from
 * within a call of a part's own, and not after http_ask_cancel(). */
uint64_t http_replay(struct http *http, struct span body,
                     void (*row)(void *context, struct span json),
                     void (*done)(void *context, enum http_asked how, struct span reply),
                     void *context);
/* True while the events' door is connected and the observer misses nothing. */
bool http_is_observing(const struct http *http);
/* The row up to which every event was given; -1: not known yet. */
int64_t http_position(const struct http *http);

int64_t http_now_us(const struct http *http); /* monotonic, of this turn of the loop */

/* What this process has done, since it started. */
struct http_own {
    uint64_t requests;                      /* answered or streamed … */
    uint64_t by_class[6];                   /* … with status 200 to 299 in [2], and so on */
    uint64_t unauthorized;                  /* of these 401 and 403 that we said ourselves */
    uint64_t limited;                       /* 429 */
    uint64_t misdirected;                   /* a Host or Origin that is not ours */
    uint64_t busy;                          /* 503: too many requests or streams at once */
    uint64_t cut_slow;                      /* connections that did not send or take in time */
    uint64_t cut_streams;                   /* streams whose client did not take them */
    uint64_t asks;                          /* of the gate … */
    uint64_t asks_failed;                   /* … without an answer */
    uint64_t events;                        /* observed */
    uint64_t connections, waiting, streams; /* now */
};
struct http_own http_own(const struct http *http);

/* Options of the command line that parts need. */
struct http_limits {
    unsigned per_minute, per_hour, per_day; /* queries of one session; 0: no limit */
    size_t query_bytes;                     /* the body of a query */
};
const struct http_limits *http_limits(const struct http *http);

#endif
