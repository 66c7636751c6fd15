/* What a bridge's file shows by itself, without a gateway to ask. */
#ifndef TAILGATE_GATEWAY_STATUS_FILE_H
#define TAILGATE_GATEWAY_STATUS_FILE_H

#include <stdint.h>

#include "adapters/bridge/db.h"
#include "proto/buffer.h"
#include "proto/limits.h"

/* Told apart; what is beyond is counted under the last one, "...". */
#define STATUS_FILE_SERVICES 1000

/* Unread queries in live conversations that one service is to answer. */
struct status_unread {
    char service[LIMIT_SERVICE + 1];
    int64_t queries;
    double oldest_seconds; /* negative: no readable timestamp */
};

struct status_file {
    int64_t messages, replies; /* rows; those that Tailgate committed */
    int64_t live, expired;     /* conversations */
    int64_t other_unread;      /* unread rows that no worker is to answer */
    struct status_unread *unread;
    size_t services;
};

/* Reads PLACE's database. It looks at every message once: a person asked. Returns BRIDGE_OK and a
 * view that status_file_done() frees, or an error. */
int status_file_read(const struct place *place, int64_t now_us, struct status_file *ret_view);
void status_file_done(struct status_file *self);
/* Appends it as a JSON object, or prints it on stdout for a person. */
void status_file_json(const struct status_file *self, const struct place *place,
                      struct buffer *ret_json);
void status_file_print(const struct status_file *self);

#endif
