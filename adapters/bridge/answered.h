/* The reply to a query, where nobody remembers its row: no table has an index for that. */
#ifndef TAILGATE_ADAPTERS_BRIDGE_ANSWERED_H
#define TAILGATE_ADAPTERS_BRIDGE_ANSWERED_H

#include <stdint.h>

#include "adapters/bridge/db.h"
#include "proto/span.h"

/* The first row above AFTER up to *UPTO that says it is the reply to MESSAGE_ID, in the same
 * conversation and from the session that was asked; *ret_id is 0 when there is none. *UPTO becomes
 * the last row that was looked at: the reply's, or the one behind which it was UNTIL_US (monotonic)
 * already. One short read of as many rows as lie between; both are undefined after an error. */
int answered_find(sqlite3 *db, int64_t message_id, struct span conversation_id, struct span from,
                  int64_t after, int64_t until_us, int64_t *ret_id, int64_t *upto);

#endif
