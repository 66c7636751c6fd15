/* The monitor of a bound socket: when a connection is accepted and when it is closed, each with its
 * descriptor (zmq_socket_monitor(3)). */
#ifndef TAILGATE_ADAPTERS_ZMQ_MONITOR_H
#define TAILGATE_ADAPTERS_ZMQ_MONITOR_H

#include <stdbool.h>

#define MONITOR_DESCRIPTORS (1 << 20) /* Linux has no more for a process by default */

/* A PAIR of CONTEXT, to poll, that tells of the connections of SOCKET from now on: all, when it is
 * not bound yet. NULL: errno says why. */
void *monitor_open(void *context, void *socket);
/* Ends it; before SOCKET is closed. NULL-safe; keeps errno. */
void monitor_close(void *socket, void **monitor);
/* The next connection that was opened or closed, its descriptor from 0 to MONITOR_DESCRIPTORS - 1.
 * False when nothing is left to tell. Never blocks. */
bool monitor_next(void *monitor, int *ret_descriptor, bool *ret_open);

#endif
