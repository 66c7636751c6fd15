/* An event as `tailgate watch` takes it apart: the members that it shows and filters by. */
#ifndef TAILGATE_GATEWAY_WATCH_EVENT_H
#define TAILGATE_GATEWAY_WATCH_EVENT_H

#include <stdint.h>

#include "proto/buffer.h"
#include "proto/topic.h"

/* Values as they stand in the JSON (WIRE.md, "Events"), borrowed from it; size 0: not there, or
 * null. */
struct watch_event {
    struct span event, time, timestamp;
    struct span id, message_id, in_reply_to;
    struct span conversation_id, service, worker;
    struct span form, size, text, truncated;
    struct span seconds, dead, attempt, attempts, pause, returned;
    struct span verified, sender, by; /* objects: who sent an answer, a query, a control */
    struct span change, protocol, workers;
    struct span why;
};

/* Takes JSON apart; false when it is not an object. */
bool watch_event_read(struct span json, struct watch_event *ret_event);
/* The content of a string VALUE, appended; that of anything else as its JSON. */
void watch_event_text(struct span value, struct buffer *ret_text);
/* A whole number; 0 when VALUE is none. */
int64_t watch_event_number(struct span value);
/* Seconds; negative when VALUE is no number. */
double watch_event_seconds(struct span value);
/* What it is about: query, response … gateway; TOPIC_KINDS: a kind that is not known here. */
enum topic_kind watch_event_kind(const struct watch_event *event);
/* True when VALUE is the string TEXT. */
bool watch_event_is(struct span value, const char *text);

#endif
