/* Invariants:
 *   1. A reply row exists if and only if the guard changed its query's row in the same transaction.
 *   2. Whatever the guard says, one audit row tells it: nothing ends without a record.
 *   3. No statement is un-reset when a function returns. */
#include "adapters/bridge/store.h"

#include <assert.h>
#include <stdlib.h>

#include "adapters/bridge/audit.h"
#include "adapters/bridge/schema.h"
#include "adapters/bridge/sql.h"
#include "proto/buffer.h"
#include "proto/stamp.h"

#define CHECKPOINT_BUSY_MS 20
#define LIVE SQL_LIVE("c.expires_at", "?3")

/* A NULL in read is unread here as it is for the tail. The conversation is compared too: in a
 * restored copy of the file the same id may belong to another one's message. */
static const char guard_sql[] =
    "UPDATE messages SET read = 1 WHERE id = ?1 AND conversation_id = ?2 AND coalesce(read, 0) = 0"
    " AND EXISTS (SELECT 1 FROM conversations c WHERE c.id = ?2 AND " LIVE ")";

static const char why_sql[] = "SELECT coalesce(m.read, 0) <> 0, coalesce(" LIVE ", 0)"
                              " FROM messages m JOIN conversations c ON c.id = m.conversation_id"
                              " WHERE m.id = ?1 AND m.conversation_id = ?2";

static const char reply_sql[] =
    "INSERT INTO messages"
    "(conversation_id, from_session, to_session, message, metadata, timestamp, read)"
    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, 0)";

struct store {
    sqlite3 *db;
    sqlite3_stmt *begin;
    sqlite3_stmt *commit;
    sqlite3_stmt *guard;
    sqlite3_stmt *why;
    sqlite3_stmt *reply;
    sqlite3_stmt *audit;
    struct buffer details;  /* of the audit row under way; keeps its storage */
    char stamp[STAMP_SIZE]; /* of the group */
    int busy_ms;
    int wal_frames;
};

static int count_frames(void *context, sqlite3 *db, const char *name, int frames)
{
    (void)db, (void)name;
    struct store *self = context;
    self->wal_frames = frames;
    return SQLITE_OK;
}

static int prepare_all(struct store *self)
{
    const struct {
        const char *sql;
        sqlite3_stmt **statement;
    } all[] = {
        {"BEGIN IMMEDIATE", &self->begin}, {"COMMIT", &self->commit},
        {guard_sql, &self->guard},         {why_sql, &self->why},
        {reply_sql, &self->reply},         {audit_sql, &self->audit},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        int error = db_prepare(self->db, all[i].sql, all[i].statement);
        if (error != BRIDGE_OK)
            return error;
    }
    return BRIDGE_OK;
}

/* Our tables go into a bridge and into nothing else. */
static int set_up(struct store *self, struct token_key *ret_key)
{
    int error = schema_require_bridge(self->db);
    if (error == BRIDGE_OK)
        error = schema_make_ours(self->db);
    if (error == BRIDGE_OK)
        error = prepare_all(self);
    if (error == BRIDGE_OK)
        error = schema_token_key(self->db, ret_key);
    return error;
}

int store_open(const struct place *place, int busy_ms, struct store **ret_store,
               struct token_key *ret_key)
{
    struct store *self = memory_zero(1, sizeof *self);
    buffer_init(&self->details);
    self->busy_ms = busy_ms;
    int error = db_open(place, DB_WRITER, busy_ms, &self->db);
    if (error == BRIDGE_OK) {
        sqlite3_wal_hook(self->db, count_frames, self);
        error = set_up(self, ret_key);
    }
    if (error != BRIDGE_OK) {
        store_close(&self);
        return error;
    }
    *ret_store = self;
    return BRIDGE_OK;
}

void store_close(struct store **self)
{
    if (!*self)
        return;
    struct store *store = *self;
    if (store->db)
        sql_rollback(store->db);
    sqlite3_finalize(store->begin);
    sqlite3_finalize(store->commit);
    sqlite3_finalize(store->guard);
    sqlite3_finalize(store->why);
    sqlite3_finalize(store->reply);
    sqlite3_finalize(store->audit);
    db_close(&store->db);
    buffer_done(&store->details);
    free(store);
    *self = NULL;
}

int store_begin(struct store *self, int64_t now_us)
{
    stamp_format(now_us, self->stamp);
    return sql_run(self->begin, NULL, 0);
}

static int write_audit(struct store *self, const struct store_reply *reply, const char *action)
{
    const struct audit_entry entry = {
        .conversation_id = reply->conversation_id,
        .session_id = reply->from_session,
        .action = action,
        .details = buffer_span(&self->details),
        .timestamp = span_str(self->stamp),
    };
    return audit_write(self->audit, &entry);
}

static int guard(struct store *self, const struct store_reply *reply, bool *ret_ours)
{
    const struct sql_value values[] = {
        sql_integer(reply->message_id),
        sql_text(reply->conversation_id),
        sql_text(span_str(self->stamp)),
    };
    int error = sql_run(self->guard, values, 3);
    if (error == BRIDGE_OK)
        *ret_ours = sqlite3_changes(self->db) == 1;
    return error;
}

/* Why the guard changed nothing. */
static int classify(struct store *self, const struct store_reply *reply,
                    enum store_outcome *ret_end)
{
    const struct sql_value values[] = {
        sql_integer(reply->message_id),
        sql_text(reply->conversation_id),
        sql_text(span_str(self->stamp)),
    };
    int error = sql_bind(self->why, values, 3);
    bool row = false;
    if (error == BRIDGE_OK)
        error = sql_step(self->why, &row);
    bool read = row && sqlite3_column_int(self->why, 0) != 0;
    bool live = row && sqlite3_column_int(self->why, 1) != 0;
    sql_reset(self->why);
    if (error != BRIDGE_OK)
        return error;
    if (row && live && !read)
        return BRIDGE_REFUSED; /* a trigger of theirs keeps the row as it is */
    *ret_end = !row ? STORE_DELETED : read ? STORE_SUPERSEDED : STORE_EXPIRED;
    return BRIDGE_OK;
}

static int record_end(struct store *self, const struct store_reply *reply,
                      enum store_outcome *ret_end)
{
    static const char *const actions[] = {
        [STORE_SUPERSEDED] = "query_superseded",
        [STORE_EXPIRED] = "query_expired",
        [STORE_DELETED] = "query_deleted",
    };
    enum store_outcome end;
    int error = classify(self, reply, &end);
    if (error != BRIDGE_OK)
        return error;
    audit_end_details(&self->details, reply->message_id);
    error = write_audit(self, reply, actions[end]);
    if (error == BRIDGE_OK)
        *ret_end = end;
    return error;
}

static int insert_reply(struct store *self, const struct store_reply *reply)
{
    const struct sql_value values[] = {
        sql_text(reply->conversation_id),  sql_text(reply->from_session),
        sql_text(reply->to_session),       sql_text(reply->text),
        sql_text_or_null(reply->metadata), sql_text(span_str(self->stamp)),
    };
    int error = sql_run(self->reply, values, 6);
    if (error != BRIDGE_OK)
        return error;
    if (sqlite3_changes(self->db) != 1)
        return BRIDGE_REFUSED; /* a trigger of theirs ignored it */
    audit_send_details(&self->details, reply->to_session, reply->text);
    error = write_audit(self, reply, "send_message");
    if (error != BRIDGE_OK || !reply->dead)
        return error;
    audit_end_details(&self->details, reply->message_id);
    return write_audit(self, reply, "query_dead");
}

static bool is_clean(const struct store_reply *reply)
{
    return sql_is_clean(reply->conversation_id) && sql_is_clean(reply->from_session) &&
           sql_is_clean(reply->to_session) && sql_is_clean(reply->text) &&
           sql_is_clean(reply->metadata);
}

int store_reply(struct store *self, const struct store_reply *reply,
                enum store_outcome *ret_outcome)
{
    assert(!sqlite3_get_autocommit(self->db));
    if (!is_clean(reply))
        return BRIDGE_REFUSED;
    bool ours = false;
    int error = guard(self, reply, &ours);
    if (error != BRIDGE_OK)
        return error;
    if (!ours)
        return record_end(self, reply, ret_outcome);
    error = insert_reply(self, reply);
    if (error == BRIDGE_OK)
        *ret_outcome = STORE_COMMITTED;
    return error;
}

int store_end(struct store *self, const struct store_reply *end, enum store_outcome *ret_outcome)
{
    assert(!sqlite3_get_autocommit(self->db));
    if (!sql_is_clean(end->conversation_id) || !sql_is_clean(end->from_session))
        return BRIDGE_REFUSED;
    return record_end(self, end, ret_outcome);
}

/* After a failure that may have lost what was written, closing must not go on with it: SQLite's
 * own checkpoint at the last close would be the retry that an fsync must not have. */
static int note_loss(struct store *self, int error)
{
    if (error == BRIDGE_IO || error == BRIDGE_CORRUPT)
        sqlite3_db_config(self->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return error;
}

int store_commit(struct store *self)
{
    return note_loss(self, sql_run(self->commit, NULL, 0));
}

void store_rollback(struct store *self)
{
    sql_rollback(self->db);
}

int store_wal_frames(const struct store *self)
{
    return self->wal_frames;
}

int store_checkpoint(struct store *self, bool *ret_complete)
{
    int frames = -1, moved = -1;
    sqlite3_busy_timeout(self->db, CHECKPOINT_BUSY_MS);
    int code = sqlite3_wal_checkpoint_v2(self->db, "main", SQLITE_CHECKPOINT_FULL, &frames, &moved);
    sqlite3_busy_timeout(self->db, self->busy_ms);
    if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY)
        return note_loss(self, db_error(code));
    bool complete = code == SQLITE_OK && frames == moved;
    if (complete)
        self->wal_frames = 0; /* the next writer starts the WAL over */
    *ret_complete = complete;
    return BRIDGE_OK;
}

const char *store_explain(const struct store *self)
{
    return db_explain(self->db);
}
