/* The events: one XPUB socket for each endpoint, for observers. It moves frames and decides
 * nothing. An event is [topic][seq][JSON] (proto/topic.h, proto/event.h).
 *
 * Nothing here ever waits for an observer. One that does not read loses events once HWM of them
 * wait for it, whole ones; the others get theirs. A connection that sends more than subscriptions,
 * or too many of them, is cut; and one that floods while the loop stands still (doorkeeper.h). */
#ifndef TAILGATE_ADAPTERS_ZMQ_EVENTS_H
#define TAILGATE_ADAPTERS_ZMQ_EVENTS_H

#include <stdint.h>

#include "adapters/zmq/curve.h"
#include "proto/span.h"
#include "proto/topic.h"

#define EVENTS_DOORS 9 /* endpoints at most: two of our own and seven others */

struct events;

/* Borrows CONTEXT. Makes no socket. */
struct events *events_new(void *context);
/* Closes the sockets; what is queued for an observer is sent for at most LINGER_MS, in the
 * background. Before the context ends. NULL-safe. */
void events_destroy(struct events **self, int linger_ms);
/* Binds one more endpoint. Returns its index or -errno, as gate_bind(). */
int events_bind(struct events *self, const char *endpoint, bool group);
/* The same for CURVE, as gate_bind_curve(). */
int events_bind_curve(struct events *self, const char *endpoint, const char *secret_key);
bool events_is_curve(const struct events *self, size_t door);
/* DOOR, which was just bound, is for those that take batches (proto/event_batch.h) and sends
 * nothing else, or not. */
void events_batch(struct events *self, size_t door);
bool events_is_batch(const struct events *self, size_t door);
/* Cuts the connections of CURVE endpoints whose keys are not ALLOWED (observers.h). */
void events_cut_keys(struct events *self, curve_allowed_fn *allowed, void *context);
/* The number of endpoints; of one its socket and its monitor's (to poll; owned by the events), and
 * itself as bound. */
size_t events_doors(const struct events *self);
void *events_socket(const struct events *self, size_t door);
void *events_monitor(const struct events *self, size_t door);
const char *events_endpoint(const struct events *self, size_t door);
/* FRAME (copied) is from now on the first that a new connection gets, on every endpoint, one that
 * is bound later, too; of a SUB socket only if it is subscribed to its start by then. Empty: none.
 * Costs nothing while it stays the same. Returns 0 or the last -errno. */
int events_welcome(struct events *self, struct span frame);
/* STILL: neither DOOR's socket nor its monitor's has anything to say; events_drain() does not look
 * there until this is called with false. */
void events_still(struct events *self, size_t door, bool still);
/* Takes what observers have said since, and who has come and gone; a bounded number of messages. */
void events_drain(struct events *self);
/* Connections of observers that are open. Over inproc there are none. */
size_t events_observers(const struct events *self);
/* Subscriptions of all connections; 0: nobody listens. What is longer than any topic is not
 * counted, nor EVENT_BATCH_TOPIC where there are no batches. Never too low for living connections
 * (observers.h, O1, O2). */
size_t events_subscriptions(const struct events *self);
/* Those that have begun so far. */
uint64_t events_begun(const struct events *self);
/* True when an endpoint is no unix socket. */
bool events_over_tcp(const struct events *self);
/* True when one of them can match a topic of KIND; if not, such an event need not be made. */
bool events_wanted(const struct events *self, enum topic_kind kind);
/* Connections that were cut, because they had subscribed to too much or spoke otherwise. */
uint64_t events_cut(const struct events *self);
/* Sends the frames of an event, or of a welcome, that somebody else has made, as they are; not as
 * part of a batch. Returns 0 or the last -errno. */
int events_pass(struct events *self, const struct span *frame, size_t count);
/* Sends one event to all who want it, and adds it to the batch where somebody takes these; what
 * waits in one that is full leaves before. Returns 0 or the last -errno. */
int events_publish(struct events *self, struct span topic, uint64_t seq, struct span json);
/* Events that wait in the batch; it leaves, if there is one. Returns 0 or the last -errno. */
size_t events_waiting(const struct events *self);
int events_flush(struct events *self);
/* Copies of messages that were made for observers so far, and those that the next event makes, and
 * a batch with it; each at most. */
uint64_t events_copies(const struct events *self);
size_t events_next_copies(const struct events *self);

#endif
