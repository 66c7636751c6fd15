#include "adapters/bridge/sql.h"

#include <assert.h>

#include "proto/utf8.h"

struct sql_value sql_null(void)
{
    return (struct sql_value){.type = SQL_NULL};
}

struct sql_value sql_integer(int64_t integer)
{
    return (struct sql_value){.type = SQL_INTEGER, .integer = integer};
}

struct sql_value sql_text(struct span text)
{
    return (struct sql_value){.type = SQL_TEXT, .text = text};
}

struct sql_value sql_blob(struct span bytes)
{
    return (struct sql_value){.type = SQL_BLOB, .text = bytes};
}

struct sql_value sql_text_or_null(struct span text)
{
    return text.size > 0 ? sql_text(text) : sql_null();
}

bool sql_is_clean(struct span text)
{
    if (text.size == 0)
        return true;
    return memchr(text.data, '\0', text.size) == NULL && utf8_valid(text);
}

static int bind_one(sqlite3_stmt *statement, int index, const struct sql_value *value)
{
    /* a NULL pointer would bind NULL where an empty text is meant */
    const char *data = value->text.size > 0 ? value->text.data : "";
    switch (value->type) {
    case SQL_INTEGER:
        return sqlite3_bind_int64(statement, index, value->integer);
    case SQL_TEXT:
        return sqlite3_bind_text64(statement, index, data, value->text.size, SQLITE_STATIC,
                                   SQLITE_UTF8);
    case SQL_BLOB:
        return sqlite3_bind_blob64(statement, index, data, value->text.size, SQLITE_STATIC);
    case SQL_NULL:
        break;
    }
    return sqlite3_bind_null(statement, index);
}

int sql_bind(sqlite3_stmt *statement, const struct sql_value *values, size_t count)
{
    assert((size_t)sqlite3_bind_parameter_count(statement) == count);
    for (size_t i = 0; i < count; i++) {
        int code = bind_one(statement, (int)i + 1, &values[i]);
        if (code != SQLITE_OK) {
            sqlite3_clear_bindings(statement);
            return db_error(code);
        }
    }
    return BRIDGE_OK;
}

int sql_step(sqlite3_stmt *statement, bool *ret_row)
{
    int code = sqlite3_step(statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return db_error(code);
    *ret_row = code == SQLITE_ROW;
    return BRIDGE_OK;
}

void sql_reset(sqlite3_stmt *statement)
{
    /* repeats the error of the step, which its caller has seen; the values stay bound, but nothing
     * looks at them before sql_bind() has set all of them again */
    sqlite3_reset(statement);
}

int sql_run(sqlite3_stmt *statement, const struct sql_value *values, size_t count)
{
    int error = sql_bind(statement, values, count);
    if (error != BRIDGE_OK)
        return error;
    bool row = true;
    while (error == BRIDGE_OK && row)
        error = sql_step(statement, &row);
    sql_reset(statement);
    return error;
}

struct span sql_span(sqlite3_value *value)
{
    int type = sqlite3_value_type(value);
    if (type == SQLITE_NULL)
        return span_of(NULL, 0);
    const void *data =
        type == SQLITE_BLOB ? sqlite3_value_blob(value) : (const void *)sqlite3_value_text(value);
    int size = sqlite3_value_bytes(value);
    return data ? span_of(data, (size_t)size) : span_of(NULL, 0);
}

struct span sql_column(sqlite3_stmt *statement, int column)
{
    return sql_span(sqlite3_column_value(statement, column));
}

int sql_begin(sqlite3 *db)
{
    return db_run(db, "BEGIN IMMEDIATE");
}

int sql_end(sqlite3 *db, int error)
{
    if (error == BRIDGE_OK)
        error = db_run(db, "COMMIT");
    if (error != BRIDGE_OK)
        sql_rollback(db);
    return error;
}

void sql_rollback(sqlite3 *db)
{
    /* after FULL, IOERR, NOMEM and some triggers SQLite has rolled back by itself */
    if (sqlite3_get_autocommit(db))
        return;
    (void)db_run(db, "ROLLBACK");
}
