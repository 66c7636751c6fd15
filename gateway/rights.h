/* What the holder of a key may do at the gate: policy, and nothing else. Who comes through a unix
 * socket or a plain endpoint has no key, and goes by other rules (builtin.c, replays.c).
 *
 *                              worker   client   observer   operator
 *   RIGHT_WORK    for a service   x
 *   RIGHT_ASK     a service                x
 *   RIGHT_STATUS                           x         x          x
 *   RIGHT_REPLAY                                     x          x
 *   RIGHT_CONTROL                                               x
 *   RIGHT_LOOK                    x        x         x          x
 *
 * Where a certificate names services, working and asking are for these. */
#ifndef TAILGATE_GATEWAY_RIGHTS_H
#define TAILGATE_GATEWAY_RIGHTS_H

#include "adapters/zmq/allow.h"
#include "proto/span.h"

enum right {
    RIGHT_WORK,    /* register for a service, take its queries, answer them */
    RIGHT_ASK,     /* ask a service, also by Titanic and by tailgate.submit */
    RIGHT_STATUS,  /* tailgate.status */
    RIGHT_REPLAY,  /* see every row: tailgate.replay, .story, .dead */
    RIGHT_CONTROL, /* what changes something in the gateway: tailgate.pause, .redrive … */
    RIGHT_LOOK     /* mmi.* */
};

/* NULL: the holder of ENTRY (NULL: of a key that is not allowed, or no longer) may. Else why not, a
 * sentence without full stop; static. SERVICE of WORK and ASK: SERVICE_ALL is all of them; size 0:
 * any one. */
const char *rights_object(const struct allow_entry *entry, enum right right, struct span service);

#endif
