/* Retention: what only we made, and whose time is over, in small batches.
 *
 *   kept answers    by id, which grows with their time
 *   dead rows       by the index on their time
 *   our audit rows  by a walk over audit_log, which has no index on its times and gets none from us
 *   conversations   those of tailgate_made, by the same walk over messages, which has no index on
 *                   conversation_id either (store_retire_made.c)
 *   of clients      tickets, requests, bodies (store_retire_asked.c)
 *
 * A walk goes by rowid up to the first row of ours that is too young. Its place is kept in
 * tailgate_meta, so that each row is looked at once in its life, and it looks at
 * RETIRE_WALK_FACTOR times the limit of rows in one go, whoever's they are.
 *
 * A stamp more than a day ahead was made by a clock that was ahead, or the clock is behind now:
 * which of them, nobody can tell. Such a row stops no walk, and it goes with the first later one
 * that is old enough; where a go finds none it is passed, and an audit row stays for good then. */
#include <assert.h>

#include "adapters/bridge/store_retire_inside.h"

static const char audit_word[] = "retire.audit"; /* the cursor of the walk */

/* An enum retire_age. */
#define AGE(stamp, horizon, ahead) "(" stamp " >= " horizon ") + (" stamp " >= " ahead ")"

static const char kept_walk_sql[] =
    "SELECT id, " AGE("kept_at", "?1", "?2") " FROM tailgate_answer ORDER BY id LIMIT ?3";
static const char kept_remove_sql[] =
    "DELETE FROM tailgate_answer WHERE id IN"
    " (SELECT id FROM tailgate_answer WHERE id <= ?1 ORDER BY id LIMIT ?2)";

static const char dead_remove_sql[] =
    "DELETE FROM tailgate_delivery WHERE message_id IN (SELECT message_id FROM tailgate_delivery"
    " WHERE state = 'dead' AND updated_at < ?1 ORDER BY updated_at LIMIT ?2)";

/* Exactly the actions that we write, and not whatever begins like them. */
#define OURS                                                                                       \
    "action IN ('query_superseded', 'query_expired', 'query_deleted', 'query_dropped',"            \
    " 'query_dead', 'dead_redriven', 'dead_dropped')"

/* The columns of a walk: id, 1 for a row of ours, its age. */
static const char audit_walk_sql[] = "SELECT rowid, " OURS ", CASE WHEN " OURS " THEN " AGE(
    "timestamp", "?1", "?4") " ELSE 0 END"
                             " FROM audit_log WHERE rowid > ?2 ORDER BY rowid LIMIT ?3";
static const char audit_remove_sql[] =
    "DELETE FROM audit_log WHERE rowid > ?1 AND rowid <= ?2 AND " OURS;

/* An audit_log without rowids, or a trigger on it that our connection may not run. */
const struct store_sql store_sql_of_retire[] = {
    {RUN_KEPT_WALK, false, kept_walk_sql},      {RUN_KEPT_REMOVE, false, kept_remove_sql},
    {RUN_DEAD_REMOVE, false, dead_remove_sql},  {RUN_AUDIT_WALK, true, audit_walk_sql},
    {RUN_AUDIT_REMOVE, true, audit_remove_sql}, {0},
};

size_t retire_changed(const struct batch *batch)
{
    return (size_t)sqlite3_changes64(batch->store->db);
}

void retire_spend(struct batch *batch, size_t rows)
{
    batch->left -= rows < batch->left ? rows : batch->left;
}

/* The last kept answer that is old enough; untouched where there is none. Looks at as many as may
 * be removed, and further where those are all ahead of the clock. */
static int find_kept(const struct batch *batch, int64_t seconds, int64_t *ret_id)
{
    struct store *self = batch->store;
    char horizon[STAMP_SIZE], ahead[STAMP_SIZE];
    store_before(self, seconds, horizon);
    store_before(self, -RETIRE_AHEAD_S, ahead);
    const struct sql_value values[] = {sql_text(span_str(horizon)), sql_text(span_str(ahead)),
                                       sql_integer((int64_t)batch->limit * RETIRE_WALK_FACTOR)};
    sqlite3_stmt *walk = self->run[RUN_KEPT_WALK];
    int error = sql_bind(walk, values, 3);
    bool row = true;
    int64_t last = *ret_id;
    for (size_t seen = 0; error == BRIDGE_OK && (seen < batch->left || last == *ret_id); seen++) {
        error = store_note_loss(self, sql_step(walk, &row));
        if (error != BRIDGE_OK || !row || sqlite3_column_int(walk, 1) == AGE_YOUNG)
            break;
        if (sqlite3_column_int(walk, 1) == AGE_OVER)
            last = sqlite3_column_int64(walk, 0);
    }
    sql_reset(walk);
    if (error == BRIDGE_OK)
        *ret_id = last;
    return error;
}

static int retire_kept(struct batch *batch, int64_t seconds)
{
    int64_t last = INT64_MIN;
    int error = find_kept(batch, seconds, &last);
    if (error != BRIDGE_OK || last == INT64_MIN)
        return error;
    const struct sql_value values[] = {sql_integer(last), sql_integer((int64_t)batch->left)};
    error = store_run(batch->store, RUN_KEPT_REMOVE, values, 2);
    if (error == BRIDGE_OK)
        retire_spend(batch, retire_changed(batch));
    return error;
}

int retire_older(struct batch *batch, enum store_statement statement, int64_t seconds)
{
    char horizon[STAMP_SIZE];
    store_before(batch->store, seconds, horizon);
    const struct sql_value values[] = {sql_text(span_str(horizon)),
                                       sql_integer((int64_t)batch->left)};
    int error = store_run(batch->store, statement, values, 2);
    if (error == BRIDGE_OK)
        retire_spend(batch, retire_changed(batch));
    return error;
}

int retire_walk(struct batch *batch, enum store_statement statement, const char *horizon,
                int64_t from, struct stretch *ret_stretch)
{
    sqlite3_stmt *run = batch->store->run[statement];
    char ahead[STAMP_SIZE];
    store_before(batch->store, -RETIRE_AHEAD_S, ahead);
    const size_t most = batch->limit * RETIRE_WALK_FACTOR;
    const struct sql_value values[] = {sql_text(span_str(horizon)), sql_integer(from),
                                       sql_integer((int64_t)most), sql_text(span_str(ahead))};
    int error = sql_bind(run, values, statement == RUN_AUDIT_WALK ? 4 : 3);
    struct stretch stretch = {from, from};
    size_t ours = 0, seen = 0;
    bool row = true, held = false; /* held: the last of ours so far is ahead of the clock */
    while (error == BRIDGE_OK && ours < batch->left && seen < most) {
        error = store_note_loss(batch->store, sql_step(run, &row));
        const int age = error == BRIDGE_OK && row ? sqlite3_column_int(run, 2) : AGE_YOUNG;
        if (age == AGE_YOUNG)
            break;
        bool is_ours = sqlite3_column_int(run, 1) != 0;
        if (is_ours)
            held = age == AGE_AHEAD;
        stretch.to = sqlite3_column_int64(run, 0);
        if (!held)
            stretch.over = stretch.to;
        ours += is_ours;
        seen++;
    }
    sql_reset(run);
    if (error != BRIDGE_OK)
        return error;
    if (ours < batch->left && seen < most)
        stretch.to = stretch.over;
    else
        batch->more |= !held;
    *ret_stretch = stretch;
    return BRIDGE_OK;
}

int retire_between(struct batch *batch, enum store_statement statement, int64_t from, int64_t to)
{
    const struct sql_value values[] = {sql_integer(from), sql_integer(to)};
    int error = store_run(batch->store, statement, values, 2);
    if (error == BRIDGE_OK)
        retire_spend(batch, retire_changed(batch));
    return error;
}

static int retire_audit(struct batch *batch, int64_t seconds)
{
    struct store *self = batch->store;
    if (!self->run[RUN_AUDIT_WALK] || !self->run[RUN_AUDIT_REMOVE])
        return BRIDGE_OK;
    char horizon[STAMP_SIZE];
    store_before(self, seconds, horizon);
    struct stretch stretch = {0};
    int64_t from = 0;
    int error = store_word_number(self, audit_word, &from);
    if (error == BRIDGE_OK)
        error = retire_walk(batch, RUN_AUDIT_WALK, horizon, from, &stretch);
    if (error != BRIDGE_OK || stretch.to == from)
        return error;
    error = retire_between(batch, RUN_AUDIT_REMOVE, from, stretch.over);
    return error == BRIDGE_OK ? store_word_set(self, audit_word, sql_integer(stretch.to)) : error;
}

int store_retire(struct store *self, const struct store_retention *retention, size_t limit,
                 size_t *ret_count, bool *ret_more)
{
    assert(!sqlite3_get_autocommit(self->db));
    struct batch batch = {self, limit, limit, false};
    int error = retire_kept(&batch, retention->keep_s);
    if (error == BRIDGE_OK && batch.left > 0)
        error = retire_older(&batch, RUN_DEAD_REMOVE, retention->dead_s);
    if (error == BRIDGE_OK && batch.left > 0)
        error = retire_audit(&batch, retention->audit_s);
    if (error == BRIDGE_OK && batch.left > 0)
        error = retire_made(&batch, retention->keep_s);
    if (error == BRIDGE_OK && batch.left > 0)
        error = retire_asked(&batch, retention);
    if (error != BRIDGE_OK)
        return error;
    *ret_count = limit - batch.left;
    *ret_more = batch.more || batch.left == 0;
    return BRIDGE_OK;
}
