#include "adapters/bridge/park.h"

#include "adapters/bridge/sql.h"

/* Whoever has been answered since the caller looked is not parked. */
static const char park_sql[] =
    "INSERT OR IGNORE INTO tailgate_parked(message_id) SELECT id FROM messages"
    " WHERE id = ?1 AND coalesce(read, 0) = 0";

static int park(sqlite3 *db, sqlite3_stmt *statement, int64_t *id, size_t count, size_t *ret_count)
{
    size_t kept = 0;
    int error = BRIDGE_OK;
    for (size_t i = 0; i < count && error == BRIDGE_OK; i++) {
        const struct sql_value value = sql_integer(id[i]);
        error = sql_run(statement, &value, 1);
        if (error == BRIDGE_OK && sqlite3_changes(db) == 1)
            id[kept++] = id[i];
    }
    *ret_count = kept;
    return error;
}

int park_rows(sqlite3 *db, int64_t *id, size_t count, size_t *ret_count)
{
    sqlite3_stmt *statement = NULL;
    int error = db_prepare(db, park_sql, &statement);
    if (error != BRIDGE_OK)
        return error;
    size_t kept = 0;
    error = sql_begin(db);
    if (error == BRIDGE_OK)
        error = sql_end(db, park(db, statement, id, count, &kept));
    sqlite3_finalize(statement);
    if (error == BRIDGE_OK)
        *ret_count = kept;
    return error;
}
