/* Invariants:
 *   1. A reply row exists if and only if the guard changed its query's row in the same transaction.
 *   2. Whatever the guard says, one audit row tells it: nothing ends without a record.
 *   3. No statement is un-reset when a function returns.
 *   4. A reply that needs nothing of ours runs two statements, the guard and the reply, and one
 *      with fifteen others for its audit row.
 */
#include "adapters/bridge/store.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "adapters/bridge/schema.h"
#include "adapters/bridge/session.h"
#include "adapters/bridge/store_inside.h"

/* A checkpoint holds the write lock while it waits for readers, our own among them, which are done
 * within a fraction of a millisecond: it looks often, and not for long. */
#define CHECKPOINT_PAUSE_US 100
#define CHECKPOINT_PAUSES 5

static const struct store_sql own_sql[] = {
    {RUN_BEGIN, false, "BEGIN IMMEDIATE"},
    {RUN_COMMIT, false, "COMMIT"},
    {RUN_VERSION, false, "PRAGMA data_version"},
    {0},
};

static int count_frames(void *context, sqlite3 *db, const char *name, int frames)
{
    (void)db, (void)name;
    struct store *self = context;
    self->wal_frames = frames;
    return SQLITE_OK;
}

static int prepare(struct store *self, const struct store_sql *table)
{
    for (const struct store_sql *row = table; row->sql; row++) {
        int error = db_prepare(self->db, row->sql, &self->run[row->statement]);
        if (error == BRIDGE_OTHER && row->optional)
            continue;
        if (error != BRIDGE_OK)
            return error;
    }
    return BRIDGE_OK;
}

static int prepare_all(struct store *self)
{
    const struct store_sql *const tables[] = {
        own_sql,
        store_sql_of_reply,
        store_sql_of_rows,
        store_sql_of_delivery,
        store_sql_of_mark,
        store_sql_of_keep,
        store_sql_of_present,
        store_sql_of_ask,
        store_sql_of_talk,
        store_sql_of_body,
        store_sql_of_submit,
        store_sql_of_retire,
        store_sql_of_retire_made,
        store_sql_of_retire_asked,
    };
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        int error = prepare(self, tables[i]);
        if (error != BRIDGE_OK)
            return error;
    }
    atomic_store(&self->can_present, self->run[RUN_PRESENT] && self->run[RUN_PRESENT_ALL]);
    return BRIDGE_OK;
}

/* Our own commits leave the version as it is. A failure is left to the statements that follow. */
static void look_at_others(struct store *self)
{
    bool row = false;
    int64_t version = self->version;
    (void)store_look(self, RUN_VERSION, NULL, 0, &row, &version);
    if (version != self->version) {
        self->others_wrote |= self->version != 0;
        self->others++;
    }
    self->version = version;
}

/* Our tables go into a bridge and into nothing else. */
static int set_up(struct store *self, struct token_key *ret_key)
{
    int error = schema_require_bridge(self->db);
    if (error == BRIDGE_OK)
        error = schema_make_ours(self->db);
    if (error == BRIDGE_OK)
        error = session_ready(self->db);
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
    buffer_init(&self->item);
    self->busy_ms = busy_ms;
    int error = db_open(place, DB_WRITER, busy_ms, &self->db);
    if (error == BRIDGE_OK) {
        sqlite3_wal_hook(self->db, count_frames, self);
        error = set_up(self, ret_key);
    }
    if (error == BRIDGE_OK)
        look_at_others(self); /* from here on they are counted */
    if (error != BRIDGE_OK) {
        store_close(&self);
        return error;
    }
    *ret_store = self;
    return BRIDGE_OK;
}

int store_bridge_id(struct store *self, char ret_id[BRIDGE_ID_SIZE])
{
    return bridge_id_make(self->db, ret_id);
}

void store_close(struct store **self)
{
    if (!*self)
        return;
    struct store *store = *self;
    if (store->db)
        sql_rollback(store->db);
    for (size_t i = 0; i < RUN_COUNT; i++)
        sqlite3_finalize(store->run[i]);
    db_close(&store->db);
    buffer_done(&store->details);
    buffer_done(&store->item);
    store_gathered_done(store);
    free(store);
    *self = NULL;
}

int store_note_loss(struct store *self, int error)
{
    if (error == BRIDGE_IO || error == BRIDGE_CORRUPT)
        sqlite3_db_config(self->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return error;
}

int store_look(struct store *self, enum store_statement statement, const struct sql_value *values,
               size_t count, bool *ret_row, int64_t *ret_number)
{
    sqlite3_stmt *run = self->run[statement];
    int error = sql_bind(run, values, count);
    bool row = false;
    if (error == BRIDGE_OK)
        error = sql_step(run, &row);
    int64_t number = row ? sqlite3_column_int64(run, 0) : 0;
    sql_reset(run);
    if (error != BRIDGE_OK)
        return store_note_loss(self, error);
    *ret_row = row;
    if (row)
        *ret_number = number;
    return BRIDGE_OK;
}

int store_audit_gathered(struct store *self, struct span conversation_id, struct span session,
                         const char *action)
{
    const struct sql_value values[] = {
        sql_text(conversation_id),  sql_text_or_null(session),
        sql_text(span_str(action)), sql_text(buffer_span(&self->details)),
        sql_text(store_now(self)),
    };
    return store_gather(self, STORE_GATHER_AUDIT, values);
}

int store_audit(struct store *self, struct span conversation_id, struct span session,
                const char *action)
{
    int error = store_audit_gathered(self, conversation_id, session, action);
    return error == BRIDGE_OK ? store_write_gathered(self) : error;
}

struct span store_now(const struct store *self)
{
    return span_str(self->stamp);
}

void store_before(const struct store *self, int64_t seconds, char ret_stamp[STAMP_SIZE])
{
    bool fits = seconds < self->now_us / 1000000;
    stamp_format(fits ? self->now_us - seconds * 1000000 : 0, ret_stamp);
}

int store_begin(struct store *self, int64_t now_us)
{
    self->now_us = now_us;
    self->group++;
    stamp_format(now_us, self->stamp);
    int error = store_note_loss(self, sql_run(self->run[RUN_BEGIN], NULL, 0));
    if (error == BRIDGE_OK)
        look_at_others(self);
    return error;
}

uint64_t store_others(const struct store *self)
{
    return self->others;
}

bool store_others_wrote(struct store *self)
{
    bool wrote = self->others_wrote;

    self->others_wrote = false;
    return wrote;
}

int store_commit(struct store *self)
{
    int error = store_write_gathered(self);
    return error == BRIDGE_OK ? store_note_loss(self, sql_run(self->run[RUN_COMMIT], NULL, 0))
                              : error;
}

void store_rollback(struct store *self)
{
    sql_rollback(self->db);
    store_forget_gathered(self);
    store_untell(self);
}

int store_wal_frames(const struct store *self)
{
    return self->wal_frames;
}

int store_wal_unmoved(const struct store *self)
{
    return self->wal_unmoved;
}

static int wait_for_others(void *context, int times)
{
    const struct timespec pause = {0, CHECKPOINT_PAUSE_US * 1000};
    (void)context;
    nanosleep(&pause, NULL);
    return times < CHECKPOINT_PAUSES;
}

int store_checkpoint(struct store *self, enum store_checkpointed *ret_how)
{
    int frames = -1, moved = -1;
    sqlite3_busy_handler(self->db, wait_for_others, NULL);
    int code = sqlite3_wal_checkpoint_v2(self->db, "main", SQLITE_CHECKPOINT_FULL, &frames, &moved);
    sqlite3_busy_timeout(self->db, self->busy_ms);
    *ret_how = STORE_CHECKPOINT_FAILED;
    if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY)
        return store_note_loss(self, db_error(code));
    bool complete = code == SQLITE_OK && frames == moved;
    /* complete: the next writer starts the WAL over */
    self->wal_frames = complete || frames < 0 ? 0 : frames;
    self->wal_unmoved = frames - moved;
    *ret_how = complete            ? STORE_CHECKPOINT_COMPLETE
               : code == SQLITE_OK ? STORE_CHECKPOINT_PARTIAL
                                   : STORE_CHECKPOINT_BUSY;
    return BRIDGE_OK;
}

int64_t store_wal_size(const struct store *self)
{
    return db_wal_size(sqlite3_db_filename(self->db, "main"));
}

int store_restart_wal(struct store *self, int64_t now_us)
{
    int error = store_begin(self, now_us);
    if (error == BRIDGE_BUSY)
        return BRIDGE_OK;
    if (error == BRIDGE_OK)
        error = store_note(self, "wal_restarted", span_str(self->stamp));
    if (error == BRIDGE_OK)
        error = store_commit(self);
    if (error != BRIDGE_OK)
        store_rollback(self);
    return error;
}

const char *store_explain(const struct store *self)
{
    return db_explain(self->db);
}
