#include "gateway/doctor_trial.h"

#include <stdio.h>

#include "adapters/host/clock.h"

#define STEPS_AT_ONCE 100 /* of SQLite's virtual machine, between looks at the clock */
#define TRIAL_MOST_US 1000000
#define VALUE_MOST (1 << 20)
#define PAGES "PRAGMA max_page_count=2000"

/* Tables before what hangs on them; shadow tables of virtual ones are made by these. */
static const char schema_sql[] =
    "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    " ORDER BY CASE type WHEN 'table' THEN 0 WHEN 'view' THEN 1 WHEN 'index' THEN 2 ELSE 3 END,"
    " rowid LIMIT 1000";

/* As the bridge's send and our commit write them (store_reply.c): twice, for what has to be unique.
 */
static const char *const write_sql[] = {
    "INSERT INTO conversations(id, session_a_role, session_b_role, session_a_token,"
    " session_b_token, created_at, expires_at) VALUES('conv_0', 'a', 'b', 'x', 'y',"
    " '2030-01-01T00:00:00', '2040-01-01T00:00:00')",
    "INSERT INTO messages(conversation_id, from_session, to_session, message, timestamp)"
    " VALUES('conv_0', 'a', 'b', '{\"type\":\"query\",\"question\":\"?\"}', '2030-01-01T00:00:00')",
    "UPDATE messages SET read = 1 WHERE id = 1",
    "INSERT INTO messages(conversation_id, from_session, to_session, message, metadata, timestamp)"
    " VALUES('conv_0', 'b', 'a', '{\"type\":\"response\",\"answer\":\"!\"}', '{}',"
    " '2030-01-01T00:00:01')",
    "INSERT INTO messages(conversation_id, from_session, to_session, message, metadata, timestamp)"
    " VALUES('conv_0', 'b', 'a', '{\"type\":\"response\",\"answer\":\"!\"}', '{}',"
    " '2030-01-01T00:00:01')",
    "INSERT INTO audit_log(conversation_id, session_id, action, details, timestamp)"
    " VALUES('conv_0', 'b', 'send_message', '{}', '2030-01-01T00:00:01')",
    "INSERT INTO audit_log(conversation_id, session_id, action, details, timestamp)"
    " VALUES('conv_0', 'b', 'send_message', '{}', '2030-01-01T00:00:01')",
};

/* Steps alone would be no bound: a single one may make and search a large value. */
static int is_over(void *context)
{
    const int64_t *until_us = context;
    return clock_mono_us() >= *until_us;
}

/* Of what stands behind a first statement SQLite itself, which reads the same texts from the file,
 * takes no notice; run here, it could name other files. */
static void run_first(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *first = NULL;
    if (db_prepare(db, sql, &first) != BRIDGE_OK)
        return;
    while (sqlite3_step(first) == SQLITE_ROW)
        continue;
    sqlite3_finalize(first);
}

/* Whatever of the schema cannot be made here is missed by what needs it. */
static int copy_schema(sqlite3 *from, sqlite3 *to)
{
    sqlite3_stmt *row = NULL;
    int error = db_prepare(from, schema_sql, &row);
    if (error)
        return error;
    int code;
    while ((code = sqlite3_step(row)) == SQLITE_ROW) {
        const char *sql = (const char *)sqlite3_column_text(row, 0);
        if (sql)
            run_first(to, sql);
    }
    sqlite3_finalize(row);
    return code == SQLITE_DONE ? BRIDGE_OK : db_error(code);
}

int doctor_trial_reply(sqlite3 *db, char ret_why[DOCTOR_WHY_SIZE])
{
    sqlite3 *copy = NULL;
    int64_t until_us = clock_mono_us() + TRIAL_MOST_US;
    int error = db_error(sqlite3_open(":memory:", &copy));
    if (!error) {
        sqlite3_db_config(copy, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
        sqlite3_limit(copy, SQLITE_LIMIT_LENGTH, VALUE_MOST);
        sqlite3_limit(copy, SQLITE_LIMIT_ATTACHED, 0); /* nor does VACUUM INTO work then */
        sqlite3_progress_handler(copy, STEPS_AT_ONCE, is_over, &until_us);
        error = db_run(copy, PAGES);
    }
    if (!error)
        error = copy_schema(db, copy);
    for (size_t i = 0; i < sizeof write_sql / sizeof write_sql[0] && !error; i++) {
        if (db_run(copy, write_sql[i]) == BRIDGE_OK)
            continue;
        snprintf(ret_why, DOCTOR_WHY_SIZE, "%s", db_explain(copy));
        error = BRIDGE_REFUSED;
    }
    sqlite3_close(copy);
    return error;
}
