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

#include "adapters/zmq/curve.h"
#include "proto/peer.h"

struct links;

/* Monitors SOCKET, a ROUTER, in CONTEXT. NULL when no socket is to be had. */
struct links *links_new(void *context, void *socket);
/* Ends the monitoring; call before the ROUTER is closed. NULL-safe. */
void links_destroy(struct links **self);
/* The monitor's socket, to poll (owned by the links). */
void *links_socket(const struct links *self);
/* STILL: the monitor has nothing to say, and links_closed() does not look there until this is
 * called with false. Never still at first. */
void links_still(struct links *self, bool still);
/* PEER was heard on DESCRIPTOR. True when it is the first time on this connection. */
bool links_heard(struct links *self, int descriptor, const struct peer *peer);
/* The connection at DESCRIPTOR is that of the key with this FINGERPRINT ("": not known). */
void links_key(struct links *self, int descriptor, const char *fingerprint);
/* Of a CURVE door: cuts the connections whose keys are not ALLOWED (any more), and those of which
 * nothing was heard yet: who may connects again. */
void links_cut_keys(struct links *self, const char *endpoint, curve_allowed_fn *allowed,
                    void *context);
/* False: PEER has set its own routing id, and no connection is open on which it was heard. That id
 * may be another one's by now, before links_closed() has said so. */
bool links_is_open(struct links *self, const struct peer *peer);
/* When a peer that had set its own routing id has gone: cuts the connections of which nothing was
 * heard, and which were there by then. ROUTER does not hear the second one of a name, then or
 * later; so it connects again. Those that are younger than a handshake may last are left for a
 * later call: else, whoever comes and goes all the time would keep out the slow. Call it once a
 * second. */
void links_free_names(struct links *self, const char *endpoint);
/* Takes PEER out of those that links_closed() will report: whoever had its name before is gone, and
 * that is told. True when it was among them. */
bool links_overtaken(struct links *self, const struct peer *peer);
/* The next peer whose connection has closed; false when there is none. Never blocks. */
bool links_closed(struct links *self, struct peer *ret_peer);

#endif
