/* What the gateway publishes: numbers the events, redacts and composes them, and hands them to the
 * sockets. Memory only: nothing of it outlives the run.
 *
 *  P1. An answer's partials are let go, redacted, from its attempt's first one on, without a gap,
 * or not at all: text whose beginning was not seen may be the second half of a secret. Not followed
 *      are attempts that began before the run; that were interrupted (their worker was lost and
 * came again); and those that had begun, and said nothing yet, when PUBLISH_STREAMS others were
 * being followed. With `events.partials off` they are followed all the same, for the client that
 *      asked.
 *
 *  P2. A stream holds back what may be part of a secret (redact_stream.h): an event's text is not
 *      what the worker sent in one PARTIAL, and many a PARTIAL makes no event. The FINAL holds the
 *      whole answer: what is held back then is dropped.
 *
 *  P3. All streams together hold PUBLISH_HELD bytes back at most; one that would go beyond ends as
 *      if it held too much itself.
 *
 *  P4. While nobody is subscribed streams are followed, so that who comes later sees how an answer
 *      goes on, but no event is composed, nor numbered. */
#ifndef TAILGATE_GATEWAY_PUBLISH_H
#define TAILGATE_GATEWAY_PUBLISH_H

#include "adapters/text/redact_stream.h"
#include "adapters/zmq/events.h"
#include "gateway/stats.h"
#include "gateway/table.h"
#include "proto/event.h"

#define PUBLISH_STREAMS 10000    /* P1 */
#define PUBLISH_HELD (16u << 20) /* P3 */

struct publish {
    struct events *events; /* borrowed, as the next two are */
    struct redact *redact;
    struct stats *stats;
    uint64_t seq;         /* of the last event */
    struct table streams; /* by message id */
    size_t held;          /* bytes that they hold back */
    int64_t since_us;     /* P1: an attempt that began earlier and has no stream is not followed */
    struct buffer text, service, name, json; /* of the event being made */
};

/* A partial answer: which query and attempt it belongs to, when that began (monotonic), and the
 * frames of its body as they came. All borrowed. */
struct publish_partial {
    int64_t id;
    uint32_t attempt;
    int64_t leased_us;
    struct span conversation_id, service, worker;
    const struct span *frame;
    size_t frames;
    bool silent; /* no event is made of it */
};

/* Borrows all three until publish_done(). SEED keys the hash table. Attempts that began before
 * NOW_US are not followed. */
void publish_init(struct publish *self, struct events *events, struct redact *redact,
                  struct stats *stats, uint64_t seed, int64_t now_us);
void publish_done(struct publish *self);
/* Publishes as much of PARTIAL, which came at NOW_US, as may be; UTC_US: the same instant. Returns
 * that text, redacted, borrowed until the next call; size 0: nothing can be let go yet. */
struct span publish_partial(struct publish *self, int64_t now_us, int64_t utc_us,
                            const struct publish_partial *partial);
/* Attempt ATTEMPT of query ID, which began at LEASED_US, was interrupted and goes on at NOW_US
 * (P1). */
void publish_interrupted(struct publish *self, int64_t now_us, int64_t id, uint32_t attempt,
                         int64_t leased_us);
/* The attempt of query ID has ended. */
void publish_forget(struct publish *self, int64_t id);
/* A reply that is committed could not be sent to the client that asked. HEAD as in proto/event.h,
 * its seq left out. */
void publish_undelivered(struct publish *self, const struct event_head *head, struct span principal,
                         struct span why);

#endif
