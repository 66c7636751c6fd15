/* Conversations of tailgate_made, by a walk over messages, which has no index on conversation_id.
 *
 * When a conversation's time is over nobody writes to it any more, so its last message is at or
 * below the highest id of that moment (last_id); it goes when the walk is past that. */
#include "adapters/bridge/store_retire_inside.h"

static const char made_word[] = "retire.messages"; /* the cursor of the walk */

static const char made_any_sql[] = "SELECT EXISTS (SELECT 1 FROM tailgate_made),"
                                   " (SELECT coalesce(max(id), 0) FROM messages)";

static const char made_close_sql[] =
    "UPDATE tailgate_made SET last_id = (SELECT coalesce(max(id), 0) FROM messages)"
    " WHERE conversation_id IN (SELECT conversation_id FROM tailgate_made"
    " WHERE last_id IS NULL AND expires_at < ?1 ORDER BY expires_at LIMIT ?2)";

/* Whose time somebody has changed is theirs now. */
#define DISOWNED                                                                                   \
    "(SELECT t.conversation_id"                                                                    \
    " FROM tailgate_made t JOIN conversations c ON c.id = t.conversation_id"                       \
    " WHERE t.last_id IS NOT NULL AND t.expires_at < ?1 AND c.expires_at <> t.expires_at)"

static const char made_disown_clients_sql[] =
    "DELETE FROM tailgate_client WHERE conversation_id IN " DISOWNED;
static const char made_disown_sql[] =
    "DELETE FROM tailgate_made WHERE conversation_id IN " DISOWNED;

static const char made_walk_sql[] =
    "SELECT m.id, t.conversation_id IS NOT NULL, coalesce(t.expires_at >= ?1, 0)"
    " FROM messages m LEFT JOIN tailgate_made t ON t.conversation_id = m.conversation_id"
    " WHERE m.id > ?2 ORDER BY m.id LIMIT ?3";

#define IS_MADE                                                                                    \
    " EXISTS (SELECT 1 FROM tailgate_made t WHERE t.conversation_id = m.conversation_id)"

static const char made_answers_sql[] =
    "DELETE FROM tailgate_answer WHERE message_id IN"
    " (SELECT m.id FROM messages m WHERE m.id > ?1 AND m.id <= ?2 AND" IS_MADE ")";
static const char made_bodies_sql[] =
    "DELETE FROM tailgate_blob WHERE message_id IN"
    " (SELECT m.id FROM messages m WHERE m.id > ?1 AND m.id <= ?2 AND" IS_MADE ")";
static const char made_senders_sql[] =
    "DELETE FROM tailgate_sender WHERE message_id IN"
    " (SELECT m.id FROM messages m WHERE m.id > ?1 AND m.id <= ?2 AND" IS_MADE ")";
static const char made_messages_sql[] =
    "DELETE FROM messages AS m WHERE m.id > ?1 AND m.id <= ?2 AND" IS_MADE;

#define OVER                                                                                       \
    "(SELECT conversation_id FROM tailgate_made WHERE last_id IS NOT NULL AND expires_at < ?1"     \
    " AND last_id <= ?2 ORDER BY expires_at, conversation_id LIMIT ?3)"

static const char made_status_sql[] = "DELETE FROM session_status WHERE conversation_id IN " OVER;
static const char made_conversations_sql[] = "DELETE FROM conversations WHERE id IN " OVER;
static const char made_clients_sql[] = "DELETE FROM tailgate_client WHERE conversation_id IN " OVER;
static const char made_remove_sql[] = "DELETE FROM tailgate_made WHERE conversation_id IN " OVER;

/* A trigger on what is removed that our connection may not run. */
const struct store_sql store_sql_of_retire_made[] = {
    {RUN_MADE_ANY, false, made_any_sql},
    {RUN_MADE_CLOSE, false, made_close_sql},
    {RUN_MADE_DISOWN_CLIENTS, false, made_disown_clients_sql},
    {RUN_MADE_DISOWN, false, made_disown_sql},
    {RUN_MADE_WALK, false, made_walk_sql},
    {RUN_MADE_ANSWERS, false, made_answers_sql},
    {RUN_MADE_BODIES, false, made_bodies_sql},
    {RUN_MADE_SENDERS, false, made_senders_sql},
    {RUN_MADE_CLIENTS, false, made_clients_sql},
    {RUN_MADE_MESSAGES, true, made_messages_sql},
    {RUN_MADE_STATUS, true, made_status_sql},
    {RUN_MADE_CONVERSATIONS, true, made_conversations_sql},
    {RUN_MADE_REMOVE, false, made_remove_sql},
    {0},
};

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
    if (error == BRIDGE_OK && !has && last - from > (int64_t)batch->limit * RETIRE_WALK_FACTOR)
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
    batch->more |= retire_changed(batch) == batch->limit;
    error = store_run(batch->store, RUN_MADE_DISOWN_CLIENTS, &over, 1);
    return error == BRIDGE_OK ? store_run(batch->store, RUN_MADE_DISOWN, &over, 1) : error;
}

static int walk_made(struct batch *batch, const char *horizon, int64_t from, int64_t *ret_to)
{
    struct stretch stretch = {from, from};
    int error = retire_walk(batch, RUN_MADE_WALK, horizon, from, &stretch);
    const int64_t to = stretch.over;
    if (error == BRIDGE_OK && to != from) {
        const struct sql_value between[] = {sql_integer(from), sql_integer(to)};
        error = store_run(batch->store, RUN_MADE_ANSWERS, between, 2);
        if (error == BRIDGE_OK)
            error = store_run(batch->store, RUN_MADE_BODIES, between, 2);
        if (error == BRIDGE_OK)
            error = store_run(batch->store, RUN_MADE_SENDERS, between, 2);
        if (error == BRIDGE_OK)
            error = retire_between(batch, RUN_MADE_MESSAGES, from, to);
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
        error = store_run(batch->store, RUN_MADE_CLIENTS, values, 3);
    if (error == BRIDGE_OK)
        error = store_run(batch->store, RUN_MADE_REMOVE, values, 3);
    if (error == BRIDGE_OK)
        retire_spend(batch, retire_changed(batch));
    return error;
}

int retire_made(struct batch *batch, int64_t seconds)
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
