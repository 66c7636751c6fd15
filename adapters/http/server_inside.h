/* What the two files that know libmicrohttpd share: server.c has the connections and their time,
 * exchange.c what goes over them. */
#ifndef TAILGATE_ADAPTERS_HTTP_SERVER_INSIDE_H
#define TAILGATE_ADAPTERS_HTTP_SERVER_INSIDE_H

#include <microhttpd.h>

#include "adapters/http/server.h"
#include "proto/buffer.h"

/* A connection. */
struct link {
    struct http_server *server;
    struct MHD_Connection *connection;
    int descriptor;
    bool aside;     /* suspended: its hang-up is ours to notice */
    int64_t due_us; /* S2; INT64_MAX: it takes its time, or we do */
    struct http_exchange *exchange;
    struct link *next, **self; /* the server's list */
};

struct http_exchange {
    struct link *link;
    const char *method;
    char *target;
    struct buffer body;
    size_t room, swallowed;
    bool begun, handled, dead, finished, crowded;
    unsigned status;
    struct MHD_Response *response; /* not yet queued */
    struct buffer out;             /* of a stream */
    size_t taken;                  /* bytes of OUT */
    void *data;
};

struct http_server {
    struct http_server_setup setup;
    struct MHD_Daemon *daemon;
    int epoll; /* libmicrohttpd's own, and connections that are set aside */
    int64_t now_us;
    /* A connection was taken up, or closed, which may let in one that waits: libmicrohttpd looks at
     * that in its next turn, and does not ask for it. */
    bool again;
    unsigned connections;
    size_t bodies; /* bytes of those that are kept */
    uint64_t cut;
    struct link *links;
};

/* server.c */

/* The connection is not looked at any more, but for its hang-up, until link_take_up(). */
void link_set_aside(struct link *link);
void link_take_up(struct link *link);
/* Closes it from our side: what libmicrohttpd does next with it fails. */
void link_cut(struct link *link);
struct link *link_of(struct MHD_Connection *connection);

/* exchange.c: what libmicrohttpd calls; CONTEXT is the server. */

/* The request's first line is there. What is returned is what the functions below get. */
void *exchange_new(void *context, const char *target, struct MHD_Connection *connection);
enum MHD_Result exchange_take(void *context, struct MHD_Connection *connection, const char *target,
                              const char *method, const char *version, const char *data,
                              size_t *size, void **exchange);
void exchange_over(void *context, struct MHD_Connection *connection, void **exchange,
                   enum MHD_RequestTerminationCode how);

#endif
