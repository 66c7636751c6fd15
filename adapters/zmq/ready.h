/* Waiting for sockets and descriptors, as zmq_poll() does, but with one call of the kernel's poll()
 * and none for a socket of which its descriptor says enough. A turn of a loop that handles one
 * message spends most of its time in such calls. */
#ifndef TAILGATE_ADAPTERS_ZMQ_READY_H
#define TAILGATE_ADAPTERS_ZMQ_READY_H

#include <stddef.h>
#include <zmq.h>

#define READY_ITEMS 512 /* at once */

/* The descriptor of SOCKET. It may stand in an item in place of the socket where the socket is only
 * ever read, each time until nothing is left: then it is readable when something has come since. Of
 * any other socket it is not enough, as each call on the socket may take in what it tells of. */
int ready_descriptor(void *socket);
/* Waits until an item is ready, or for TIMEOUT_MS (-1: without end); sets revents. That of a socket
 * with ZMQ_POLLIN may say so when nothing waits there: something about it has changed. Returns the
 * number of items that are ready, 0 after a signal, or -errno. */
int ready_wait(zmq_pollitem_t *item, size_t count, long timeout_ms);
/* The same again, after a wait on the same sockets that found none of them ready, and without any
 * call on one of them in between: whatever has come since, their descriptors tell of it. */
int ready_wait_on(zmq_pollitem_t *item, size_t count, long timeout_ms);

#endif
