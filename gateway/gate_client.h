/* Asking a running gateway for one of its built-in services, as a plain REQ client does. */
#ifndef TAILGATE_GATEWAY_GATE_CLIENT_H
#define TAILGATE_GATEWAY_GATE_CLIENT_H

#include <jansson.h>

#include "adapters/bridge/place.h"
#include "proto/buffer.h"

/* Finds the gateway of PLACE and asks it for SERVICE with BODY ("": none); waits at most 2 s.
 * Returns its answer as JSON (the caller decrefs it) and as it came in RET_TEXT, or NULL: then
 * RET_WHY says in a sentence why there is none. *RET_RUNNING (may be NULL): some gateway holds the
 * lock. */
json_t *gate_client_ask(const struct place *place, const char *service, const char *body,
                        struct buffer *ret_text, struct buffer *ret_why, bool *ret_running);

#endif
