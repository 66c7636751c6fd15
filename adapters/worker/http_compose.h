/* What is posted for a query: the query itself, or a chat made of it. */
#ifndef TAILGATE_ADAPTERS_WORKER_HTTP_COMPOSE_H
#define TAILGATE_ADAPTERS_WORKER_HTTP_COMPOSE_H

#include "adapters/worker/http_setup.h"

/* Appends the body of the request for QUERY to RET_REQUEST, or else, to RET_REFUSAL, why no request
 * can be made of it. */
void http_compose(const struct http_terms *terms, struct span query, struct buffer *ret_request,
                  struct buffer *ret_refusal);

#endif
