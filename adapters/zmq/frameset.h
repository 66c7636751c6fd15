/* One multipart message of a socket, its frames as borrowed spans. */
#ifndef TAILGATE_ADAPTERS_ZMQ_FRAMESET_H
#define TAILGATE_ADAPTERS_ZMQ_FRAMESET_H

#include <zmq.h>

#include "proto/limits.h"
#include "proto/span.h"

struct frameset {
    zmq_msg_t message[LIMIT_FRAMES + 1]; /* + 1: a ROUTER puts the routing id in front */
    struct span frame[LIMIT_FRAMES + 1]; /* views of them, valid until the next receive or _done */
    size_t count;                        /* frames held */
};

void frameset_init(struct frameset *self);
void frameset_done(struct frameset *self);
/* Receives one message without blocking, closing what SELF held. Returns 1 when there is one, 0
 * when none waits, -E2BIG when it had more frames than fit (it was taken and dropped whole), or
 * -errno. */
int frameset_receive(struct frameset *self, void *socket);
/* Sends COUNT frames (copied) as one message without blocking. Returns 0 or -errno: -EAGAIN when
 * the peer's queue is full, -EHOSTUNREACH when a ROUTER with ROUTER_MANDATORY has no such peer. */
int frameset_send(void *socket, const struct span *frame, size_t count);

#endif
