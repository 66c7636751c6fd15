/* Invariants:
 *   1. Between two calls no statement of the connection is un-reset, except between tail_load() and
 *      tail_unload(). An un-reset one would freeze data_version and pin the WAL.
 *   2. The cursor moves with each row that SEE has had, so an error in the middle repeats none.
 *   3. The version is read before the rows and stored after them. A commit in between is then seen
 *      once more, as a change without new rows, and never missed. */
#include "adapters/bridge/tail.h"

#include <assert.h>
#include <stdlib.h>

#include "adapters/bridge/schema.h"
#include "adapters/bridge/sql.h"
#include "proto/buffer.h"

#define ROW_COLUMNS                                                                                \
    "SELECT m.id, m.message, m.metadata, m.conversation_id, m.from_session, m.to_session,"         \
    " m.timestamp, m.read, c.id, c.expires_at,"                                                    \
    " CASE WHEN m.to_session = 'b' THEN c.session_b_role ELSE c.session_a_role END,"               \
    " CASE WHEN coalesce(m.read, 0) = 0 THEN (SELECT s.last_heartbeat FROM session_status s"       \
    "  WHERE s.conversation_id = m.conversation_id AND s.session_id = m.to_session"                \
    "  AND s.status <> 'tailgate') END"

#define ROW_FROM " FROM messages m LEFT JOIN conversations c ON c.id = m.conversation_id"

/* Where a gateway has served the file, it may have made the row itself; a row that somebody has put
 * in the place of ours has another stamp. */
#define ROW_SENT                                                                                   \
    ROW_COLUMNS ", t.principal, t.name" ROW_FROM                                                   \
                " LEFT JOIN tailgate_sender t ON t.message_id = m.id AND t.made_at = m.timestamp"
#define ROW_PLAIN ROW_COLUMNS ", NULL, NULL" ROW_FROM

#define ABOVE " WHERE m.id > ?1 AND m.id <= ?3 ORDER BY m.id LIMIT ?2"
#define ONE " WHERE m.id = ?1"

enum column {
    COLUMN_ID,
    COLUMN_MESSAGE,
    COLUMN_METADATA,
    COLUMN_CONVERSATION,
    COLUMN_FROM,
    COLUMN_TO,
    COLUMN_TIMESTAMP,
    COLUMN_READ,
    COLUMN_FOUND,
    COLUMN_EXPIRES,
    COLUMN_ROLE,
    COLUMN_AGENT,
    COLUMN_PRINCIPAL,
    COLUMN_SENDER
};

struct tail {
    sqlite3 *db;
    sqlite3_stmt *version; /* the proof */
    sqlite3_stmt *rows;    /* above the cursor */
    sqlite3_stmt *one;     /* by id */
    sqlite3_stmt *last;    /* the highest id */
    int64_t cursor;        /* highest id that SEE has had */
    int seen;              /* version that tail_changed() read last */
    int settled;           /* version up to which everything was read */
    bool has_seen;
    bool has_settled;
    bool loaded; /* between tail_load() and tail_unload() */
};

const char *tail_rows_sql(bool senders)
{
    return senders ? ROW_SENT ABOVE : ROW_PLAIN ABOVE;
}

/* Rows with their senders, where the file has our table of them. */
static int prepare_rows(struct tail *self)
{
    sqlite3_stmt *rows = NULL, *one = NULL;
    bool senders = false;
    int error = schema_has(self->db, "tailgate_sender", &senders);
    if (error == BRIDGE_OK)
        error = db_prepare(self->db, tail_rows_sql(senders), &rows);
    if (error == BRIDGE_OK)
        error = db_prepare(self->db, senders ? ROW_SENT ONE : ROW_PLAIN ONE, &one);
    if (error != BRIDGE_OK) {
        sqlite3_finalize(rows);
        return error;
    }
    sqlite3_finalize(self->rows);
    sqlite3_finalize(self->one);
    self->rows = rows;
    self->one = one;
    return BRIDGE_OK;
}

static int prepare_all(struct tail *self)
{
    const struct {
        const char *sql;
        sqlite3_stmt **statement;
    } all[] = {
        {"PRAGMA data_version", &self->version},
        {"SELECT max(id) FROM messages", &self->last},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        int error = db_prepare(self->db, all[i].sql, all[i].statement);
        if (error != BRIDGE_OK)
            return error;
    }
    return prepare_rows(self);
}

int tail_know_senders(struct tail *self)
{
    assert(!self->loaded);
    return prepare_rows(self);
}

int tail_open(const struct place *place, struct tail **ret_tail)
{
    struct tail *self = memory_zero(1, sizeof *self);
    int error = db_open(place, DB_READER, 0, &self->db);
    if (error == BRIDGE_OK)
        error = schema_require_bridge(self->db);
    if (error == BRIDGE_OK)
        error = prepare_all(self);
    if (error != BRIDGE_OK) {
        tail_close(&self);
        return error;
    }
    *ret_tail = self;
    return BRIDGE_OK;
}

void tail_close(struct tail **self)
{
    if (!*self)
        return;
    sqlite3_finalize((*self)->version);
    sqlite3_finalize((*self)->rows);
    sqlite3_finalize((*self)->one);
    sqlite3_finalize((*self)->last);
    db_close(&(*self)->db);
    free(*self);
    *self = NULL;
}

int tail_changed(struct tail *self, bool *ret_changed)
{
    assert(!self->loaded);
    bool row = false;
    int error = sql_step(self->version, &row);
    int version = error == BRIDGE_OK && row ? sqlite3_column_int(self->version, 0) : 0;
    sqlite3_reset(self->version);
    if (error != BRIDGE_OK)
        return error;
    self->seen = version;
    self->has_seen = true;
    /* the number says "another one", not "a later one": it is compared for inequality only */
    *ret_changed = !self->has_settled || version != self->settled;
    return BRIDGE_OK;
}

static bool read_flag(sqlite3_stmt *statement)
{
    switch (sqlite3_column_type(statement, COLUMN_READ)) {
    case SQLITE_NULL:
        return false;
    case SQLITE_INTEGER:
        return sqlite3_column_int64(statement, COLUMN_READ) != 0;
    case SQLITE_FLOAT:
        return sqlite3_column_double(statement, COLUMN_READ) != 0.0;
    default:
        return true; /* text or a blob: no writer's `read = 0` matches it */
    }
}

static void take_row(sqlite3_stmt *statement, struct tail_row *ret_row)
{
    int metadata = sqlite3_column_type(statement, COLUMN_METADATA);
    struct tail_row row = {
        .id = sqlite3_column_int64(statement, COLUMN_ID),
        .columns.text_is_text = sqlite3_column_type(statement, COLUMN_MESSAGE) == SQLITE_TEXT,
        .columns.metadata_is_text = metadata == SQLITE_TEXT || metadata == SQLITE_NULL,
        .read = read_flag(statement),
        .has_conversation = sqlite3_column_type(statement, COLUMN_FOUND) != SQLITE_NULL,
    };
    row.columns.text = sql_column(statement, COLUMN_MESSAGE);
    row.columns.metadata = sql_column(statement, COLUMN_METADATA);
    row.conversation_id = sql_column(statement, COLUMN_CONVERSATION);
    row.from_session = sql_column(statement, COLUMN_FROM);
    row.to_session = sql_column(statement, COLUMN_TO);
    row.timestamp = sql_column(statement, COLUMN_TIMESTAMP);
    row.expires_at = sql_column(statement, COLUMN_EXPIRES);
    row.role = sql_column(statement, COLUMN_ROLE);
    row.agent_at = sql_column(statement, COLUMN_AGENT);
    row.principal = sql_column(statement, COLUMN_PRINCIPAL);
    row.sender = sql_column(statement, COLUMN_SENDER);
    if (row.principal.size >= IDENTITY_PRINCIPAL_SIZE || row.sender.size > LIMIT_WORKER_NAME)
        row.principal = row.sender = span_of(NULL, 0); /* somebody has edited our table */
    if (!row.has_conversation)
        row.role = row.expires_at = span_of(NULL, 0);
    *ret_row = row;
}

/* Calls SEE for the rows above *AFTER up to UPTO, and moves *AFTER along. */
static int read_rows(struct tail *self, int64_t *after, int64_t upto, size_t limit,
                     tail_see_fn *see, void *context, size_t *ret_count)
{
    assert(!self->loaded);
    const struct sql_value values[] = {sql_integer(*after), sql_integer((int64_t)limit),
                                       sql_integer(upto)};
    int error = sql_bind(self->rows, values, 3);
    size_t count = 0;
    bool more = error == BRIDGE_OK;
    while (more) {
        error = sql_step(self->rows, &more);
        if (error != BRIDGE_OK || !more)
            break;
        struct tail_row row;
        take_row(self->rows, &row);
        see(context, &row);
        *after = row.id;
        count++;
    }
    sql_reset(self->rows);
    if (error != BRIDGE_OK)
        return error;
    *ret_count = count;
    return BRIDGE_OK;
}

int tail_read(struct tail *self, size_t limit, tail_see_fn *see, void *context, size_t *ret_count)
{
    return read_rows(self, &self->cursor, INT64_MAX, limit, see, context, ret_count);
}

int tail_range(struct tail *self, int64_t after, int64_t upto, size_t limit, tail_see_fn *see,
               void *context, size_t *ret_count)
{
    return read_rows(self, &after, upto, limit, see, context, ret_count);
}

sqlite3 *tail_connection(struct tail *self)
{
    return self->db;
}

void tail_start_at(struct tail *self, int64_t id)
{
    if (id > self->cursor)
        self->cursor = id;
}

int64_t tail_cursor(const struct tail *self)
{
    return self->cursor;
}

void tail_settle(struct tail *self)
{
    if (!self->has_seen)
        return;
    self->settled = self->seen;
    self->has_settled = true;
}

int tail_load(struct tail *self, int64_t id, struct tail_row *ret_row)
{
    assert(!self->loaded);
    const struct sql_value value = sql_integer(id);
    int error = sql_bind(self->one, &value, 1);
    bool row = false;
    if (error == BRIDGE_OK)
        error = sql_step(self->one, &row);
    if (error == BRIDGE_OK && !row)
        error = BRIDGE_ABSENT;
    if (error != BRIDGE_OK) {
        sql_reset(self->one);
        return error;
    }
    take_row(self->one, ret_row);
    self->loaded = true;
    return BRIDGE_OK;
}

void tail_unload(struct tail *self)
{
    sql_reset(self->one);
    self->loaded = false;
}

int tail_last_id(struct tail *self, int64_t *ret_id)
{
    assert(!self->loaded);
    bool row = false;
    int error = sql_step(self->last, &row);
    int64_t id = error == BRIDGE_OK && row ? sqlite3_column_int64(self->last, 0) : 0;
    sql_reset(self->last);
    if (error != BRIDGE_OK)
        return error;
    *ret_id = id;
    return BRIDGE_OK;
}

bool tail_is_quiet(const struct tail *self)
{
    return !self->loaded && db_is_quiet(self->db);
}
