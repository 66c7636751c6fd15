/* How often one session may ask: "10/100/500" in a minute, an hour and a day. */
#ifndef TAILGATE_GATEWAY_HTTP_LIMITS_H
#define TAILGATE_GATEWAY_HTTP_LIMITS_H

#include "gateway/http.h"

#define HTTP_LIMITS_DEFAULT "10/100/500" /* as the bridge's own writers have it */
#define HTTP_LIMITS_HELP "three numbers up to 1000000, as 10/100/500; 0 is any number"

/* Reads TEXT into the three limits of RET_LIMITS. Returns 0, or -1 and they are untouched. */
int http_limits_read(const char *text, struct http_limits *ret_limits);

#endif
