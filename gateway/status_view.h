/* The answer of the built-in service tailgate.status, shown to a person. */
#ifndef TAILGATE_GATEWAY_STATUS_VIEW_H
#define TAILGATE_GATEWAY_STATUS_VIEW_H

#include <jansson.h>

/* Prints STATUS, of a gateway or a relay (WIRE.md, "tailgate.status"), on stdout. Missing members
 * show as "-" or 0. */
void status_view_print(const json_t *status);

#endif
