/* A connection to the bridge database, and SQLite's results in our words.
 *
 * What is seen to here: busy_timeout before any pragma; no journal_mode change (that is the
 * bridge's business, and `init`'s); mmap_size 0; synchronous=EXTRA, read back; our auto-checkpoint
 * off; the -wal file cut back when it is started over; an authorizer that denies reading
 * session_a_token and session_b_token unless a connection is opened to check or make tokens; no
 * statement left un-reset when the caller goes to sleep. */
#ifndef TAILGATE_ADAPTERS_BRIDGE_DB_H
#define TAILGATE_ADAPTERS_BRIDGE_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "adapters/bridge/place.h"

enum bridge_error {
    BRIDGE_OK = 0,
    BRIDGE_BUSY = -1,    /* somebody holds the lock: skip, try again later, never fatal */
    BRIDGE_FULL = -2,    /* disk full: keep what was to be written, try again later */
    BRIDGE_IO = -3,      /* an I/O error, fsync included: exit, restart, re-read */
    BRIDGE_CORRUPT = -4, /* CORRUPT: stop writing, delete nothing */
    BRIDGE_NOT_SQLITE = -5,
    BRIDGE_ABSENT = -6,  /* no such file, row or table */
    BRIDGE_REFUSED = -7, /* a constraint or trigger refused this row */
    BRIDGE_NEWER = -8,   /* our tables there are of a newer schema version */
    BRIDGE_FOREIGN = -9, /* an SQLite file that is not a bridge */
    BRIDGE_READ_ONLY = -10,
    BRIDGE_OTHER = -11 /* anything else; db_explain() has SQLite's words */
};

/* The one view through which a connection that is not a DB_MAKER may read the token columns:
 * temporary, made by who checks a token (session_ready()). */
#define DB_TOKEN_CHECK "tailgate_token_check"

enum db_role {
    DB_READER, /* query_only: tail, status, ask's waiting */
    DB_WRITER, /* committer, ask's insert */
    DB_MAKER   /* as DB_WRITER; may create the file and may touch the token columns: init, ask */
};

/* Opens PLACE's database (DB_READER and DB_WRITER never create it). BUSY_MS is how long one call
 * may wait for a lock inside SQLite, milliseconds; 0 on the network thread. Blocks at most that
 * long. Returns BRIDGE_OK and a connection that the caller closes with db_close(), or an error. */
int db_open(const struct place *place, enum db_role role, int busy_ms, sqlite3 **ret_db);
/* Closes, finalizing nothing: the owner of each statement has done so (asserted). NULL-safe. */
void db_close(sqlite3 **db);
/* Makes the close of DB leave the -wal file as it is, also when it is the last connection, which
 * would otherwise write it back into the database: for who only looks. */
void db_leave_wal(sqlite3 *db);
/* An SQLite result code (extended) as a bridge_error. */
int db_error(int sqlite_code);
/* A short text for an error of ours ("disk full", "database is locked", …). */
const char *db_error_text(int error);
/* SQLite's own words for the last failure on DB, borrowed until the next call on it. */
const char *db_explain(sqlite3 *db);
/* Runs SQL that returns no rows. */
int db_run(sqlite3 *db, const char *sql);
/* Prepares a statement that lives long (SQLITE_PREPARE_PERSISTENT); the caller finalizes it. */
int db_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret_statement);
/* The SQLite that runs here, as "3.40.1", and whether it is linked in (-DTAILGATE_SQLITE_SOURCE) or
 * the system's shared library. */
const char *db_sqlite_version(void);
bool db_sqlite_is_linked_in(void);
/* The size in bytes of the -wal file of the database file NAME; 0 when there is none. */
int64_t db_wal_size(const char *name);
/* True when no statement of DB is un-reset (an un-reset one pins the WAL). */
bool db_is_quiet(sqlite3 *db);
/* The pid that holds a write lock on the database according to /proc/locks, or 0 when unknown. */
long db_lock_holder(const struct place *place);

#endif
