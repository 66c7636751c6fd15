/* The handler that ZeroMQ asks whether a peer may connect (ZAP, RFC 27), on the thread of whoever
 * calls zap_run(): nothing but memory is looked at, and nothing waits. It knows CURVE only. While
 * it is there, a CURVE socket of its context lets in whom it allows; before and after, nobody. */
#ifndef TAILGATE_ADAPTERS_ZMQ_ZAP_H
#define TAILGATE_ADAPTERS_ZMQ_ZAP_H

#include <stdbool.h>

#include "adapters/zmq/cert.h"
#include "proto/span.h"

#define ZAP_AT_ONCE 100 /* requests that are answered in one turn */

/* Who asks to be let in; all is borrowed. */
struct zap_request {
    struct span domain;      /* of the socket: what it was bound with (curve.h) */
    struct span address;     /* the peer's, without its port */
    const char *fingerprint; /* of its key, which it has proven to have */
};

/* True: let it in; its messages then say the fingerprint (curve_sender()). */
typedef bool zap_allow_fn(void *context, const struct zap_request *request);

struct zap;

/* Binds the handler in the ZeroMQ CONTEXT, before any CURVE socket of it. NULL: errno says why. */
struct zap *zap_new(void *context);
/* Before the context ends. NULL-safe. */
void zap_destroy(struct zap **self);
/* The socket to poll (owned by the handler). */
void *zap_socket(const struct zap *self);
/* Answers what waits, ZAP_AT_ONCE at most; ALLOW decides. What is no request for CURVE is refused
 * without asking. Returns how many of those there were. */
size_t zap_run(struct zap *self, zap_allow_fn *allow, void *context);

#endif
