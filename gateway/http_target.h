/* What a request asks for, read: "/v1/conversations/conv_1/events?after=7" as parts and pairs.
 * Every part, name and value is decoded (%41) by itself, so that a %2F is a character of its part.
 */
#ifndef TAILGATE_GATEWAY_HTTP_TARGET_H
#define TAILGATE_GATEWAY_HTTP_TARGET_H

#include <stdbool.h>

#include "proto/span.h"

#define HTTP_TARGET_MAX 8192 /* bytes, as sent */
#define HTTP_PARTS_MAX 8
#define HTTP_PAIRS_MAX 16

struct http_pair {
    struct span name, value;
};

struct http_target {
    char *storage;
    size_t parts, pairs;
    struct span part[HTTP_PARTS_MAX]; /* of "/" one, empty */
    struct http_pair pair[HTTP_PAIRS_MAX];
};

/* Reads RAW. Returns 0, or -1 when it is no path, has more than the above, a % that is none, or
 * what is decoded is not UTF-8 or has control characters. http_target_done() in both cases. */
int http_target_read(struct http_target *self, struct span raw);
void http_target_done(struct http_target *self);
/* True when it is like PATTERN, "/v1/conversations/{}/events", where {} is any part but an empty
 * one; these go to RET_PLACE of HTTP_PARTS_MAX (may be NULL). */
bool http_target_matches(const struct http_target *self, const char *pattern,
                         struct span *ret_place);
/* The value of the first pair NAME; "" when there is none, which *RET_THERE (may be NULL) tells. */
struct span http_target_query(const struct http_target *self, const char *name, bool *ret_there);

#endif
