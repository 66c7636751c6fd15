/* The gate: one ROUTER socket for each endpoint, one for workers and clients alike. It moves frames
 * and decides nothing. ROUTER_MANDATORY and DONTWAIT: a peer that is gone or full is an error code,
 * never a silent drop; even so only the first frame of a message can fail, and the lease is the
 * truth.
 *
 * ROUTER_HANDOVER stays off: with it, whoever sets the routing id of another peer gets what is sent
 * to that one, before it has said a word that its key could be looked up for. Without it, the
 * second one of a name is not heard while the first one is connected (links_free_names()). */
#ifndef TAILGATE_ADAPTERS_ZMQ_GATE_H
#define TAILGATE_ADAPTERS_ZMQ_GATE_H

#include "adapters/zmq/curve.h"
#include "adapters/zmq/frameset.h"
#include "proto/peer.h"

#define GATE_DOORS 16        /* endpoints at most */
#define GATE_ADDRESS_SIZE 64 /* of a peer's numeric address, its NUL included */

struct gate;

/* Makes the context and no socket. The process has one gate. NULL only without descriptors. */
struct gate *gate_new(void);
/* Closes the sockets (what is queued for a peer is sent for at most LINGER_MS) and the context. */
void gate_destroy(struct gate **self, int linger_ms);
/* Before the first gate_bind(): dialled sockets (dial.h) get an I/O thread of their own, because it
 * is there that ZeroMQ looks up a host's name, and the doors would wait for that. */
void gate_will_dial(struct gate *self);
/* The process's ZeroMQ context, for the sockets of others: all must be closed before the gate is
 * destroyed. */
void *gate_context(const struct gate *self);
/* Binds one more endpoint (with umask 0077 or, when GROUP, 0007 around an ipc bind). Returns the
 * door's index or -errno. A tcp port of 0 or * is chosen by the system: see gate_endpoint(). */
int gate_bind(struct gate *self, const char *endpoint, bool group);
/* The same for a tcp endpoint that only lets in whom the ZAP handler (zap.h), which must be there
 * already, knows by its key. SECRET_KEY is the gateway's, in Z85. */
int gate_bind_curve(struct gate *self, const char *endpoint, const char *secret_key);
/* The number of doors, a door's socket (to poll; owned by the gate) and its endpoint as bound. */
size_t gate_doors(const struct gate *self);
void *gate_socket(const struct gate *self, size_t door);
const char *gate_endpoint(const struct gate *self, size_t door);
/* Takes one waiting message of DOOR: fills SET with its frames without the routing id, which goes
 * to RET_PEER. *ret_first: it is the first one of its connection. Returns 1, 0 when none waits,
 * -E2BIG (dropped, too many frames; RET_PEER is not set), or another -errno. */
int gate_receive(struct gate *self, size_t door, struct frameset *set, struct span **ret_frame,
                 size_t *ret_count, struct peer *ret_peer, bool *ret_first);
/* True when an earlier connection that had PEER's routing id is closed and gate_closed() has not
 * said so yet; it will not any more. */
bool gate_overtaken(struct gate *self, const struct peer *peer);
/* True when DOOR is a CURVE one. */
bool gate_is_curve(const struct gate *self, size_t door);
/* Who sent what SET holds from DOOR. LOCAL: through a unix socket, whose peer the kernel has named
 * (SO_PEERCRED; ZeroMQ's property Peer-Address of the last frame); else UID and PID are 0. CURVE:
 * through a CURVE endpoint; FINGERPRINT is then that of its key (the property User-Id of the last
 * frame, which is what the ZAP handler has said), or "", which is nobody's: refuse it. */
struct gate_sender {
    bool local;
    int64_t uid, pid;
    bool curve;
    char fingerprint[CERT_FINGERPRINT_SIZE];
    char address[GATE_ADDRESS_SIZE]; /* of CURVE: the peer's host; "": not known */
};
void gate_sender(const struct gate *self, size_t door, const struct frameset *set,
                 struct gate_sender *ret_sender);
/* Cuts the connections of CURVE doors whose keys are not ALLOWED (links.h). */
void gate_cut_keys(struct gate *self, curve_allowed_fn *allowed, void *context);
/* Lets in anew who waits for a routing id, at CURVE doors, when one has become free: not too often,
 * for it disturbs others that connect just then. */
void gate_free_names(struct gate *self);
/* A door's second socket to poll: readable when a connection of it may have closed. */
void *gate_monitor(const struct gate *self, size_t door);
/* STILL: that socket has nothing to say; it is not looked at again until this is called with false.
 */
void gate_still(struct gate *self, size_t door, bool still);
/* The next peer that was heard at DOOR and whose connection has closed since; false when there is
 * none. */
bool gate_closed(struct gate *self, size_t door, struct peer *ret_peer);
/* Sends frames to PEER. Returns 0, -EHOSTUNREACH (gone), -EAGAIN (its queue is full) or -errno. */
int gate_send(struct gate *self, const struct peer *peer, const struct span *frame, size_t count);

#endif
