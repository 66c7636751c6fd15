/* How many queries one session may write: sliding windows of a minute, an hour and a day, as the
 * bridge's own programs have them (10, 100, 500). Pure: the time is a parameter.
 *
 *  R1. Exact: of the queries of the last WINDOW, at most its limit; the pause that is told is the
 *      time until the next one may be written, to the microsecond.
 *
 *  R2. Bounded: a session costs 8 bytes for each query that a window still holds, and there are at
 *      most RATE_SESSIONS sessions. One more: the one that was used the longest time ago is
 *      forgotten. A session whose queries have all been taken back is not kept at all, so that
 *      nobody pushes others out with tokens that the gateway does not know. */
#ifndef TAILGATE_GATEWAY_HTTP_RATE_H
#define TAILGATE_GATEWAY_HTTP_RATE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/span.h"

#define RATE_SESSIONS 10000

enum rate_window { RATE_MINUTE, RATE_HOUR, RATE_DAY, RATE_WINDOWS };

struct http_rate;

/* LIMIT: queries in each window; 0: no limit. SEED: a random number. */
struct http_rate *http_rate_new(const unsigned limit[RATE_WINDOWS], uint64_t seed);
void http_rate_destroy(struct http_rate **self);
/* Counts one query of the session that CONVERSATION and TOKEN are, at NOW_US (never less than
 * before). Returns 0; or the microseconds until it may be written, and counts nothing. */
int64_t http_rate_take(struct http_rate *self, struct span conversation, struct span token,
                       int64_t now_us);
/* Takes back what was counted at AT_US: nothing was written. */
void http_rate_return(struct http_rate *self, struct span conversation, struct span token,
                      int64_t at_us);
/* Sessions that are remembered. */
size_t http_rate_sessions(const struct http_rate *self);

#endif
