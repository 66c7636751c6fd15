/* Which connections of a ROUTER have closed. ZeroMQ tells a peer's death to nobody, but a message
 * says which descriptor it came by (ZMQ_SRCFD), and the socket's monitor says when a descriptor is
 * accepted and when it is closed. All of that is stable API.
 *
 * ZeroMQ's thread tells the monitor before it hands over what came by a connection, and before its
 * descriptor can be used again. So, having read a message and then the monitor:
 *
 *  K1. A descriptor that is closed by then: the message's sender has gone already.
 *  K2. A descriptor that is open belongs to the newest peer heard on it. (An older one, whose last
 * message was read late, may be taken for it until the newer one speaks or closes.) K3. Each
 * connection that was heard is reported closed once. */
#ifndef TAILGATE_ADAPTERS_ZMQ_LINKS_H
#define TAILGATE_ADAPTERS_ZMQ_LINKS_H

#include "proto/peer.h"

struct links;

/* Monitors SOCKET, a ROUTER, in CONTEXT. NULL when no socket is to be had. */
struct links *links_new(void *context, void *socket);
/* Ends the monitoring; call before the ROUTER is closed. NULL-safe. */
void links_destroy(struct links **self);
/* The monitor's socket, to poll (owned by the links). */
void *links_socket(const struct links *self);
/* PEER was heard on DESCRIPTOR. True when it is the first time on this connection. */
bool links_heard(struct links *self, int descriptor, const struct peer *peer);
/* Takes PEER out of those that links_closed() will report: whoever had its name before is gone, and
 * that is told. True when it was among them. */
bool links_overtaken(struct links *self, const struct peer *peer);
/* The next peer whose connection has closed; false when there is none. Never blocks. */
bool links_closed(struct links *self, struct peer *ret_peer);

#endif
