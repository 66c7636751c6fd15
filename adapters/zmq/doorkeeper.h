/* Ends connections that say more than can be read.
 *
 * XPUB reads subscriptions inside whatever call its thread makes, until nothing is left; when many
 * connections send without pause, something always is, and that call does not return. No option of
 * ZeroMQ's bounds it, and the thread that could cut them is the one that is held. So another one
 * looks on: when nobody has said for a while that the loop goes on, it cuts those connections of
 * its endpoints that have something unread in the kernel. Who only listens has nothing there. It
 * looks at descriptors, never at a socket of ZeroMQ's. */
#ifndef TAILGATE_ADAPTERS_ZMQ_DOORKEEPER_H
#define TAILGATE_ADAPTERS_ZMQ_DOORKEEPER_H

#include <stdbool.h>
#include <stdint.h>

struct doorkeeper;

/* Starts its thread. NULL: errno says why. */
struct doorkeeper *doorkeeper_new(void);
/* Ends the thread. NULL-safe. */
void doorkeeper_destroy(struct doorkeeper **self);
/* ENDPOINT, as bound (borrowed until the end), is one of those it keeps; EVENTS_DOORS at most. */
void doorkeeper_keep(struct doorkeeper *self, const char *endpoint);
/* The loop goes on; GUESTS: somebody is connected, and it looks more often. */
void doorkeeper_beat(struct doorkeeper *self, bool guests);
/* Connections that it has cut so far. */
uint64_t doorkeeper_cuts(const struct doorkeeper *self);

/* Cuts the connection of DESCRIPTOR, if it is one of ENDPOINT (as bound): ZeroMQ finds it closed.
 * False: it is not, or not any more. */
bool doorkeeper_cut(int descriptor, const char *endpoint);

#endif
