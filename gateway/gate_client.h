/* Asking a running gateway for one of its built-in services: that of a database as a plain REQ
 * client does, and one that is named by its endpoint, perhaps on another host, by libtailgate. */
#ifndef TAILGATE_GATEWAY_GATE_CLIENT_H
#define TAILGATE_GATEWAY_GATE_CLIENT_H

#include <jansson.h>

#include "adapters/bridge/place.h"
#include "proto/buffer.h"

/* Which gateway: that of PLACE, or else the one at the endpoint GATE. */
struct gate_way {
    const struct place *place;
    const char *gate;
    const char *cert, *server_cert; /* with gate; NULL: none */
};

/* Asks the gateway of WAY for SERVICE with BODY ("": none); waits at most 2 s, or 10 s with GATE.
 * Returns its answer as JSON (the caller decrefs it) and as it came in RET_TEXT, or NULL: then
 * RET_WHY says in a sentence why there is none. *RET_RUNNING (may be NULL): some gateway holds the
 * lock, or somebody listens at GATE. */
json_t *gate_client_ask(const struct gate_way *way, const char *service, const char *body,
                        struct buffer *ret_text, struct buffer *ret_why, bool *ret_running);

#endif
