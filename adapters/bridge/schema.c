#include "adapters/bridge/schema.h"

#include <string.h>

#include "adapters/bridge/schema_sql.h"
#include "adapters/bridge/sql.h"

#define COLUMNS_MAX 8

/* The bridge's tables with the columns that somebody uses; more of them do no harm. */
struct bridge_table {
    const char *name;
    const char *columns[COLUMNS_MAX];
};

enum { MESSAGES = 1, TABLES = 4 };
static const struct bridge_table tables[TABLES] = {
    {"conversations",
     {"id", "session_a_role", "session_b_role", "session_a_token", "session_b_token", "created_at",
      "expires_at"}},
    {"messages",
     {"id", "conversation_id", "from_session", "to_session", "message", "metadata", "timestamp",
      "read"}},
    {"session_status", {"conversation_id", "session_id", "status", "last_heartbeat"}},
    {"audit_log", {"id", "conversation_id", "session_id", "action", "details", "timestamp"}},
};

/* One row for each column of the bridge's tables, and one for each other table or view, whose
 * columns are not looked at: a virtual table of an unknown module would be an error. */
static const char look_sql[] =
    "SELECT s.name, s.type, p.name, p.type, p.pk FROM sqlite_schema s"
    " LEFT JOIN pragma_table_info(CASE WHEN lower(s.name) IN"
    " ('conversations', 'messages', 'session_status', 'audit_log') THEN s.name END) p"
    " WHERE s.type IN ('table', 'view')";

struct findings {
    bool there[TABLES];
    bool column[TABLES][COLUMNS_MAX];
    bool odd;     /* a table of the bridge's names that is not one we can use */
    bool foreign; /* a table of another name */
};

static int find_table(const char *name)
{
    for (int i = 0; i < TABLES; i++) {
        if (sqlite3_stricmp(tables[i].name, name) == 0)
            return i;
    }
    return -1;
}

/* Text of a column, never NULL. */
static const char *text_of(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    return text ? text : "";
}

static void see_row(sqlite3_stmt *statement, struct findings *findings)
{
    const char *name = text_of(statement, 0);
    int table = find_table(name);
    if (table < 0) {
        bool known = sqlite3_strnicmp(name, "sqlite_", 7) == 0 ||
                     sqlite3_strnicmp(name, "tailgate_", 9) == 0;
        findings->foreign = findings->foreign || !known;
        return;
    }
    findings->there[table] = true;
    if (strcmp(text_of(statement, 1), "table") != 0)
        findings->odd = true;
    const char *column = text_of(statement, 2);
    for (int i = 0; i < COLUMNS_MAX && tables[table].columns[i]; i++) {
        if (sqlite3_stricmp(tables[table].columns[i], column) == 0)
            findings->column[table][i] = true;
    }
    /* the tail relies on ids that grow: messages.id must be the rowid */
    if (table == MESSAGES && sqlite3_stricmp(column, "id") == 0 &&
        (sqlite3_stricmp(text_of(statement, 3), "INTEGER") != 0 ||
         sqlite3_column_int(statement, 4) != 1))
        findings->odd = true;
}

static enum schema_state judge(const struct findings *findings)
{
    int there = 0;
    bool usable = !findings->odd;
    for (int i = 0; i < TABLES; i++) {
        there += findings->there[i];
        for (int j = 0; findings->there[i] && j < COLUMNS_MAX && tables[i].columns[j]; j++)
            usable = usable && findings->column[i][j];
    }
    if (!usable || (there == 0 && findings->foreign))
        return SCHEMA_FOREIGN;
    return there == TABLES ? SCHEMA_BRIDGE : SCHEMA_EMPTY;
}

int schema_look(sqlite3 *db, enum schema_state *ret_state)
{
    sqlite3_stmt *statement = NULL;
    int error = db_prepare(db, look_sql, &statement);
    if (error != BRIDGE_OK)
        return error;
    struct findings findings = {0};
    bool row = true;
    while (error == BRIDGE_OK && row) {
        error = sql_step(statement, &row);
        if (error == BRIDGE_OK && row)
            see_row(statement, &findings);
    }
    sqlite3_finalize(statement);
    if (error != BRIDGE_OK)
        return error;
    *ret_state = judge(&findings);
    return BRIDGE_OK;
}

int schema_require_bridge(sqlite3 *db)
{
    enum schema_state state;
    int error = schema_look(db, &state);
    if (error != BRIDGE_OK)
        return error;
    if (state == SCHEMA_FOREIGN)
        return BRIDGE_FOREIGN;
    return state == SCHEMA_BRIDGE ? BRIDGE_OK : BRIDGE_ABSENT;
}

static int set_wal(sqlite3 *db)
{
    sqlite3_stmt *statement = NULL;
    int error = db_prepare(db, "PRAGMA journal_mode=WAL", &statement);
    if (error != BRIDGE_OK)
        return error;
    bool row = false;
    error = sql_step(statement, &row);
    /* where WAL cannot be, SQLite answers with the mode that stays */
    if (error == BRIDGE_OK && (!row || sqlite3_stricmp(text_of(statement, 0), "wal") != 0))
        error = BRIDGE_OTHER;
    sqlite3_finalize(statement);
    return error;
}

int schema_make_bridge(sqlite3 *db)
{
    enum schema_state state;
    int error = schema_look(db, &state);
    if (error != BRIDGE_OK)
        return error;
    if (state == SCHEMA_FOREIGN)
        return BRIDGE_FOREIGN;
    error = set_wal(db);
    if (error != BRIDGE_OK || state == SCHEMA_BRIDGE)
        return error;
    error = sql_begin(db);
    if (error != BRIDGE_OK)
        return error;
    return sql_end(db, db_run(db, schema_sql_bridge));
}

/* Reads one value of ours: TYPE is SQLITE_NULL when there is none, or no table. For a blob it
 * copies at most SIZE bytes and tells all of them. */
struct meta_value {
    int type;
    int64_t integer;
    unsigned char blob[TOKEN_KEY_SIZE];
    size_t size;
};

int schema_has(sqlite3 *db, const char *table, bool *ret_there)
{
    sqlite3_stmt *statement = NULL;
    int error = db_prepare(db, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1",
                           &statement);
    if (error != BRIDGE_OK)
        return error;
    const struct sql_value name = sql_text(span_str(table));
    error = sql_bind(statement, &name, 1);
    if (error == BRIDGE_OK)
        error = sql_step(statement, ret_there);
    sqlite3_finalize(statement);
    return error;
}

static int read_meta(sqlite3 *db, const char *key, struct meta_value *ret_value)
{
    struct meta_value value = {.type = SQLITE_NULL};
    bool row = false;
    int error = schema_has(db, "tailgate_meta", &row);
    if (error != BRIDGE_OK || !row) {
        *ret_value = value;
        return error;
    }
    sqlite3_stmt *statement = NULL;
    error = db_prepare(db, "SELECT value FROM tailgate_meta WHERE key = ?1", &statement);
    if (error != BRIDGE_OK)
        return error;
    const struct sql_value name = sql_text(span_str(key));
    error = sql_bind(statement, &name, 1);
    if (error == BRIDGE_OK)
        error = sql_step(statement, &row);
    if (error == BRIDGE_OK && row) {
        value.type = sqlite3_column_type(statement, 0);
        if (value.type == SQLITE_INTEGER)
            value.integer = sqlite3_column_int64(statement, 0);
        struct span bytes = sql_column(statement, 0);
        value.size = bytes.size;
        if (value.type == SQLITE_BLOB && bytes.size <= sizeof value.blob && bytes.size > 0)
            memcpy(value.blob, bytes.data, bytes.size);
    }
    sqlite3_finalize(statement);
    if (error == BRIDGE_OK)
        *ret_value = value;
    return error;
}

static int write_meta(sqlite3 *db, const char *key, struct sql_value value)
{
    sqlite3_stmt *statement = NULL;
    int error = db_prepare(db, "INSERT OR REPLACE INTO tailgate_meta(key, value) VALUES(?1, ?2)",
                           &statement);
    if (error != BRIDGE_OK)
        return error;
    const struct sql_value values[] = {sql_text(span_str(key)), value};
    error = sql_run(statement, values, 2);
    sqlite3_finalize(statement);
    return error;
}

/* *ret_version: the one that is there, if we know it; 0: none is. */
static int read_version(sqlite3 *db, int64_t *ret_version)
{
    struct meta_value version;
    int error = read_meta(db, "schema_version", &version);
    if (error != BRIDGE_OK)
        return error;
    if (version.type == SQLITE_NULL) {
        *ret_version = 0;
        return BRIDGE_OK;
    }
    /* what is not a number we know was not written by a Tailgate that we know */
    bool known =
        version.type == SQLITE_INTEGER && version.integer >= 1 && version.integer <= SCHEMA_VERSION;
    if (!known)
        return BRIDGE_NEWER;
    *ret_version = version.integer;
    return BRIDGE_OK;
}

int schema_check_ours(sqlite3 *db)
{
    int64_t version;
    return read_version(db, &version);
}

int schema_make_ours(sqlite3 *db)
{
    int64_t version;
    int error = read_version(db, &version);
    if (error != BRIDGE_OK || version == SCHEMA_VERSION)
        return error;
    error = sql_begin(db);
    if (error != BRIDGE_OK)
        return error;
    error = read_version(db, &version); /* somebody may have been faster */
    /* every version so far has only added tables, so that making what is missing migrates, too */
    if (error == BRIDGE_OK && version < SCHEMA_VERSION) {
        error = db_run(db, schema_sql_ours);
        if (error == BRIDGE_OK)
            error = write_meta(db, "schema_version", sql_integer(SCHEMA_VERSION));
    }
    return sql_end(db, error);
}

/* BRIDGE_ABSENT when there is no key yet. */
static int read_key(sqlite3 *db, struct token_key *ret_key)
{
    struct meta_value value;
    int error = read_meta(db, "token_key", &value);
    if (error != BRIDGE_OK)
        return error;
    if (value.type == SQLITE_NULL)
        return BRIDGE_ABSENT;
    /* replacing a damaged key would refuse answers that are under way without a word */
    if (value.type != SQLITE_BLOB || value.size != sizeof ret_key->bytes)
        return BRIDGE_CORRUPT;
    memcpy(ret_key->bytes, value.blob, sizeof ret_key->bytes);
    return BRIDGE_OK;
}

int schema_token_key(sqlite3 *db, struct token_key *ret_key)
{
    int error = read_key(db, ret_key);
    if (error != BRIDGE_ABSENT)
        return error;
    error = sql_begin(db);
    if (error != BRIDGE_OK)
        return error;
    struct token_key key;
    error = read_key(db, &key);
    if (error == BRIDGE_ABSENT) {
        token_key_new(&key);
        error = write_meta(db, "token_key", sql_blob(span_of(key.bytes, sizeof key.bytes)));
    }
    error = sql_end(db, error);
    if (error == BRIDGE_OK)
        *ret_key = key;
    return error;
}
