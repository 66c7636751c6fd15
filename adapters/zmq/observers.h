/* The connections of one XPUB: how many there are, what each of them has subscribed to, and the end
 * of those that subscribe to too much. XPUB_VERBOSER passes every subscription on, a message says
 * which descriptor it came by (ZMQ_SRCFD), the monitor which descriptors are open.
 *
 *  O1. ZeroMQ's thread tells the monitor of a connection before it hands over what came by it. So
 *      each message is read before the monitor is, and a connection that is open then owns its
 *      descriptor: no living connection's subscription is ever missing from the books.
 *
 *  O2. What the one before on the same descriptor had said, and is read only then, is booked to the
 *      one that is there: such a subscription counts until that one closes. It costs an event that
 *      nobody takes, or, behind a flood, the connection, which its owner makes again; no more.
 *
 *  O3. XPUB itself makes ends of subscriptions, without a descriptor, when a connection has closed.
 *      The monitor has told of that already; they mean nothing here.
 *
 *  O4. XPUB keeps a topic once for a connection, and passes on its repetition, and the end of one
 *      that never was. So do the books: by name, not by number.
 *
 *  O5. The protocols before ZMTP 3 give their messages no descriptor. Nobody could tell whose they
 *      are, and such a connection has no bound: it is cut. inproc has none either, and needs no
 *      bound: what comes by it is booked in one heap. */
#ifndef TAILGATE_ADAPTERS_ZMQ_OBSERVERS_H
#define TAILGATE_ADAPTERS_ZMQ_OBSERVERS_H

#include <zmq.h>

#include "adapters/zmq/curve.h"
#include "proto/topic.h"

struct observers;

/* Those of SOCKET, an XPUB of CONTEXT that is not bound yet, and that is to be a CURVE one or not.
 * Sets its options. NULL: errno says why. */
struct observers *observers_new(void *context, void *socket, bool curve);
/* Before SOCKET is closed. NULL-safe. */
void observers_destroy(struct observers **self);
/* SOCKET sends batches (proto/event_batch.h) and nothing else. Before anything was heard. */
void observers_batch(struct observers *self);
/* The monitor's socket, to poll (owned by the observers). */
void *observers_monitor(const struct observers *self);
/* Takes what the monitor has said. Never blocks. */
void observers_drain(struct observers *self);
/* Begins a turn of reading the socket. */
void observers_turn(struct observers *self);
/* Takes one FRAME that was read from the socket, whose ENDPOINT is as bound. */
void observers_hear(struct observers *self, const zmq_msg_t *frame, const char *endpoint);
/* Cuts the connection that has said most in this turn. For when reading does not keep up. */
void observers_cut_loudest(struct observers *self, const char *endpoint);
/* Of a CURVE endpoint: cuts the connections whose keys are not ALLOWED (any more), and those of
 * which nothing was heard: whose they are is not known, and who may connects again. */
void observers_cut_keys(struct observers *self, const char *endpoint, curve_allowed_fn *allowed,
                        void *context);
/* Connections that are open, their subscriptions (without those longer than any topic, and to
 * batches where there are none), how many of these can match a topic of KIND, and connections that
 * were cut so far. */
size_t observers_count(const struct observers *self);
size_t observers_subscriptions(const struct observers *self);
/* Subscriptions that have begun so far. */
uint64_t observers_begun(const struct observers *self);
size_t observers_wanting(const struct observers *self, enum topic_kind kind);
uint64_t observers_cut(const struct observers *self);

#endif
