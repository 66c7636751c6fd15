#include "adapters/bridge/answered.h"

#include <inttypes.h>
#include <stdio.h>

#include "adapters/bridge/sql.h"
#include "adapters/host/clock.h"

/* One row for each of those that may be it, so that who steps can stop between two: others may have
 * put there what takes long to read. Whether it is text that a reply of ours has is found out
 * before it is taken for JSON. */
static const char find_sql[] =
    "SELECT id, typeof(metadata) = 'text' AND instr(metadata, ?5) > 0"
    " AND CASE WHEN json_valid(metadata) THEN json_extract(metadata, '$.in_reply_to') = ?6 END"
    " FROM messages WHERE id > ?1 AND id <= ?2 AND conversation_id = ?3 AND from_session = ?4"
    " ORDER BY id";

static int look(sqlite3_stmt *statement, int64_t until_us, int64_t *ret_id, int64_t *upto)
{
    bool row = false;
    int error = sql_step(statement, &row);

    *ret_id = 0;
    while (error == BRIDGE_OK && row) {
        int64_t id = sqlite3_column_int64(statement, 0);
        bool found = sqlite3_column_int(statement, 1) != 0;
        if (found)
            *ret_id = id;
        if (found || clock_mono_us() >= until_us) {
            *upto = id;
            break;
        }
        error = sql_step(statement, &row);
    }
    return error;
}

int answered_find(sqlite3 *db, int64_t message_id, struct span conversation_id, struct span from,
                  int64_t after, int64_t until_us, int64_t *ret_id, int64_t *upto)
{
    char said[48];
    sqlite3_stmt *statement = NULL;
    int error = db_prepare(db, find_sql, &statement);
    if (error != BRIDGE_OK)
        return error;
    snprintf(said, sizeof said, "\"in_reply_to\":%" PRId64, message_id);
    const struct sql_value values[] = {
        sql_integer(after), sql_integer(*upto),       sql_text(conversation_id),
        sql_text(from),     sql_text(span_str(said)), sql_integer(message_id),
    };
    error = sql_bind(statement, values, 6);
    if (error == BRIDGE_OK)
        error = look(statement, until_us, ret_id, upto);
    sqlite3_finalize(statement);
    return error;
}
