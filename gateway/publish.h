/* What the gateway publishes: numbers the events (feed.h), redacts and composes them, and hands
 * them to the sockets. Memory only: nothing of it outlives the run. publish.c has partial answers,
 * publish_feed.c rows, the life-cycle and marks.
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
 *      goes on, but no event is composed, nor numbered.
 *
 *  P5. A row is told once, in the order of the ids, after its COMMIT: the tail brings it.
 *
 *  P6. Events leave at the end of a turn, in the order of their numbers, as many as make
 *      PUBLISH_COPIES (one for each subscription, at the most), at least one; the next turn begins
 *      at once then. So queries are handed out before a hundred observers are told of them, and
 *      wait for no more than that; and ZeroMQ's thread is woken once for several events. When
 *      PUBLISH_OUT of them wait, some leave before one more is made.
 *
 *  P7. Those that take batches (proto/event_batch.h) get what leaves by P6 in one message, at the
 *      end of a turn, and none until PUBLISH_BATCH_US later unless it is full: a lone event does
 *      not wait, and of many those of that while leave together. */
#ifndef TAILGATE_GATEWAY_PUBLISH_H
#define TAILGATE_GATEWAY_PUBLISH_H

#include "adapters/text/redact_stream.h"
#include "adapters/zmq/events.h"
#include "gateway/feed.h"
#include "gateway/row_event.h"
#include "gateway/stats.h"
#include "gateway/table.h"

#define PUBLISH_STREAMS 10000    /* P1 */
#define PUBLISH_HELD (16u << 20) /* P3 */
#define PUBLISH_OUT 1000         /* P6 */
#define PUBLISH_OUT_BYTES (1u << 20)
#define PUBLISH_OUT_ROOM (2 * PUBLISH_OUT) /* they are moved to its start once in so many */
#define PUBLISH_COPIES 300                 /* P6: some 0.1 ms of the loop's time */
#define PUBLISH_BATCH_US 5000              /* P7 */
#define PUBLISH_KEPT_ROOM (4u << 20)       /* storage kept from one event, or queue, to the next */
#define PUBLISH_WORDS 32                   /* names of events that are neither rows nor partials */

/* One that waits; its bytes are in publish_out. */
struct publish_event {
    uint64_t seq;
    size_t topic, json; /* bytes */
};

struct publish {
    struct events *events; /* borrowed, as the next two are */
    struct redact *redact;
    struct stats *stats;
    struct feed feed;
    struct row_event row;
    bool bodies; /* rows are told with their text */
    struct {
        const char *name; /* a constant */
        uint64_t count;
    } told[PUBLISH_WORDS];
    uint64_t begun;       /* subscriptions, at the last look */
    int64_t batch_us;     /* P7: when the last one left, but for full ones */
    struct table streams; /* by message id */
    size_t held;          /* bytes that they hold back */
    int64_t since_us;     /* P1: an attempt that began earlier and has no stream is not followed */
    struct buffer text, service, name, json; /* of the event being made */
    struct publish_out {
        struct buffer frames; /* topic and JSON of each, one behind the other */
        size_t gone;          /* bytes at its start that have left */
        struct publish_event event[PUBLISH_OUT_ROOM];
        size_t first, count;   /* those that wait */
        struct buffer welcome; /* what is true once `before` more have left; empty: nothing */
        size_t before;
    } out; /* P6 */
};

/* A partial answer: which query and attempt it belongs to, when that began (monotonic), and the
 * frames of its body as they came. All borrowed. */
struct publish_partial {
    int64_t id;
    uint32_t attempt;
    int64_t leased_us;
    struct span conversation_id, service, worker;
    const struct identity *verified; /* who sent it; NULL: nobody knows */
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
/* How many events ATTEMPT of query ID has made, or would have where somebody listened. */
uint64_t publish_partials(const struct publish *self, int64_t id, uint32_t attempt);
/* The attempt of query ID has ended. */
void publish_forget(struct publish *self, int64_t id);
/* As feed_start(). */
void publish_start(struct publish *self, int64_t since, int64_t highest);
/* ROW is committed, and the tail has brought it for the first time (P5). */
void publish_row(struct publish *self, int64_t now_us, int64_t utc_us, const struct tail_row *row);
/* The rows up to ID are committed, and told to nobody, whatever they are. */
void publish_passed(struct publish *self, int64_t id);
/* Something else has happened. KIND and ABOUT make the topic; NAME, a constant, is what the event
 * is called: the kind's name, or "gateway/paused". The members' texts are redacted here; "count" is
 * added, which counts what has that name. */
void publish_other(struct publish *self, int64_t now_us, int64_t utc_us, enum topic_kind kind,
                   struct span about, const char *name, const struct event_member *member,
                   size_t count);
/* Does what is due: events leave, marks, and the welcome of those who come. Once in a turn. */
void publish_run(struct publish *self, int64_t now_us, int64_t utc_us);
/* All that waits leaves. */
void publish_flush(struct publish *self);
/* True when somebody wants rows told. */
bool publish_wants_rows(const struct publish *self);
/* When publish_run() has something to do; INT64_MAX when nothing waits for time. */
int64_t publish_due(const struct publish *self);

/* For the parts of it: NAME as it may be told, in STORAGE where that is something else; has the
 * buffer `json`, event number SEQ, leave under KIND and ABOUT; what may leave in one turn leaves.
 */
struct span publish_name(struct publish *self, struct span name, struct buffer *storage);
void publish_send(struct publish *self, enum topic_kind kind, struct span about, uint64_t seq);
void publish_some(struct publish *self);
/* P7: when the batch is due, INT64_MAX: none waits; and it leaves if it is due. */
int64_t publish_batch_due(const struct publish *self);
void publish_batch(struct publish *self, int64_t now_us);

#endif
