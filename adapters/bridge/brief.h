/* Rows without their texts: enough to see which of them may still want an answer. */
#ifndef TAILGATE_ADAPTERS_BRIDGE_BRIEF_H
#define TAILGATE_ADAPTERS_BRIDGE_BRIEF_H

#include <stdint.h>

#include "adapters/bridge/db.h"
#include "proto/span.h"

struct brief {
    int64_t id;
    bool open; /* it is not read (0 or NULL), and addressed to the session that was asked for */
};

/* Reads the rows above AFTER up to UPTO, in id order, at most LIMIT of them, in one short read
 * transaction. Sets *ret_count. Returns a bridge_error. */
int brief_read(sqlite3 *db, int64_t after, int64_t upto, struct span session, size_t limit,
               struct brief *ret_brief, size_t *ret_count);

#endif
