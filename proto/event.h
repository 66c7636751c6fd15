/* What an event's third frame says: one JSON object on one line. All have
 *   "event"  its kind ("partial"), or its topic where it is about the gateway itself
 *            ("gateway/undelivered"),
 *   "seq"    its number among those that this run of the gateway has published, from 1,
 *   "time"   when it was published: a stamp (proto/stamp.h), UTC,
 * and then members of their own, as below. Readers ignore those that they do not know. What came
 * from others stands in them as UTF-8 in which every control and bidi character is escaped
 * (proto/escape.h), so that a line that is only printed does no harm. */
#ifndef TAILGATE_PROTO_EVENT_H
#define TAILGATE_PROTO_EVENT_H

#include <stdint.h>

#include "proto/body.h"
#include "proto/buffer.h"
#include "proto/identity.h"
#include "proto/topic.h"

/* What every event has, and what all of those about one query have besides. Spans are borrowed, and
 * redacted by the caller where that is due. */
struct event_head {
    uint64_t seq;
    int64_t utc_us;
    int64_t message_id; /* of the query */
    struct span conversation_id;
    struct span service;
};

/* Appends a "partial": {…,"message_id","conversation_id","service","worker","attempt",
 * "verified","index","text"}. VERIFIED: who sent it (proto/identity.h), left out where nobody is
 * known. INDEX counts the partial events of this attempt from 1, without a gap: texts put one
 * behind the other by it are what was published of the answer so far. */
void event_partial(const struct event_head *head, struct span worker,
                   const struct identity *verified, uint32_t attempt, uint64_t index,
                   struct span text, struct buffer *ret_json);

/* A member of an event of another kind. */
struct event_member {
    const char *name;
    enum { EVENT_TEXT, EVENT_NUMBER, EVENT_FLAG, EVENT_SECONDS, EVENT_JSON } type;
    struct span text; /* TEXT: from outside; JSON: our own, the member is left out at size 0 */
    int64_t number;   /* NUMBER; FLAG: 0 or 1; SECONDS: microseconds, written as 1.250 */
};

/* Appends the event called NAME with COUNT members in their order. */
void event_other(const char *name, uint64_t seq, int64_t utc_us, const struct event_member *member,
                 size_t count, struct buffer *ret_json);

#define EVENT_DURABLE 3 /* kinds: TOPIC_QUERY, TOPIC_RESPONSE and TOPIC_MESSAGE are the first */
#define EVENT_HASH_SIZE BODY_HASH_SIZE

/* A row of the bridge as an event. Spans are borrowed; what has size 0 is null in the JSON, but the
 * text. */
struct event_row {
    enum topic_kind kind; /* one of the durable ones */
    int64_t id;
    struct span conversation_id, from, to, timestamp;
    const char *form; /* message_kind_name() */
    struct span service;
    int64_t size;               /* bytes of the stored text */
    char hash[EVENT_HASH_SIZE]; /* of the redacted text, hexadecimal; "": null */
    bool bodies;                /* text and metadata are there */
    struct span text;
    bool truncated;
    struct span metadata; /* a JSON object */
    /* Of a response, left out where it is -1 or of size 0. */
    int64_t in_reply_to, attempt, took_us;
    struct span worker;
    bool dead;
    /* Of a query or response that the gateway made itself: who sent it; size 0: not known. */
    struct span principal, name;
};

/* What only the live event of a row has. */
struct event_live {
    uint64_t seq;
    int64_t utc_us;
    int64_t prev; /* no row of its kind lies between this one and its id */
};

/* Appends it; LIVE NULL: as a replay tells it. */
void event_row(const struct event_row *row, const struct event_live *live, struct buffer *ret_json);

/* How far the feed has come. */
struct event_mark {
    const char *epoch;           /* names the run */
    int64_t since;               /* rows up to here are not published in this run */
    int64_t id;                  /* the highest row that was passed */
    int64_t highest;             /* the same, or that the file ever had when the run began */
    int64_t last[EVENT_DURABLE]; /* no row of that kind lies between it and ID */
};

/* Appends a "gateway/mark", or (WELCOME) the JSON of a "gateway/welcome". COUNTERS: a JSON object;
 * size 0: left out. */
void event_mark(const struct event_mark *mark, bool welcome, uint64_t seq, int64_t utc_us,
                struct span counters, struct buffer *ret_json);

#endif
