/* A query of this gateway as a row of another bridge: its text and metadata there, redacted as any
 * writer's, and where it comes from. */
#ifndef TAILGATE_ADAPTERS_WORKER_BRIDGE_QUERY_H
#define TAILGATE_ADAPTERS_WORKER_BRIDGE_QUERY_H

#include "adapters/bridge/forward.h"
#include "adapters/text/redact.h"
#include "proto/buffer.h"

#define BRIDGE_QUERY_CHAIN 16 /* bridges that a query may have been in */

struct bridge_query {
    char bridge[BRIDGE_ID_SIZE]; /* where it comes from */
    int64_t message_id;
    struct buffer conversation, service;
    struct buffer text, metadata;
    struct buffer query_id; /* that an answer may repeat, decoded; empty: none */
    bool plain;             /* it is a question in plain text, and known by its row: "m<id>" */
    bool redacted;
    char through[BRIDGE_QUERY_CHAIN + 1][BRIDGE_ID_SIZE];
    size_t through_count;
};

void bridge_query_init(struct bridge_query *self);
void bridge_query_done(struct bridge_query *self);
/* Reads the object JSON that a gateway gives its workers. Returns NULL, or what keeps it from being
 * asked in another bridge; *ret_final: and always will. */
const char *bridge_query_read(struct bridge_query *self, struct span json, struct redact *redact,
                              bool *ret_final);
/* The same as forward_put() wants it; borrows SELF. */
struct forward_query bridge_query_forward(const struct bridge_query *self);

#endif
