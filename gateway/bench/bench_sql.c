/* The little SQLite that roles need. */
#include "gateway/bench/bench_site.h"

sqlite3 *bench_open(const char *file)
{
    sqlite3 *db = NULL;

    if (sqlite3_open_v2(file, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK) {
        bench_fail("%s: %s", file, sqlite3_errmsg(db));
        sqlite3_close(db);
        return NULL;
    }
    sqlite3_busy_timeout(db, 10000);
    return db;
}

sqlite3_stmt *bench_prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;

    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) != SQLITE_OK)
        bench_fail("%s: %s", sql, sqlite3_errmsg(db));
    return statement;
}

int bench_run_sql(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
        return 0;
    return bench_fail("%s: %s", sql, sqlite3_errmsg(db));
}

int bench_number(sqlite3 *db, const char *sql, int64_t *ret_number)
{
    sqlite3_stmt *statement = bench_prepare(db, sql);
    int code = -1;

    if (!statement)
        return -1;
    if (sqlite3_step(statement) == SQLITE_ROW) {
        *ret_number = sqlite3_column_int64(statement, 0);
        code = 0;
    } else
        bench_fail("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_finalize(statement);
    return code;
}
