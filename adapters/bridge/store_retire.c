/* Retention: what only we made, and whose time is over, in small batches.
 *
 *   kept answers    by id, which grows with their time
 *   dead rows       by the index on their time
 *   our audit rows  by a walk over audit_log, which has no index on its times and gets none from us
 *   conversations   those of tailgate_made, by the same walk over messages, which has no index on
 *                   conversation_id either
 *
 * A walk goes by rowid up to the first row of ours that is too young. Its place is kept in
 * tailgate_meta, so that each row is looked at once in its life, and it looks at WALK_FACTOR times
 * the limit of rows in one go, whoever's they are.
 *
 * When a conversation's time is over nobody writes to it any more, so its last message is at or
 * below the highest id of that moment (last_id); it goes when the walk is past that.
 *
 * A stamp more than a day ahead was made by a clock that was ahead, or the clock is behind now:
 * which of them, nobody can tell. Such a row stops no walk, and it goes with the first later one
 * that is old enough; where a go finds none it is passed, and an audit row stays for good then. */
#include <assert.h>

#include "adapters/bridge/store_inside.h"

#define WALK_FACTOR 16
#define AHEAD_S 86400 /* further than this no clock of ours should be from another */

static const char audit_word[] = "retire.audit"; /* the cursors of the walks */
static const char made_word[] = "retire.messages";

/* What the statements of walks say of a row. */
enum age {
    AGE_OVER,  /* or not ours */
    AGE_YOUNG, /* of ours, and too young to go */
    AGE_AHEAD  /* of ours, and later than it can be */
};
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

static const char made_any_sql[] = "SELECT EXISTS (SELECT 1 FROM tailgate_made),"
                                   " (SELECT coalesce(max(id), 0) FROM messages)";

static const char made_close_sql[] =
    "UPDATE tailgate_made SET last_id = (SELECT coalesce(max(id), 0) FROM messages)"
    " WHERE conversation_id IN (SELECT conversation_id FROM tailgate_made"
    " WHERE last_id IS NULL AND expires_at < ?1 ORDER BY expires_at LIMIT ?2)";

/* Whose time somebody has changed is theirs now. */
static const char made_disown_sql[] =
    "DELETE FROM tailgate_made WHERE conversation_id IN (SELECT t.conversation_id"
    " FROM tailgate_made t JOIN conversations c ON c.id = t.conversation_id"
    " WHERE t.last_id IS NOT NULL AND t.expires_at < ?1 AND c.expires_at <> t.expires_at)";

static const char made_walk_sql[] =
    "SELECT m.id, t.conversation_id IS NOT NULL, coalesce(t.expires_at >= ?1, 0)"
    " FROM messages m LEFT JOIN tailgate_made t ON t.conversation_id = m.conversation_id"
    " WHERE m.id > ?2 ORDER BY m.id LIMIT ?3";

#define IS_MADE                                                                                    \
    " EXISTS (SELECT 1 FROM tailgate_made t WHERE t.conversation_id = m.conversation_id)"

static const char made_answers_sql[] =
    "DELETE FROM tailgate_answer WHERE message_id IN"
    " (SELECT m.id FROM messages m WHERE m.id > ?1 AND m.id <= ?2 AND" IS_MADE ")";
static const char made_messages_sql[] =
    "DELETE FROM messages AS m WHERE m.id > ?1 AND m.id <= ?2 AND" IS_MADE;

#define OVER                                                                                       \
    "(SELECT conversation_id FROM tailgate_made WHERE last_id IS NOT NULL AND expires_at < ?1"     \
    " AND last_id <= ?2 ORDER BY expires_at, conversation_id LIMIT ?3)"

static const char made_status_sql[] = "DELETE FROM session_status WHERE conversation_id IN " OVER;
static const char made_conversations_sql[] = "DELETE FROM conversations WHERE id IN " OVER;
static const char made_remove_sql[] = "DELETE FROM tailgate_made WHERE conversation_id IN " OVER;

/* An audit_log without rowids, or a trigger on what is removed that our connection may not run. */
const struct store_sql store_sql_of_retire[] = {
    {RUN_KEPT_WALK, false, kept_walk_sql},
    {RUN_KEPT_REMOVE, false, kept_remove_sql},
    {RUN_DEAD_REMOVE, false, dead_remove_sql},
    {RUN_AUDIT_WALK, true, audit_walk_sql},
    {RUN_AUDIT_REMOVE, true, audit_remove_sql},
    {RUN_MADE_ANY, false, made_any_sql},
    {RUN_MADE_CLOSE, false, made_close_sql},
    {RUN_MADE_DISOWN, false, made_disown_sql},
    {RUN_MADE_WALK, false, made_walk_sql},
    {RUN_MADE_ANSWERS, false, made_answers_sql},
    {RUN_MADE_MESSAGES, true, made_messages_sql},
    {RUN_MADE_STATUS, true, made_status_sql},
    {RUN_MADE_CONVERSATIONS, true, made_conversations_sql},
    {RUN_MADE_REMOVE, false, made_remove_sql},
    {0},
};

/* One batch. */
struct batch {
    struct store *store;
    size_t limit; /* of the whole batch */
    size_t left;  /* of it */
    bool more;    /* what stopped it was a limit */
};

static size_t changed(const struct batch *batch)
{
    return (size_t)sqlite3_changes64(batch->store->db);
}

static void spend(struct batch *batch, size_t rows)
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
    store_before(self, -AHEAD_S, ahead);
    const struct sql_value values[] = {sql_text(span_str(horizon)), sql_text(span_str(ahead)),
                                       sql_integer((int64_t)batch->limit * WALK_FACTOR)};
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
        spend(batch, changed(batch));
    return error;
}

static int retire_dead(struct batch *batch, int64_t seconds)
{
    char horizon[STAMP_SIZE];
    store_before(batch->store, seconds, horizon);
    const struct sql_value values[] = {sql_text(span_str(horizon)),
                                       sql_integer((int64_t)batch->left)};
    int error = store_run(batch->store, RUN_DEAD_REMOVE, values, 2);
    if (error == BRIDGE_OK)
        spend(batch, changed(batch));
    return error;
}

/* How far a walk has come. */
struct stretch {
    int64_t to;   /* where the next one begins, */
    int64_t over; /*   and up to where rows of ours go */
};

/* Walks from FROM on over rows until one of ours is too young, or enough are to be removed, or
 * enough have been seen. */
static int walk(struct batch *batch, enum store_statement statement, const char *horizon,
                int64_t from, struct stretch *ret_stretch)
{
    sqlite3_stmt *run = batch->store->run[statement];
    char ahead[STAMP_SIZE];
    store_before(batch->store, -AHEAD_S, ahead);
    const size_t most = batch->limit * WALK_FACTOR;
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

static int remove_between(struct batch *batch, enum store_statement statement, int64_t from,
                          int64_t to)
{
    const struct sql_value values[] = {sql_integer(from), sql_integer(to)};
    int error = store_run(batch->store, statement, values, 2);
    if (error == BRIDGE_OK)
        spend(batch, changed(batch));
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
        error = walk(batch, RUN_AUDIT_WALK, horizon, from, &stretch);
    if (error != BRIDGE_OK || stretch.to == from)
        return error;
    error = remove_between(batch, RUN_AUDIT_REMOVE, from, stretch.over);
    return error == BRIDGE_OK ? store_word_set(self, audit_word, sql_integer(stretch.to)) : error;
}

static bool fits_made(const struct store *self)
{
    return self->run[RUN_MADE_MESSAGES] && self->run[RUN_MADE_STATUS] &&
           self->run[RUN_MADE_CONVERSATIONS];
}

/* Whether there are conversations of ours. Where there are none the walk need not see what was
 * written meanwhile. */
static int look_made(struct batch *batch, int64_t from, bool *ret_any)
{
    sqlite3_stmt *any = batch->store->run[RUN_MADE_ANY];
    bool row = false;
    int error = store_note_loss(batch->store, sql_step(any, &row));
    bool has = row && sqlite3_column_int(any, 0) != 0;
    int64_t last = row ? sqlite3_column_int64(any, 1) : 0;
    sql_reset(any);
    if (error == BRIDGE_OK && !has && last - from > (int64_t)batch->limit * WALK_FACTOR)
        error = store_word_set(batch->store, made_word, sql_integer(last));
    if (error == BRIDGE_OK)
        *ret_any = has;
    return error;
}

/* Notes whose time is over since the last batch, and gives up whose time was changed. */
static int close_made(struct batch *batch, const char *horizon)
{
    const struct sql_value now[] = {sql_text(store_now(batch->store)),
                                    sql_integer((int64_t)batch->limit)};
    const struct sql_value over = sql_text(span_str(horizon));
    int error = store_run(batch->store, RUN_MADE_CLOSE, now, 2);
    if (error != BRIDGE_OK)
        return error;
    batch->more |= changed(batch) == batch->limit;
    return store_run(batch->store, RUN_MADE_DISOWN, &over, 1);
}

static int walk_made(struct batch *batch, const char *horizon, int64_t from, int64_t *ret_to)
{
    struct stretch stretch = {from, from};
    int error = walk(batch, RUN_MADE_WALK, horizon, from, &stretch);
    const int64_t to = stretch.over;
    if (error == BRIDGE_OK && to != from) {
        const struct sql_value between[] = {sql_integer(from), sql_integer(to)};
        error = store_run(batch->store, RUN_MADE_ANSWERS, between, 2);
        if (error == BRIDGE_OK)
            error = remove_between(batch, RUN_MADE_MESSAGES, from, to);
        if (error == BRIDGE_OK)
            error = store_word_set(batch->store, made_word, sql_integer(to));
    }
    if (error == BRIDGE_OK)
        *ret_to = to;
    return error;
}

static int remove_made(struct batch *batch, const char *horizon, int64_t passed)
{
    const struct sql_value values[] = {sql_text(span_str(horizon)), sql_integer(passed),
                                       sql_integer((int64_t)batch->left)};
    int error = store_run(batch->store, RUN_MADE_STATUS, values, 3);
    if (error == BRIDGE_OK)
        error = store_run(batch->store, RUN_MADE_CONVERSATIONS, values, 3);
    if (error == BRIDGE_OK)
        error = store_run(batch->store, RUN_MADE_REMOVE, values, 3);
    if (error == BRIDGE_OK)
        spend(batch, changed(batch));
    return error;
}

static int retire_made(struct batch *batch, int64_t seconds)
{
    struct store *self = batch->store;
    char horizon[STAMP_SIZE];
    int64_t from = 0, passed = 0;
    bool any = false;
    store_before(self, seconds, horizon);
    int error = store_word_number(self, made_word, &from);
    if (error == BRIDGE_OK)
        error = look_made(batch, from, &any);
    if (error != BRIDGE_OK || !any || !fits_made(self))
        return error;
    error = close_made(batch, horizon);
    if (error == BRIDGE_OK)
        error = walk_made(batch, horizon, from, &passed);
    return error == BRIDGE_OK ? remove_made(batch, horizon, passed) : error;
}

int store_retire(struct store *self, const struct store_retention *retention, size_t limit,
                 size_t *ret_count, bool *ret_more)
{
    assert(!sqlite3_get_autocommit(self->db));
    struct batch batch = {self, limit, limit, false};
    int error = retire_kept(&batch, retention->keep_s);
    if (error == BRIDGE_OK && batch.left > 0)
        error = retire_dead(&batch, retention->dead_s);
    if (error == BRIDGE_OK && batch.left > 0)
        error = retire_audit(&batch, retention->audit_s);
    if (error == BRIDGE_OK && batch.left > 0)
        error = retire_made(&batch, retention->keep_s);
    if (error != BRIDGE_OK)
        return error;
    *ret_count = limit - batch.left;
    *ret_more = batch.more || batch.left == 0;
    return BRIDGE_OK;
}
