/* Binding a socket to an endpoint that a person has named: what libzmq does silently, or not at
 * all, is done or refused here. */
#ifndef TAILGATE_ADAPTERS_ZMQ_BIND_H
#define TAILGATE_ADAPTERS_ZMQ_BIND_H

#include <stdbool.h>
#include <stdint.h>

#define BIND_ENDPOINT_SIZE 512 /* of an endpoint as bound, its NUL included */

#define BIND_HWM 1000  /* whole messages waiting for, or from, one peer */
#define BIND_THREADS 2 /* ZeroMQ's, that a context should have: for doors, and for events */

/* A socket of CONTEXT and that TYPE for ENDPOINT, with what every bound socket of ours has: the
 * HWM, messages of at most LARGEST bytes a frame, a bounded handshake, links that are found dead,
 * linger. The caller closes it. NULL: zmq_errno() says why. */
void *bind_open(void *context, int type, const char *endpoint, int64_t largest);
/* Sets a fixed, known value. */
void bind_set(void *socket, int option, int value);
/* Binds SOCKET, with umask 0077 or, when GROUP, 0007 around an ipc bind; the endpoint as bound goes
 * to RET_ENDPOINT. Returns 0, -EADDRINUSE when somebody listens there, -EEXIST when a file is in
 * the way that is not a socket (a dead socket is replaced), or another -errno. */
int bind_socket(void *socket, const char *endpoint, bool group,
                char ret_endpoint[BIND_ENDPOINT_SIZE]);

#endif
