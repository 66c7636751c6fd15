#include "adapters/bridge/since.h"

#include "adapters/bridge/sql.h"

struct row {
    bool there;
    int64_t id;
    bool reached; /* its timestamp is not earlier */
};

/* The first row from FROM on. */
static int look(sqlite3_stmt *statement, int64_t from, struct span stamp, struct row *ret_row)
{
    const struct sql_value value[] = {sql_integer(from), sql_text(stamp)};
    int error = sql_bind(statement, value, 2);

    if (error == BRIDGE_OK)
        error = sql_step(statement, &ret_row->there);
    if (error == BRIDGE_OK && ret_row->there) {
        ret_row->id = sqlite3_column_int64(statement, 0);
        ret_row->reached = sqlite3_column_int(statement, 1) != 0;
    }
    sql_reset(statement);
    return error;
}

static int highest(sqlite3 *db, int64_t *ret_id)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    int error = db_prepare(db, "SELECT coalesce(max(id), 0) FROM messages", &statement);

    if (error == BRIDGE_OK)
        error = sql_step(statement, &row);
    if (error == BRIDGE_OK && row)
        *ret_id = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return error;
}

int since_find(sqlite3 *db, struct span stamp, int64_t *ret_after)
{
    /* Rows up to BELOW are earlier; the first one from REACHED on is not, or there is none. */
    int64_t below = 0, reached = 0;
    sqlite3_stmt *statement = NULL;
    struct row row;
    int error = highest(db, &reached);

    reached++;
    if (error == BRIDGE_OK)
        error = db_prepare(db,
                           "SELECT id, replace(timestamp, ' ', 'T') >= ?2 FROM messages"
                           " WHERE id >= ?1 ORDER BY id LIMIT 1",
                           &statement);
    while (error == BRIDGE_OK && below + 1 < reached) {
        int64_t middle = below + (reached - below) / 2;
        error = look(statement, middle, stamp, &row);
        if (error != BRIDGE_OK)
            break;
        if (!row.there || row.id >= reached || row.reached)
            reached = middle;
        else
            below = row.id;
    }
    sqlite3_finalize(statement);
    if (error == BRIDGE_OK)
        *ret_after = below;
    return error;
}
