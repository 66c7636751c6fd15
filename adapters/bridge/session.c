#include "adapters/bridge/session.h"

#include <sodium.h>

#include "adapters/bridge/sql.h"
#include "proto/stamp.h"

const char session_sql[] = "SELECT t.token_a, t.token_b, coalesce(" SQL_LIVE(
    "t.expires_at",
    "?2") ", 0), t.session_a_role, t.session_b_role, t.expires_at FROM " DB_TOKEN_CHECK
          " t WHERE t.id = ?1";

int session_ready(sqlite3 *db)
{
    /* a reader may write nothing else, not even what is temporary */
    sqlite3_stmt *statement = NULL;
    bool row = false, reads_only = false;
    int error = db_prepare(db, "PRAGMA query_only", &statement);
    if (error == BRIDGE_OK)
        error = sql_step(statement, &row);
    reads_only = row && sqlite3_column_int(statement, 0) != 0;
    sqlite3_finalize(statement);
    if (error == BRIDGE_OK && reads_only)
        error = db_run(db, "PRAGMA query_only=0");
    if (error == BRIDGE_OK)
        error = db_run(db, "CREATE TEMP VIEW IF NOT EXISTS " DB_TOKEN_CHECK
                           " AS SELECT id, session_a_token AS token_a, session_b_token AS token_b,"
                           " session_a_role, session_b_role, expires_at FROM main.conversations");
    if (reads_only) {
        int again = db_run(db, "PRAGMA query_only=1");
        error = error == BRIDGE_OK ? again : error;
    }
    return error;
}

static bool is_equal(struct span stored, struct span given)
{
    return stored.size > 0 && stored.size == given.size &&
           sodium_memcmp(stored.data, given.data, stored.size) == 0;
}

static void take(sqlite3_stmt *row, struct span token, struct session *ret_session)
{
    bool is_a = is_equal(sql_column(row, 0), token), is_b = is_equal(sql_column(row, 1), token);
    struct span role = sql_column(row, is_a ? 4 : 3), expires_at = sql_column(row, 5);

    if (!is_a && !is_b) {
        ret_session->state = SESSION_WRONG;
        return;
    }
    ret_session->state = sqlite3_column_int(row, 2) ? SESSION_LIVE : SESSION_OVER;
    ret_session->name[0] = is_a ? 'a' : 'b';
    ret_session->other[0] = is_a ? 'b' : 'a';
    if (role.size && role.size < sizeof ret_session->role)
        memcpy(ret_session->role, role.data, role.size);
    if (expires_at.size < sizeof ret_session->expires_at)
        memcpy(ret_session->expires_at, expires_at.data, expires_at.size);
}

int session_run(sqlite3_stmt *statement, struct span conversation_id, struct span token,
                struct span now, struct session *ret_session)
{
    const struct sql_value values[] = {sql_text(conversation_id), sql_text(now)};
    struct session session = {.state = SESSION_ABSENT};
    bool row = false;
    int error = sql_bind(statement, values, 2);
    if (error == BRIDGE_OK)
        error = sql_step(statement, &row);
    if (error == BRIDGE_OK && row)
        take(statement, token, &session);
    sql_reset(statement);
    if (error == BRIDGE_OK)
        *ret_session = session;
    return error;
}

int session_check(sqlite3 *db, struct span conversation_id, struct span token, int64_t now_us,
                  struct session *ret_session)
{
    char now[STAMP_SIZE];
    sqlite3_stmt *statement = NULL;
    int error = db_prepare(db, session_sql, &statement);
    if (error != BRIDGE_OK)
        return error;
    stamp_format(now_us, now);
    error = session_run(statement, conversation_id, token, span_str(now), ret_session);
    sqlite3_finalize(statement);
    return error;
}
