/* The status as Prometheus' text (/metrics), without the helper's server. */
#ifndef TAILGATE_GATEWAY_HTTP_METRICS_H
#define TAILGATE_GATEWAY_HTTP_METRICS_H

#include <jansson.h>

#include "gateway/http.h"
#include "proto/buffer.h"

#define HTTP_METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Appends STATUS, the answer of tailgate.status by a gateway or a relay of this or another version,
 * NULL when there was none, and what the helper says of itself (OWN, may be NULL). What is missing
 * or of another type is left out; any STATUS gives valid text. No ids, no conversations. */
void http_metrics_text(const json_t *status, const struct http_own *own, struct buffer *ret_text);

/* Parts of that, in files of their own. */
void http_metrics_rows(const json_t *status, struct buffer *ret_text);
void http_metrics_counters(const json_t *status, struct buffer *ret_text);
void http_metrics_own(const struct http_own *own, struct buffer *ret_text);

#endif
