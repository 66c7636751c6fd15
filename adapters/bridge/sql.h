/* Small help for statements, used inside adapters/bridge only: values bound in one go, and
 * statements that are always reset before anybody can sleep on them. */
#ifndef TAILGATE_ADAPTERS_BRIDGE_SQL_H
#define TAILGATE_ADAPTERS_BRIDGE_SQL_H

#include <stdint.h>

#include "adapters/bridge/db.h"
#include "proto/span.h"

/* True when the conversation whose expires_at is COLUMN still lives at the stamp NOW. The bridge's
 * stamps sort as text; a blank between date and time, which Python's fromisoformat() takes as well,
 * is made a T first. What Python could not read at all is compared as the text it is: an empty or
 * NULL value is over, a word is not. The column is never a reason to lose an answer that exists.
 * As a blank sorts before a T, what is later as it is needs no replace(), which costs an
 * allocation. */
#define SQL_LIVE(column, now)                                                                      \
    "(CAST(" column " AS TEXT) > " now " OR replace(" column ", ' ', 'T') > " now ")"

enum sql_type { SQL_NULL, SQL_INTEGER, SQL_TEXT, SQL_BLOB };

struct sql_value {
    enum sql_type type;
    int64_t integer;  /* SQL_INTEGER */
    struct span text; /* SQL_TEXT, SQL_BLOB: borrowed until the statement is reset */
};

struct sql_value sql_null(void);
struct sql_value sql_integer(int64_t integer);
struct sql_value sql_text(struct span text);
struct sql_value sql_blob(struct span bytes);
/* TEXT, or NULL when it is empty. */
struct sql_value sql_text_or_null(struct span text);

/* True when TEXT may be bound as text that the bridge will read: valid UTF-8 and no NUL in it. One
 * such row that is not would make the bridge's fetch fail for ever. */
bool sql_is_clean(struct span text);

/* Binds COUNT values from parameter 1 on. */
int sql_bind(sqlite3_stmt *statement, const struct sql_value *values, size_t count);
/* Steps once: BRIDGE_OK with *ret_row telling whether there is a row, or an error. */
int sql_step(sqlite3_stmt *statement, bool *ret_row);
/* Resets; what the bound values point to may go now. */
void sql_reset(sqlite3_stmt *statement);
/* Binds, runs to the end (rows are passed over) and resets. */
int sql_run(sqlite3_stmt *statement, const struct sql_value *values, size_t count);
/* Column COLUMN as bytes, valid until the next step or reset: text and blobs as they are, numbers
 * as text, NULL as the empty span. */
struct span sql_column(sqlite3_stmt *statement, int column);
/* The same of a column that sqlite3_column_value() gave. As no connection is shared between threads
 * (SQLITE_OPEN_NOMUTEX), such a value may be looked at, which is cheaper than to ask the statement
 * for each of its parts. */
struct span sql_span(sqlite3_value *value);

/* BEGIN IMMEDIATE: a plain BEGIN that is upgraded later gets BUSY_SNAPSHOT at once. */
int sql_begin(sqlite3 *db);
/* COMMIT when ERROR is BRIDGE_OK, else ROLLBACK; returns the first error. After it no transaction
 * is open. */
int sql_end(sqlite3 *db, int error);
/* ROLLBACK where SQLite has not already done so. */
void sql_rollback(sqlite3 *db);

#endif
