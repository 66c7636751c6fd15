/* The token file of tailgate-http: lines `ROLE TOKEN`, ROLE observer, client or operator, TOKEN 24
 * to 200 visible ASCII characters, # begins a comment. In memory there are keyed hashes only; they
 * are compared in constant time. */
#ifndef TAILGATE_GATEWAY_HTTP_TOKENS_H
#define TAILGATE_GATEWAY_HTTP_TOKENS_H

#include <stdbool.h>

#include "proto/span.h"

#define HTTP_TOKENS_MAX 64
#define HTTP_TOKENS_WHY_SIZE 256

struct http_tokens;

/* Reads the file. Returns 0; or -1, and in RET_WHY a sentence without full stop that names the
 * file. Others must be able neither to write nor to read it; a group may read it when it is
 * root's. libsodium must have been started. */
int http_tokens_new(const char *path, struct http_tokens **ret_tokens,
                    char ret_why[HTTP_TOKENS_WHY_SIZE]);
void http_tokens_destroy(struct http_tokens **self);
/* Reads the file again, if FORCED or if it looks changed. Returns 1 when it was read, 0 when it had
 * not changed; or -1 as above, once for each state of the file, and the tokens stay as they are. */
int http_tokens_refresh(struct http_tokens *self, bool forced, char ret_why[HTTP_TOKENS_WHY_SIZE]);
/* The roles (enum http_role, or-ed) of who says TOKEN; 0: nobody. */
unsigned http_tokens_roles(const struct http_tokens *self, struct span token);
size_t http_tokens_count(const struct http_tokens *self);

#endif
