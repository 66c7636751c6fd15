/* Where a time begins in messages. */
#ifndef TAILGATE_ADAPTERS_BRIDGE_SINCE_H
#define TAILGATE_ADAPTERS_BRIDGE_SINCE_H

#include <stdint.h>

#include "adapters/bridge/db.h"
#include "proto/span.h"

/* Sets *ret_after so that the rows above it are those from the first one on whose timestamp is not
 * earlier than STAMP (proto/stamp.h), as far as timestamps rise with ids: there is no index, so it
 * looks at about sixty rows, each in a short read of its own. BRIDGE_BUSY: try again. */
int since_find(sqlite3 *db, struct span stamp, int64_t *ret_after);

#endif
