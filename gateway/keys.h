/* Whose keys get in: the allow-list of --curve DIR, looked at again and again, and the ZAP handler
 * that answers by it. It says in the log what changes and whom it refuses, and ends the connections
 * of keys that are not allowed any more. */
#ifndef TAILGATE_GATEWAY_KEYS_H
#define TAILGATE_GATEWAY_KEYS_H

#include <stdint.h>

#include "adapters/zmq/allow.h"
#include "adapters/zmq/events.h"
#include "adapters/zmq/gate.h"

struct keys;

/* Reads DIR/gateway.cert_secret and the allow-list in DIR (borrowed until the end), and binds the
 * handler in CONTEXT. NULL: RET_WHY is a sentence without full stop. */
struct keys *keys_new(const char *dir, void *context, char ret_why[CERT_WHY_SIZE]);
/* Behind all CURVE doors, before the context. NULL-safe. */
void keys_destroy(struct keys **self);
/* The list (owned by SELF), the gateway's secret key, keys refused so far. */
struct allow *keys_allow(struct keys *self);
const char *keys_secret(const struct keys *self);
uint64_t keys_refused(const struct keys *self);
/* What to poll: the handler's socket, and a descriptor (-1: none) that hints at changed files. */
void *keys_socket(const struct keys *self);
int keys_hint(const struct keys *self);
/* Answers who asks to be let in; looks at the files when it is time, or at a hint, and cuts whoever
 * is not allowed any more at GATE and EVENTS, and whose certificate there has changed; and lets in
 * anew who waits for a routing id. */
void keys_run(struct keys *self, int64_t now_us, struct gate *gate, struct events *events);
/* When keys_run() has something to do; INT64_MAX for no keys (NULL). */
int64_t keys_due(const struct keys *self);

#endif
