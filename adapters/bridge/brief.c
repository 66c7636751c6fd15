#include "adapters/bridge/brief.h"

#include "adapters/bridge/sql.h"

static const char sql[] =
    "SELECT id, coalesce(read, 0) = 0 AND CAST(to_session AS TEXT) = ?4 FROM messages"
    " WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3";

int brief_read(sqlite3 *db, int64_t after, int64_t upto, struct span session, size_t limit,
               struct brief *ret_brief, size_t *ret_count)
{
    const struct sql_value values[] = {sql_integer(after), sql_integer(upto),
                                       sql_integer((int64_t)limit), sql_text(session)};
    sqlite3_stmt *statement = NULL;
    size_t count = 0;
    bool row = false;
    int error = db_prepare(db, sql, &statement);

    if (error != BRIDGE_OK)
        return error;
    error = sql_bind(statement, values, sizeof values / sizeof values[0]);
    if (error == BRIDGE_OK)
        error = sql_step(statement, &row);
    while (error == BRIDGE_OK && row) {
        ret_brief[count].id = sqlite3_column_int64(statement, 0);
        ret_brief[count++].open = sqlite3_column_int(statement, 1) != 0;
        error = sql_step(statement, &row);
    }
    sqlite3_finalize(statement);
    if (error != BRIDGE_OK)
        return error;
    *ret_count = count;
    return BRIDGE_OK;
}
