/* Several events in one message, for observers that take them so (WIRE.md, "Batches of events"):
 * two frames, EVENT_BATCH_TOPIC and the events, one behind another, each as pack_write() writes its
 * three frames: topic, seq and JSON. Reading borrows and allocates nothing. */
#ifndef TAILGATE_PROTO_EVENT_BATCH_H
#define TAILGATE_PROTO_EVENT_BATCH_H

#include "proto/buffer.h"
#include "proto/limits.h"

#define EVENT_BATCH_TOPIC "batch/"
#define EVENT_BATCH_FRAMES 3 /* that an event has */

/* Bytes that event_batch_add() appends for these frames. */
size_t event_batch_size(const struct span frame[EVENT_BATCH_FRAMES]);
/* Appends one event. */
void event_batch_add(const struct span frame[EVENT_BATCH_FRAMES], struct buffer *ret_events);
/* True when the COUNT frames of a message say that they are a batch; its events are then the second
 * one. */
bool event_batch_is(const struct span *frame, size_t count);
/* Reads the first event of *REST, whose frames are borrowed from it, and takes it off. Returns -1
 * when *REST does not begin with one: what stood before it counts, the rest does not. */
int event_batch_take(struct span *rest, struct span ret_frame[EVENT_BATCH_FRAMES]);

#endif
