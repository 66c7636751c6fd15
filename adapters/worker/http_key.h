/* The key with which the adapter http names itself to its server. It is in the Authorization header
 * and nowhere else: whatever text leaves the adapter is masked first, for servers repeat a key that
 * they refuse. */
#ifndef TAILGATE_ADAPTERS_WORKER_HTTP_KEY_H
#define TAILGATE_ADAPTERS_WORKER_HTTP_KEY_H

#include "adapters/worker/adapter.h"
#include "proto/buffer.h"

#define HTTP_KEY_MAX 4096
/* A shorter one is no secret ("none", "EMPTY", "ollama"): masking it would only harm answers. */
#define HTTP_KEY_SECRET 8

struct http_key {
    char text[HTTP_KEY_MAX + 1]; /* printable ASCII without blanks */
    size_t size;                 /* 0: there is no key */
};

/* Reads the key that SETUP names; none is fine. Returns 0, or -1 and why, which does not show it.
 */
int http_key_read(const struct adapter_setup *setup, struct http_key *ret_key,
                  char ret_why[ADAPTER_WHY]);
/* Overwrites it. */
void http_key_clear(struct http_key *self);
/* Appends TEXT with "[key]" in place of the key, also where it is written with JSON's backslashes.
 * Returns how much of TEXT that is: all of it, or, when more text FOLLOWS, without an end that may
 * be the key's beginning. */
size_t http_key_mask(const struct http_key *self, struct span text, bool follows,
                     struct buffer *ret_text);

#endif
