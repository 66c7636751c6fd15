/* One query on its way to an HTTP server and back.
 *
 *   transfer_new ──▶ waits ──transfer_begin──▶ runs ──(libcurl)──▶ ended ──the last report──▶ over
 *        └── refused, before it runs ──────────────────────────────────────▶ the last report
 *
 * Parts are told as they come, each piece of the stream one; every report but PARTIAL is the last.
 */
#ifndef TAILGATE_ADAPTERS_WORKER_HTTP_TRANSFER_H
#define TAILGATE_ADAPTERS_WORKER_HTTP_TRANSFER_H

#include <curl/curl.h>

#include "adapters/worker/adapter.h"
#include "adapters/worker/http_chat.h"
#include "adapters/worker/http_loop.h"
#include "adapters/worker/http_setup.h"
#include "adapters/worker/sse.h"
#include "proto/buffer.h"

#define TRANSFER_HEAD_MAX (256u << 10) /* bytes of an answer's header */

struct transfer {
    const struct http_terms *terms;
    char *token;
    CURL *easy;             /* NULL: it never runs */
    struct http_loop *loop; /* that runs it; NULL: none does */
    struct buffer request;  /* the body that is sent */
    struct buffer refusal;  /* why it is not sent; empty: it is */
    size_t head_size;       /* bytes of the answer's header */
    bool begun;             /* the answer's body has begun, and STREAM says what it is */
    bool stream;            /* server-sent events */
    bool large;             /* it exceeds a limit, and was ended */
    struct buffer body;     /* of the answer; of a stream: from the last piece taken on */
    size_t seen;            /* bytes of BODY that the stream's parser has had */
    struct sse sse;
    struct http_chat chat;
    size_t told; /* bytes of chat.text that were told in parts */
    bool ended;
    CURLcode result;             /* when ended */
    char error[CURL_ERROR_SIZE]; /* libcurl's words about it */
};

/* Prepares EASY for a request to URL, its body aside. */
void transfer_prepare(CURL *easy, const struct http_url *url, char error[CURL_ERROR_SIZE]);
/* One that waits. TERMS are borrowed for its life. The caller fills in `request`, or `refusal`. */
struct transfer *transfer_new(const struct http_terms *terms, struct span token);
/* Ends it where it is and sets *self to NULL. */
void transfer_destroy(struct transfer **self);
/* Sends it off. */
void transfer_begin(struct transfer *self, struct http_loop *loop, int64_t now_us);
/* LOOP is done with it. */
void transfer_ended(struct transfer *self, CURLcode result);
/* The status that the server answered; 0: nothing yet. */
long transfer_status(const struct transfer *self);
/* Whether the answer's media type is NAME; when that begins with '+', whether it ends so. */
bool transfer_has_type(const struct transfer *self, const char *name);
/* The next report on it, its token aside; false: nothing yet. STORAGE holds its text. RETURNED says
 * that the server was not reached. */
bool transfer_take(struct transfer *self, int64_t now_us, struct buffer *storage,
                   struct adapter_report *ret_report);

#endif
