/* Rows that the low-water mark has passed and that are to be looked at again (tailgate_parked). The
 * gateway parks in the transaction that moves its mark (store.h); this is for `doctor`. */
#ifndef TAILGATE_ADAPTERS_BRIDGE_PARK_H
#define TAILGATE_ADAPTERS_BRIDGE_PARK_H

#include <stddef.h>

#include "adapters/bridge/db.h"

/* Parks those of the COUNT rows ID that are still unread, in one transaction. DB is a DB_WRITER,
 * our tables are there. ID is left with *ret_count rows: those that were not parked before. */
int park_rows(sqlite3 *db, int64_t *id, size_t count, size_t *ret_count);

#endif
