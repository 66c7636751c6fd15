/* The names of services that a gate answers itself. */
#ifndef TAILGATE_GATEWAY_BUILTIN_NAME_H
#define TAILGATE_GATEWAY_BUILTIN_NAME_H

#include "proto/span.h"

/* True when NAME is in the gate's own names: "mmi.", "titanic.", "tailgate.". */
bool builtin_is_name(struct span name);

#endif
