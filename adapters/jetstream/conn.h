/* A connection to NATS, for a loop that must not block.
 *
 *   loop ──▶ outgoing ──▶ our thread ──▶ libnats ──▶ server
 *     ▲                                     │
 *     └──────── incoming, eventfd ◀── libnats' threads
 *
 * Invariants
 *   1. Only the thread of ours calls what may block: connecting, and writing while the server does
 *      not read. Both queues are bounded and guarded by one lock; what libnats calls us with goes
 *      straight into the incoming one.
 *   2. While there is no connection, nothing is given to libnats: what is sent waits in the
 *      outgoing queue, in order. What was given to it a moment before the connection ended may be
 *      lost: who needs to know waits for the server's answer and sends again after CONN_UP.
 *   3. It connects for ever, to one server after the other, with a growing pause after each round.
 *      libnats itself never reconnects: it would check every server's certificate for one name.
 *   4. A server behind which nobody answers, as one that was cut off from its cluster, is left for
 *      the next one.
 *   5. Passwords and tokens in URLs are never in a text that this file returns. */
#ifndef TAILGATE_ADAPTERS_JETSTREAM_CONN_H
#define TAILGATE_ADAPTERS_JETSTREAM_CONN_H

#include <nats/nats.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/span.h"

#define CONN_URLS 64
#define CONN_TEXT 512 /* a text about the connection, its NUL included */

/* Borrowed while the connection lives. */
struct conn_setup {
    const char *url[CONN_URLS + 1]; /* NULL-terminated; at least one */
    const char *ca, *cert, *key;    /* PEM files; NULL: not said */
    const char *creds;              /* a user's .creds file; NULL: not said */
};

enum conn_news_kind {
    CONN_NOTHING,
    CONN_UP,      /* connected (again); text says where to. Subscriptions are as they were */
    CONN_LOST,    /* text says why */
    CONN_WAITING, /* nobody there; text. Said once until somebody is */
    CONN_REFUSED, /* they do not let us in, or are not who they should be; text. Tried again */
    CONN_TROUBLE, /* connected, but something is not as it should be (not permitted …); text */
    CONN_MESSAGE  /* message */
};

struct conn_news {
    enum conn_news_kind kind;
    natsMsg *message; /* MESSAGE: yours, for natsMsg_Destroy() */
    char text[CONN_TEXT];
};

struct conn;

/* URL without what stands before an @. */
void conn_mask(const char *url, char ret_text[CONN_TEXT]);
/* Options for a connection to the URL of that INDEX alone, which does not reconnect by itself; with
 * TLS, its certificate must be that host's. The caller destroys them. NULL with a text in RET_WHY
 * when a file cannot be read or the URL is none. */
natsOptions *conn_options(const struct conn_setup *setup, size_t index, char ret_why[CONN_TEXT]);
/* What STATUS, with the calling thread's last error, means, for people. */
void conn_explain(natsStatus status, char ret_text[CONN_TEXT]);
/* True when STATUS means that somebody is there and refuses us. */
bool conn_refused(natsStatus status);

/* Starts the threads; connects in the background. NULL with a text in RET_WHY as conn_options(), or
 * when there is no thread. */
struct conn *conn_new(const struct conn_setup *setup, char ret_why[CONN_TEXT]);
/* Sends what waits, for up to a second, when connected; closes. */
void conn_destroy(struct conn **self);
/* A descriptor that is readable while conn_next() has something. */
int conn_fd(const struct conn *self);
struct conn_news conn_next(struct conn *self);
/* True from the news CONN_UP until CONN_LOST. */
bool conn_is_up(const struct conn *self);
/* Something was asked, or is asked again: when nobody answers for a while, or none but "no
 * responders" comes, this server is left for another one, if there are several. */
void conn_expect(struct conn *self, int64_t now_us);
/* The largest payload that the server takes; 0 while that is not known. */
int64_t conn_max_payload(const struct conn *self);
/* "_INBOX.<random>": what is sent to it and below it comes as MESSAGE. */
const char *conn_inbox(const struct conn *self);
/* From now on what is sent to SUBJECT comes as MESSAGE, too; while many wait, it is dropped. */
void conn_subscribe(struct conn *self, const char *subject);
/* Sends MESSAGE. False when too much waits; then it is destroyed. */
bool conn_send(struct conn *self, natsMsg *message_take);
/* The same for a TEXT without headers; REPLY may be NULL. */
bool conn_send_text(struct conn *self, const char *subject, const char *reply, const char *text);
/* A new message; never NULL. REPLY may be NULL. Headers: conn_set(). */
natsMsg *conn_message(const char *subject, const char *reply, struct span data);
/* A control byte in VALUE becomes a blank. */
void conn_set(natsMsg *message, const char *name, struct span value);
/* The header NAME; size 0 when there is none. Borrowed from MESSAGE. */
struct span conn_header(natsMsg *message, const char *name);

#endif
