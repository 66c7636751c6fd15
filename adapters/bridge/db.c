#include "adapters/bridge/db.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "adapters/bridge/locks.h"

/* What is left of the -wal file when one of our commits starts it over. Above what a group of the
 * committer needs, so that in steady state nothing is cut; this, and no TRUNCATE checkpoint, is how
 * a file that somebody's long reading let grow becomes small again. */
#define WAL_SIZE_KEPT "8388608"
#define SPILL_PAGES "2000"

#ifdef TAILGATE_SQLITE_LINKED
static const bool is_linked_in = true;
#else
static const bool is_linked_in = false;
#endif

int db_error(int sqlite_code)
{
    if (sqlite_code == SQLITE_IOERR_NOMEM)
        return BRIDGE_OTHER;
    switch (sqlite_code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return BRIDGE_OK;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL: /* lost the race for a WAL read lock a hundred times: passes like BUSY */
        return BRIDGE_BUSY;
    case SQLITE_FULL:
        return BRIDGE_FULL;
    case SQLITE_IOERR:
        return BRIDGE_IO;
    case SQLITE_CORRUPT:
        return BRIDGE_CORRUPT;
    case SQLITE_NOTADB:
        return BRIDGE_NOT_SQLITE;
    case SQLITE_CONSTRAINT:
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH:
        return BRIDGE_REFUSED;
    case SQLITE_READONLY:
        return BRIDGE_READ_ONLY;
    default:
        return BRIDGE_OTHER;
    }
}

const char *db_error_text(int error)
{
    switch (error) {
    case BRIDGE_OK:
        return "ok";
    case BRIDGE_BUSY:
        return "database is locked";
    case BRIDGE_FULL:
        return "disk full";
    case BRIDGE_IO:
        return "I/O error";
    case BRIDGE_CORRUPT:
        return "database is corrupt";
    case BRIDGE_NOT_SQLITE:
        return "not an SQLite database";
    case BRIDGE_ABSENT:
        return "not there";
    case BRIDGE_REFUSED:
        return "refused by a constraint";
    case BRIDGE_NEWER:
        return "written by a newer Tailgate";
    case BRIDGE_FOREIGN:
        return "not a bridge";
    case BRIDGE_READ_ONLY:
        return "read-only";
    default:
        return "database error";
    }
}

const char *db_explain(sqlite3 *db)
{
    return db ? sqlite3_errmsg(db) : "out of memory";
}

/* Nobody who only tails or commits has a reason to see a session's token, but for the check of one
 * that a client names, which goes through a view of its own. */
static int deny_tokens(void *unused, int action, const char *table, const char *column,
                       const char *schema, const char *trigger)
{
    (void)unused, (void)schema;
    if (trigger && strcmp(trigger, DB_TOKEN_CHECK) == 0)
        return SQLITE_OK;
    if (action != SQLITE_READ || !table || !column)
        return SQLITE_OK;
    if (sqlite3_stricmp(table, "conversations") != 0)
        return SQLITE_OK;
    bool token = sqlite3_stricmp(column, "session_a_token") == 0 ||
                 sqlite3_stricmp(column, "session_b_token") == 0;
    return token ? SQLITE_DENY : SQLITE_OK;
}

/* A COMMIT that returned must have been fsynced (invariant I3); read back, not believed. */
static int require_full_sync(sqlite3 *db)
{
    int error = db_run(db, "PRAGMA synchronous=EXTRA");
    if (error != BRIDGE_OK)
        return error;
    sqlite3_stmt *statement = NULL;
    error = db_prepare(db, "PRAGMA synchronous", &statement);
    if (error != BRIDGE_OK)
        return error;
    int code = sqlite3_step(statement);
    if (code != SQLITE_ROW)
        error = code == SQLITE_DONE ? BRIDGE_OTHER : db_error(code);
    else if (sqlite3_column_int(statement, 0) != 3)
        error = BRIDGE_OTHER;
    sqlite3_finalize(statement);
    return error;
}

/* The pragma answers with a row, and is a statement about this connection alone. */
static int limit_wal(sqlite3 *db)
{
    return db_run(db, "PRAGMA journal_size_limit=" WAL_SIZE_KEPT);
}

/* What a large group changes stays in memory until its COMMIT, up to so many pages: the first page
 * that is written after a checkpoint costs a sync, which would come amid the statements. */
static int keep_until_commit(sqlite3 *db)
{
    return db_run(db, "PRAGMA cache_spill=" SPILL_PAGES);
}

/* busy_timeout comes before the first pragma: one of them may need the lock already. */
static int set_up(sqlite3 *db, enum db_role role, int busy_ms)
{
    sqlite3_busy_timeout(db, busy_ms);
    sqlite3_wal_autocheckpoint(db, 0);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    /* the file is somebody else's: what stands in its schema may not reach out of it */
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (role != DB_MAKER)
        sqlite3_set_authorizer(db, deny_tokens, NULL);
    int error = db_run(db, "PRAGMA mmap_size=0");
    if (error != BRIDGE_OK)
        return error;
    if (role == DB_READER)
        return db_run(db, "PRAGMA query_only=1");
    if (sqlite3_db_readonly(db, "main") != 0)
        return BRIDGE_READ_ONLY;
    error = limit_wal(db);
    if (error == BRIDGE_OK)
        error = keep_until_commit(db);
    return error == BRIDGE_OK ? require_full_sync(db) : error;
}

static int open_error(const struct place *place, int code)
{
    struct place_identity identity;
    if ((code & 0xff) == SQLITE_CANTOPEN && place_identify(place, &identity) == -ENOENT)
        return BRIDGE_ABSENT;
    return db_error(code);
}

/* SQLite's own count of its memory, which nobody asks for, locks a mutex at each allocation. */
static void leave_memory_uncounted(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* refused when SQLite is in use: it counts */
}

int db_open(const struct place *place, enum db_role role, int busy_ms, sqlite3 **ret_db)
{
    /* Readers, too, open for writing: in WAL mode they need -shm. Where the file may not be written
     * SQLite itself falls back to reading only. */
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (role == DB_MAKER)
        flags |= SQLITE_OPEN_CREATE;
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, leave_memory_uncounted);
    sqlite3 *db = NULL;
    int code = sqlite3_open_v2(place->db, &db, flags, NULL);
    int error = code == SQLITE_OK ? set_up(db, role, busy_ms) : open_error(place, code);
    if (error != BRIDGE_OK) {
        sqlite3_close(db);
        return error;
    }
    *ret_db = db;
    return BRIDGE_OK;
}

void db_leave_wal(sqlite3 *db)
{
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}

void db_close(sqlite3 **db)
{
    if (!*db)
        return;
    assert(sqlite3_next_stmt(*db, NULL) == NULL);
    sqlite3_close(*db);
    *db = NULL;
}

int db_run(sqlite3 *db, const char *sql)
{
    return db_error(sqlite3_exec(db, sql, NULL, NULL, NULL));
}

int db_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret_statement)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL);
    if (code != SQLITE_OK)
        return db_error(code);
    *ret_statement = statement;
    return BRIDGE_OK;
}

const char *db_sqlite_version(void)
{
    return sqlite3_libversion();
}

bool db_sqlite_is_linked_in(void)
{
    return is_linked_in;
}

int64_t db_wal_size(const char *name)
{
    char path[PATH_MAX + 8];
    struct stat wal;
    snprintf(path, sizeof path, "%s-wal", name);
    return stat(path, &wal) == 0 ? (int64_t)wal.st_size : 0;
}

bool db_is_quiet(sqlite3 *db)
{
    for (sqlite3_stmt *each = sqlite3_next_stmt(db, NULL); each;
         each = sqlite3_next_stmt(db, each)) {
        if (sqlite3_stmt_busy(each))
            return false;
    }
    return true;
}

long db_lock_holder(const struct place *place)
{
    struct lock lock[LOCKS_MAX];
    size_t count = locks_look(place, lock);
    for (size_t i = 0; i < count; i++)
        if (lock[i].kind == LOCKS_WRITE)
            return lock[i].pid;
    return 0;
}
