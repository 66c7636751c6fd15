/* Connections when descriptors run out. ZeroMQ's thread accepts what comes, and nothing of ZeroMQ's
 * bounds that. Without a descriptor its accept() fails: of tcp it is tried again at once and for
 * ever, with a whole core; of a unix socket the process is aborted (libzmq 4.3.4,
 * ipc_listener.cpp). Nor is one left for the database, or for a child.
 *
 * So this file has an accept4() of its own, which the linker prefers for every library of the
 * process: it keeps some descriptors back. The kernel gives the lowest one that is free; a
 * connection that was given one of the last is closed again, and ZeroMQ is told that its peer had
 * gone already. Whoever links this file has that. */
#ifndef TAILGATE_ADAPTERS_ZMQ_ACCEPT_H
#define TAILGATE_ADAPTERS_ZMQ_ACCEPT_H

#include <stdint.h>

/* Connections that were closed for want of a descriptor to spare, so far. */
uint64_t accept_turned_away(void);

#endif
