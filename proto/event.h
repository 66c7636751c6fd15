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

#include "proto/buffer.h"

/* What every event has, and what all of those about one query have besides. Spans are borrowed, and
 * redacted by the caller where that is due. */
struct event_head {
    uint64_t seq;
    int64_t utc_us;
    int64_t message_id; /* of the query */
    struct span conversation_id;
    struct span service;
};

/* Appends a "partial": {…,"message_id","conversation_id","service","worker","attempt","index",
 * "text"}. INDEX counts the partial events of this attempt from 1, without a gap: texts put one
 * behind the other by it are what was published of the answer so far. */
void event_partial(const struct event_head *head, struct span worker, uint32_t attempt,
                   uint64_t index, struct span text, struct buffer *ret_json);
/* Appends a "gateway/undelivered": {…,"message_id","conversation_id","service","principal","why"}.
 * The reply to a client's request is committed, and could not be sent to it. */
void event_undelivered(const struct event_head *head, struct span principal, struct span why,
                       struct buffer *ret_json);

#endif
