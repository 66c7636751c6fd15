/* Which connections of a ROUTER are open, and when one closes: ZeroMQ tells a peer's death to
 * nobody, but a message says which descriptor it came by (ZMQ_SRCFD), and the socket's monitor says
 * when a descriptor is closed. Both are stable API.
 *
 *  K1. The newest peer heard on a descriptor owns it. Another one that was known there must have
 * closed, even if the monitor has not said so yet: descriptors are used again. K2. Each connection
 * that was heard is reported closed once. */
#ifndef TAILGATE_ADAPTERS_ZMQ_LINKS_H
#define TAILGATE_ADAPTERS_ZMQ_LINKS_H

#include "proto/peer.h"

struct links;

/* Monitors SOCKET, the ROUTER of door number DOOR, in CONTEXT. NULL when no socket is to be had. */
struct links *links_new(void *context, void *socket, size_t door);
/* Ends the monitoring; call before the ROUTER is closed. NULL-safe. */
void links_destroy(struct links **self);
/* The monitor's socket, to poll (owned by the links). */
void *links_socket(const struct links *self);
/* PEER was heard on DESCRIPTOR. */
void links_heard(struct links *self, int descriptor, const struct peer *peer);
/* The next peer whose connection has closed; false when there is none. Never blocks. */
bool links_closed(struct links *self, struct peer *ret_peer);

#endif
