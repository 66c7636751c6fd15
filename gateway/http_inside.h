/* What the files of the HTTP helper share beyond http.h. */
#ifndef TAILGATE_GATEWAY_HTTP_INSIDE_H
#define TAILGATE_GATEWAY_HTTP_INSIDE_H

#include "adapters/http/listen.h"
#include "adapters/http/server.h"
#include "gateway/http.h"
#include "gateway/http_target.h"
#include "gateway/http_tokens.h"

#define HTTP_CONNECTIONS_MAX 512
#define HTTP_STREAMS_MAX 64
#define HTTP_WAITING_MAX 256 /* requests that wait for an answer of ours */
#define HTTP_FIELDS_MAX 16   /* header fields of an answer */
#define HTTP_PARTS 4

struct http_doors;

struct http_door_setup {
    const char *gate, *events;
    const char *cert, *server_cert; /* NULL: none */
};

struct http_request {
    struct http *http;
    struct http_exchange *exchange;
    struct http_target target;
    struct span place[HTTP_PARTS_MAX]; /* the {} of its route */
    const struct http_route *route;    /* NULL: there is none */
    unsigned roles;
    unsigned refused; /* the status, decided before its body came; 0: none */
    char allow[64];   /* 405 */
    bool handled, answered;
    void *data; /* http_keep() */
    void (*gone)(struct http_request *request, void *data);
    struct http_stream *stream;
    size_t fields;
    struct {
        char *name, *value;
    } field[HTTP_FIELDS_MAX];
};

struct http {
    const struct http_part *const *parts; /* NULL behind the last */
    void *state[HTTP_PARTS];
    struct listen_address address;
    int listener;
    struct http_server *server;
    struct http_tokens *tokens; /* NULL: no file */
    struct http_doors *doors;
    struct http_stream *streams;
    int64_t judge_us; /* when it is looked at again whose tokens still hold */
    struct http_limits limits;
    struct http_own own;
    bool stopping;
    int64_t now_us;
};

/* http.c: the list of the parts. */
extern const struct http_part *const http_parts[];

/* http_answer.c */

/* Answers 200 and leaves it open. */
void http_answer_stream(struct http_request *request, const char *type);
void http_fields_free(struct http_request *request);

/* http_stream.c. Sends comments that are due; returns when it is to be called again. */
int64_t http_streams_run(struct http *http);
/* Cuts those whose token does not let them in any more. */
void http_streams_judge(struct http *http);
void http_stream_over(struct http_request *request);

/* http_doors.c: what connects to the gate and to the events. */

/* NULL after a log line. */
struct http_doors *http_doors_new(struct http *http, const struct http_door_setup *setup);
/* Unanswered asks are forgotten. */
void http_doors_destroy(struct http_doors **self);
/* Their descriptors, to be polled for reading. Returns how many. */
#define HTTP_DOORS_FDS 5
size_t http_doors_fds(const struct http_doors *self, int ret_fd[HTTP_DOORS_FDS]);
/* Calls what is to be called for answers and events. */
void http_doors_run(struct http_doors *self);
/* When that is to be done although no descriptor is ready: 0, or INT64_MAX: not before. */
int64_t http_doors_due(const struct http_doors *self);

/* http.c: makes the server of HTTP, whose address, listener, tokens and doors are set; or -1 after
 * a log line. Starts the parts. */
int http_open(struct http *http);
void http_close(struct http *http);
/* Reads the token file again. */
void http_read_tokens(struct http *http, bool forced);

/* http_loop.c: runs until a signal ends it; SIGNALS is a signalfd. Returns 0 or -errno. */
int http_loop_run(struct http *http, int signals);

#endif
