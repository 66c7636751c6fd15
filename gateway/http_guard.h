/* Against pages of other sites in the browser of somebody who can reach us: a name of theirs that
 * resolves to our address (DNS rebinding) shows in Host, and a form of theirs in Origin. */
#ifndef TAILGATE_GATEWAY_HTTP_GUARD_H
#define TAILGATE_GATEWAY_HTTP_GUARD_H

#include <stdbool.h>

#include "proto/span.h"

/* True when HOST, "NAME" or "NAME:PORT", names this computer as only somebody on it would:
 * localhost, 127.x.y.z, [::1], or OWN, the address that we listen at (without brackets; may be
 * ""). */
bool http_guard_host(struct span host, const char *own);
/* True when ORIGIN, "http://NAME:PORT" or with https, is of the host HOST. */
bool http_guard_origin(struct span origin, struct span host);
/* True when the media type of the Content-Type TYPE is application/json. */
bool http_guard_json(struct span type);

#endif
