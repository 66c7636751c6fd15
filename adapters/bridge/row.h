/* The statements that bring rows of `messages`, and the row at which one of them stands: inside
 * adapters/bridge only, for tail.c. */
#ifndef TAILGATE_ADAPTERS_BRIDGE_ROW_H
#define TAILGATE_ADAPTERS_BRIDGE_ROW_H

#include "adapters/bridge/addressee.h"
#include "adapters/bridge/tail.h"

/* The rows above ?1 up to ?3 in id order, at most ?2 of them; of those above ?1 up to ?2 the ones
 * to session ?3 that are unread; and the row ?1. SENDERS: the file has our own table of them. */
const char *row_sql_above(bool senders);
const char *row_sql_unread(bool senders);
const char *row_sql_one(bool senders);
/* How many rows are above ?1, at most ?2, and the highest id of those. */
const char *row_sql_ahead(void);
/* The id of the row at which STATEMENT stands. */
int64_t row_id(sqlite3_stmt *statement);
/* The whole row, good until the next step or the next call. Returns a bridge_error. */
int row_take(sqlite3_stmt *statement, struct addressees *addressees, struct tail_row *ret_row);

#endif
