/* HTTP/1.1 on one listening socket, by libmicrohttpd without a thread of its own: the caller polls
 * a descriptor and calls http_server_run(). A thin layer: what is asked, and who may, is for
 * others.
 *
 *   head read          body read          answered, streamed        sent, cut, gone
 *   ─────────▶ begin() ─────────▶ handle() ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ▶ over()
 *
 *  S1. Each exchange that began is over() once. Between handle() and an answer it costs nothing:
 *      its connection is set aside, and only its client's hanging up is noticed. Half a hang-up,
 *      the end of what the client sends, counts as one.
 *
 *  S2. A connection is cut that has not sent a whole request RECEIVE_US after it was opened or
 *      after its last answer, or has not taken an answer in SEND_US. Of a stream that counts from
 *      the last byte that was taken.
 *
 *  S3. Beyond CONNECTIONS nobody is accepted; they wait in the kernel's queue. */
#ifndef TAILGATE_ADAPTERS_HTTP_SERVER_H
#define TAILGATE_ADAPTERS_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/span.h"

struct http_server;
struct http_exchange;

struct http_field {
    const char *name, *value;
};

struct http_server_setup {
    int listener;                /* listening; borrowed */
    unsigned connections;        /* at once */
    size_t head;                 /* bytes of memory for the head of a request */
    size_t swallow;              /* bytes of a body beyond its room; more is cut */
    size_t bodies;               /* bytes of all bodies at once */
    int64_t receive_us, send_us; /* S2 */
    void *context;
    /* The head is there: SIZE bytes of body will follow, -1: not known. Returns how many of them
     * are to be kept. It may answer at once, and the body is not read then. */
    size_t (*begin)(void *context, struct http_exchange *exchange, int64_t size);
    void (*handle)(void *context, struct http_exchange *exchange);
    void (*over)(void *context, struct http_exchange *exchange);
};

/* NULL when there is no descriptor for it. */
struct http_server *http_server_new(const struct http_server_setup *setup);
/* Ends every exchange (over() is called) and sets *self to NULL. */
void http_server_destroy(struct http_server **self);
/* To be polled for reading. */
int http_server_fd(const struct http_server *self);
/* When http_server_run() is to be called although nothing is ready; INT64_MAX: never. */
int64_t http_server_due(const struct http_server *self, int64_t now_us);
/* Reads, writes, calls begin, handle and over; never blocks. */
void http_server_run(struct http_server *self, int64_t now_us);
unsigned http_server_connections(const struct http_server *self);
/* How many were cut by S2. */
uint64_t http_server_cut(const struct http_server *self);

/* Of a request; borrowed until over(). */
const char *http_exchange_method(const struct http_exchange *self);
const char *http_exchange_target(const struct http_exchange *self); /* as it was sent */
const char *http_exchange_header(const struct http_exchange *self, const char *name); /* or NULL */
struct span http_exchange_body(const struct http_exchange *self);
bool http_exchange_overflowed(const struct http_exchange *self); /* it was more than its room */
bool http_exchange_crowded(const struct http_exchange *self);    /* the others left it no room */

/* The caller's own pointer. */
void http_exchange_set(struct http_exchange *self, void *data);
void *http_exchange_data(const struct http_exchange *self);

/* Answers with COUNT header fields and BODY, all copied. Once. */
void http_exchange_answer(struct http_exchange *self, unsigned status,
                          const struct http_field *field, size_t count, struct span body);
/* Begins an answer of unknown length. Instead of the above, once. */
void http_exchange_stream(struct http_exchange *self, unsigned status,
                          const struct http_field *field, size_t count);
/* Adds to it; copied. */
void http_exchange_write(struct http_exchange *self, struct span bytes);
/* Bytes that were added and not taken yet. */
size_t http_exchange_waiting(const struct http_exchange *self);
/* The whole of it was added. */
void http_exchange_finish(struct http_exchange *self);
/* Cuts the connection, from any state; over() follows, from http_server_run(). */
void http_exchange_cut(struct http_exchange *self);

#endif
