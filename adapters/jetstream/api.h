/* What is said to JetStream and what it says, without its client library's calls that block
 * (docs.nats.io, JetStream wire API reference). */
#ifndef TAILGATE_ADAPTERS_JETSTREAM_API_H
#define TAILGATE_ADAPTERS_JETSTREAM_API_H

#include <stdbool.h>
#include <stdint.h>

#include "adapters/jetstream/conn.h"
#include "adapters/jetstream/names.h"

#define API_ACK_WAIT_S 30     /* of a query: then it goes to another host, unless it is renewed */
#define API_REPLY_WAIT_S 8    /* of a reply; longer than it is in doubt (replies.h) */
#define API_MAX_DELIVER 20    /* of one query */
#define API_MAX_PENDING 20000 /* delivered and not acknowledged, of one consumer */
#define API_PULL_S 6 /* a pull request ends; one whose server went away is missed that long */
#define API_PULL_LOST_US (8 * INT64_C(1000000)) /* from then on it has surely ended */
#define API_RESEND_US 5000000 /* without an answer, what was to be stored is sent again */
#define API_SUBJECT 256       /* room of a subject */
#define API_HEADERS 4096      /* room for the headers, within max_payload */

/* What became of a message that was to be stored.
 *
 * Not done, and staged: one of the same id came to the stream's leader, and is in the stream not
 * yet, or never, should another leader be chosen meanwhile, while its id stays taken for the whole
 * duplicate window. (Such a duplicate is confirmed with number 0, or is the error 10158, which
 * newer servers have for it.) */
struct api_stored {
    bool done, staged;
    uint64_t seq;        /* done: its number in the stream, not 0 */
    char why[CONN_TEXT]; /* neither */
};
void api_read_stored(natsMsg *message, struct api_stored *ret_stored);
/* The id of a message that was found to be staged DOUBTS times: ID, and from API_DOUBTS on another
 * one. Twice in a stream is better than never: who takes it goes by its token. */
#define API_DOUBTS 2
void api_id(const char *id, uint32_t doubts, char *ret_id, size_t room);

/* Asks for COUNT messages of CONSUMER at STREAM, which come to the inbox and say by their own
 * subject what they are; status messages go to "<inbox>.p.<number>". */
bool api_pull(struct conn *conn, const char *stream, const char *consumer, uint32_t number,
              uint32_t count);
/* The status of a MESSAGE that is one (404, 408, 409, 503), else 0. *RET_LEFT: what the pull that
 * has ended did not get; -1: it does not say. */
int api_status(natsMsg *message, int64_t *ret_left);
/* Number N of a subject "<inbox>.<kind>.<N>"; false for another subject. */
bool api_inbox(const struct conn *conn, const char *subject, char kind, uint64_t *ret_number);

/* How often the message that came with this reply subject was delivered, this time included; 0:
 * it is no message of a consumer. */
int64_t api_delivered(const char *reply);
/* +ACK done; +WPI still at work; +TERM never again. To nowhere when there is no connection: the
 * message comes again. */
void api_ack(struct conn *conn, const char *reply);
void api_progress(struct conn *conn, const char *reply);
void api_term(struct conn *conn, const char *reply);
void api_nak(struct conn *conn, const char *reply, int64_t delay_us);
/* The message SEQ of STREAM is not wanted any more. */
void api_delete(struct conn *conn, const char *stream, uint64_t seq);
/* Makes sure that STREAM has this pull consumer of what comes with SUBJECT; it answers to
 * "<inbox>.c.0". */
bool api_make_reply_consumer(struct conn *conn, const char *stream, const char *consumer,
                             const char *subject);
/* True when the answer to that says that there is one; else RET_WHY. */
bool api_made(natsMsg *message, char ret_why[CONN_TEXT]);
/* Asks how long a query of STREAM may go unrenewed; the answer goes to "<inbox>.i.<number>". */
void api_ask_ack_wait(struct conn *conn, const char *stream, uint32_t number);
/* What it says, microseconds; 0: nothing. */
int64_t api_read_ack_wait(natsMsg *message);

#endif
