/* `tailgate serve --work WORDS`: the gateway's own workers, as `tailgate work --db DB WORDS`. */
#ifndef TAILGATE_GATEWAY_SERVE_WORK_H
#define TAILGATE_GATEWAY_SERVE_WORK_H

#include "gateway/server.h"
#include "gateway/settings.h"

/* Checks what --work says. Returns as settings_parse(). */
int serve_work_check(const struct serve_options *options);
/* Prepares them in SERVER->helpers; the place must be known. Returns likewise. */
int serve_work_open(struct server *server, const struct serve_options *options);

#endif
