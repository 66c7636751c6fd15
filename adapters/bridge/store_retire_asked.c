/* What clients of the gate have left: requests that nobody attaches to any more, tickets that are
 * over, keys of queries that were submitted, bodies whose row is gone, and who the senders of rows
 * were.
 *
 * A body goes with the message of a conversation of ours (store_retire_made.c). Where somebody else
 * has removed the message (the bridge's own cleanup) it is found by a walk that begins again when
 * it is through, and looks at as many bodies in one go as may be removed: what is found so is an
 * exception, and waits. */
#include "adapters/bridge/store_retire_inside.h"

static const char body_word[] = "retire.bodies"; /* the cursor of the walk */

static const char tickets_over_sql[] =
    "DELETE FROM tailgate_ticket WHERE ticket IN"
    " (SELECT ticket FROM tailgate_ticket WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)";
/* Ids grow with time. A stamp ahead of the clock would hold up what comes after it, and nobody
 * needs such a row: the same request is made anew then. */
static const char requests_over_sql[] =
    "DELETE FROM tailgate_request WHERE message_id IN (SELECT message_id FROM"
    " (SELECT message_id, asked_at FROM tailgate_request ORDER BY message_id LIMIT ?2)"
    " WHERE asked_at < ?1 OR asked_at >= ?3)";
static const char blobs_next_sql[] =
    "SELECT id FROM (SELECT max(message_id) AS id FROM (SELECT message_id FROM tailgate_blob"
    " WHERE message_id > ?1 ORDER BY message_id LIMIT ?2)) WHERE id IS NOT NULL";
static const char blobs_over_sql[] =
    "DELETE FROM tailgate_blob WHERE message_id > ?1 AND message_id <= ?2 AND kept_at < ?3"
    " AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.id = tailgate_blob.message_id)";

static const char known_over_sql[] =
    "DELETE FROM tailgate_idempotency WHERE (conversation_id, session, key) IN"
    " (SELECT conversation_id, session, key FROM tailgate_idempotency WHERE made_at < ?1"
    " ORDER BY made_at LIMIT ?2)";

/* Ids grow with time, as above. */
static const char senders_over_sql[] =
    "DELETE FROM tailgate_sender WHERE message_id IN (SELECT message_id FROM"
    " (SELECT message_id, made_at FROM tailgate_sender ORDER BY message_id LIMIT ?2)"
    " WHERE made_at < ?1 OR made_at >= ?3)";

const struct store_sql store_sql_of_retire_asked[] = {
    {RUN_TICKETS_OVER, false, tickets_over_sql},
    {RUN_REQUESTS_OVER, false, requests_over_sql},
    {RUN_BLOBS_NEXT, false, blobs_next_sql},
    {RUN_BLOBS_OVER, false, blobs_over_sql},
    {RUN_SENDERS_OVER, false, senders_over_sql},
    {RUN_KNOWN_OVER, false, known_over_sql},
    {0},
};

/* The first rows by id that are older than SECONDS, or ahead of the clock. */
static int retire_first(struct batch *batch, enum store_statement statement, int64_t seconds)
{
    char horizon[STAMP_SIZE], ahead[STAMP_SIZE];
    store_before(batch->store, seconds, horizon);
    store_before(batch->store, -RETIRE_AHEAD_S, ahead);
    const struct sql_value values[] = {
        sql_text(span_str(horizon)), sql_integer((int64_t)batch->left), sql_text(span_str(ahead))};
    int error = store_run(batch->store, statement, values, 3);
    if (error == BRIDGE_OK)
        retire_spend(batch, retire_changed(batch));
    return error;
}

/* The next stretch of the walk; a full one of which something went is worth going on with. */
static int retire_bodies(struct batch *batch, int64_t seconds)
{
    struct store *self = batch->store;
    char horizon[STAMP_SIZE];
    int64_t from = 0, to = 0;
    bool any = false;
    store_before(self, seconds, horizon);
    int error = store_word_number(self, body_word, &from);
    const struct sql_value next[] = {sql_integer(from), sql_integer((int64_t)batch->left)};
    if (error == BRIDGE_OK)
        error = store_look(self, RUN_BLOBS_NEXT, next, 2, &any, &to);
    if (error != BRIDGE_OK || (!any && from == 0))
        return error;
    if (!any)
        return store_word_set(self, body_word, sql_integer(0));
    const struct sql_value values[] = {sql_integer(from), sql_integer(to),
                                       sql_text(span_str(horizon))};
    error = store_run(self, RUN_BLOBS_OVER, values, 3);
    if (error != BRIDGE_OK)
        return error;
    batch->more |= retire_changed(batch) > 0;
    retire_spend(batch, retire_changed(batch));
    return store_word_set(self, body_word, sql_integer(to));
}

int retire_asked(struct batch *batch, const struct store_retention *retention)
{
    int error = retire_older(batch, RUN_TICKETS_OVER, 0);
    if (error == BRIDGE_OK && batch->left > 0)
        error = retire_first(batch, RUN_REQUESTS_OVER, retention->request_s);
    if (error == BRIDGE_OK && batch->left > 0)
        error = retire_older(batch, RUN_KNOWN_OVER, retention->key_s);
    if (error == BRIDGE_OK && batch->left > 0)
        error = retire_first(batch, RUN_SENDERS_OVER, retention->audit_s);
    if (error == BRIDGE_OK && batch->left > 0)
        error = retire_bodies(batch, retention->keep_s);
    return error;
}
