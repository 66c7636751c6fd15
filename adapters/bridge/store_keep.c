/* tailgate_answer: what was paid for and does not stand whole in a reply row. */
#include <assert.h>

#include "adapters/bridge/store_inside.h"

/* Kept for one query at most: somebody may answer it for ever. One attempt's answer is kept once: a
 * worker that has lost its gateway says it again to the next one. */
#define KEPT_MAX "20"

static const char keep_sql[] =
    "INSERT INTO tailgate_answer"
    "(message_id, conversation_id, why, worker, attempt, answer, metadata, kept_at)"
    " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8"
    " WHERE (SELECT count(*) FROM tailgate_answer WHERE message_id = ?1) < " KEPT_MAX
    " AND NOT EXISTS (SELECT 1 FROM tailgate_answer"
    " WHERE message_id = ?1 AND why = ?3 AND worker = ?4 AND attempt = ?5)";

static const char kept_sql[] =
    "SELECT 1 FROM tailgate_answer WHERE message_id = ?1 AND why = ?2 LIMIT 1";

const struct store_sql store_sql_of_keep[] = {
    {RUN_KEEP, false, keep_sql},
    {RUN_KEPT, false, kept_sql},
    {0},
};

int store_is_kept(struct store *self, int64_t message_id, const char *why, bool *ret_kept)
{
    const struct sql_value values[] = {sql_integer(message_id), sql_text(span_str(why))};
    int64_t one = 0;
    return store_look(self, RUN_KEPT, values, 2, ret_kept, &one);
}

int store_keep(struct store *self, const struct store_reply *reply, const char *why)
{
    assert(!sqlite3_get_autocommit(self->db));
    struct span answer = reply->kept.size > 0    ? reply->kept
                         : reply->whole.size > 0 ? reply->whole
                                                 : reply->text;
    if (!sql_is_clean(reply->conversation_id) || !sql_is_clean(reply->worker) ||
        !sql_is_clean(answer) || !sql_is_clean(reply->metadata))
        return BRIDGE_REFUSED;
    const struct sql_value values[] = {
        sql_integer(reply->message_id),    sql_text(reply->conversation_id),
        sql_text(span_str(why)),           sql_text(reply->worker),
        sql_integer(reply->attempt),       sql_text(answer),
        sql_text_or_null(reply->metadata), sql_text(store_now(self)),
    };
    return store_run(self, RUN_KEEP, values, 8);
}
