/* What a caller of the library may name. */
#ifndef TAILGATE_ADAPTERS_C_CHECK_H
#define TAILGATE_ADAPTERS_C_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "adapters/zmq/curve.h"

/* True when ENDPOINT (may be NULL) is ipc:// or tcp:// and can be connected to by its form. */
bool check_endpoint(const char *endpoint);
/* True when TEXT (may be NULL) is 1 to LIMIT bytes of UTF-8 without control characters. */
bool check_text(const char *text, size_t limit);
/* Reads the certificates that an options struct names (may be NULL); false when they cannot be
 * used. */
bool check_certs(const char *cert, const char *server_cert, struct curve_client *ret_curve);
/* True for 1 to LIMIT bytes of a-z, 0-9 and -. */
bool check_word(const char *text, size_t limit);

#endif
