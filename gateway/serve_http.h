/* `tailgate serve --http ADDR:PORT`: a `tailgate http --db DB --listen ADDR:PORT` of the gateway's
 * own. */
#ifndef TAILGATE_GATEWAY_SERVE_HTTP_H
#define TAILGATE_GATEWAY_SERVE_HTTP_H

#include "gateway/server.h"
#include "gateway/settings.h"

/* Checks what --http and its companions say. Returns as settings_parse(). */
int serve_http_check(const struct serve_options *options);
/* Prepares it in SERVER->helpers; the place must be known. Returns likewise. */
int serve_http_open(struct server *server, const struct serve_options *options);

#endif
