/* Where the adapter http posts to. */
#ifndef TAILGATE_ADAPTERS_WORKER_HTTP_URL_H
#define TAILGATE_ADAPTERS_WORKER_HTTP_URL_H

#include "adapters/worker/adapter.h"

#define HTTP_URL_PLACE 270 /* bytes of "host:port", with its NUL */

struct http_url {
    char *url;                  /* whole; owned */
    char place[HTTP_URL_PLACE]; /* "host:port", for people */
    bool loopback;              /* this machine: "localhost" and its addresses */
    bool tls;                   /* https */
};

/* Reads TARGET: http or https, with a host, without a user or password. With CHAT, what ends in /v1
 * gets /chat/completions behind it. Returns 0; or -1 and why, and there is nothing to free. */
int http_url_read(const char *target, bool chat, struct http_url *ret_url,
                  char ret_why[ADAPTER_WHY]);
void http_url_done(struct http_url *self);
/* Writes the host of URL; "" when there is none to be seen. */
void http_url_host(const char *url, char *ret_host, size_t room);

#endif
