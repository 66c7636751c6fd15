/* Replies under the guard, and how queries end without one. */
#include <assert.h>
#include <string.h>

#include "adapters/bridge/audit.h"
#include "adapters/bridge/store_inside.h"

#define LIVE SQL_LIVE("c.expires_at", "?3")

/* A NULL in read is unread here as it is for the tail. The conversation is compared too: in a
 * restored copy of the file the same id may belong to another one's message. */
static const char guard_sql[] =
    "UPDATE messages SET read = 1 WHERE id = ?1 AND conversation_id = ?2 AND coalesce(read, 0) = 0"
    " AND EXISTS (SELECT 1 FROM conversations c WHERE c.id = ?2 AND " LIVE ")";

/* The same where its conversation was found to live in this very group: nobody else has changed it
 * since, and the group has one time. */
static const char guard_live_sql[] = "UPDATE messages SET read = 1 WHERE id = ?1"
                                     " AND conversation_id = ?2 AND coalesce(read, 0) = 0";

/* A claimed query's read flag is ours already: what only one can take is our own row. */
static const char guard_claimed_sql[] =
    "UPDATE tailgate_delivery SET updated_at = ?3"
    " WHERE message_id = ?1 AND conversation_id = ?2 AND claimed = 1 AND state <> 'dead'"
    " AND EXISTS (SELECT 1 FROM messages m JOIN conversations c ON c.id = m.conversation_id"
    " WHERE m.id = ?1 AND m.conversation_id = ?2 AND " LIVE ")";

/* A person may have set it back meanwhile: the next start would ask the query again. */
static const char read_sql[] =
    "UPDATE messages SET read = 1 WHERE id = ?1 AND coalesce(read, 0) = 0";

static const char why_sql[] = "SELECT coalesce(m.read, 0) <> 0, coalesce(" LIVE ", 0)"
                              " FROM messages m JOIN conversations c ON c.id = m.conversation_id"
                              " WHERE m.id = ?1 AND m.conversation_id = ?2";

static const char question_sql[] = "SELECT conversation_id, message FROM messages WHERE id = ?1";

static const char reply_sql[] =
    "INSERT INTO messages"
    "(conversation_id, from_session, to_session, message, metadata, timestamp, read)"
    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, 0)";

const struct store_sql store_sql_of_reply[] = {
    {RUN_GUARD, false, guard_sql},
    {RUN_GUARD_LIVE, false, guard_live_sql},
    {RUN_GUARD_CLAIMED, false, guard_claimed_sql},
    {RUN_READ, false, read_sql},
    {RUN_WHY, false, why_sql},
    {RUN_QUESTION, false, question_sql},
    {RUN_REPLY, false, reply_sql},
    {0},
};

const char *store_outcome_name(enum store_outcome outcome)
{
    static const char *const name[] = {"committed", "superseded", "expired", "deleted", "dropped"};
    return name[outcome];
}

static int write_audit(struct store *self, const struct store_reply *reply, const char *action)
{
    return store_audit(self, reply->conversation_id, reply->from_session, action);
}

static int take(struct store *self, enum store_statement statement, int64_t message_id,
                struct span conversation_id, bool *ret_ours)
{
    const struct sql_value values[] = {
        sql_integer(message_id),
        sql_text(conversation_id),
        sql_text(store_now(self)),
    };
    int error = store_run(self, statement, values, statement == RUN_GUARD_LIVE ? 2 : 3);
    if (error == BRIDGE_OK)
        *ret_ours = sqlite3_changes(self->db) == 1;
    return error;
}

int store_guard(struct store *self, int64_t message_id, struct span conversation_id, bool *ret_ours)
{
    if (store_lives(self, conversation_id))
        return take(self, RUN_GUARD_LIVE, message_id, conversation_id, ret_ours);
    int error = take(self, RUN_GUARD, message_id, conversation_id, ret_ours);
    if (error == BRIDGE_OK && *ret_ours)
        store_note_live(self, conversation_id);
    return error;
}

static int guard_claimed(struct store *self, const struct store_reply *reply, bool *ret_ours)
{
    bool ours = false;
    int error = take(self, RUN_GUARD_CLAIMED, reply->message_id, reply->conversation_id, &ours);
    const struct sql_value id = sql_integer(reply->message_id);
    if (error == BRIDGE_OK && ours)
        error = store_run(self, RUN_READ, &id, 1);
    if (error == BRIDGE_OK)
        *ret_ours = ours;
    return error;
}

static int guard(struct store *self, const struct store_reply *reply, bool *ret_ours)
{
    if (reply->claimed)
        return guard_claimed(self, reply, ret_ours);
    return store_guard(self, reply->message_id, reply->conversation_id, ret_ours);
}

struct verdict {
    bool row;  /* the query and its conversation are there */
    bool read; /* somebody has set read; claimed: our own row does not stand any more */
    bool live;
};

static int look(struct store *self, const struct store_reply *reply, struct verdict *ret_verdict)
{
    const struct sql_value values[] = {
        sql_integer(reply->message_id),
        sql_text(reply->conversation_id),
        sql_text(store_now(self)),
    };
    sqlite3_stmt *why = self->run[RUN_WHY];
    int error = sql_bind(why, values, 3);
    bool row = false;
    if (error == BRIDGE_OK)
        error = store_note_loss(self, sql_step(why, &row));
    struct verdict verdict = {
        .row = row,
        .read = row && sqlite3_column_int(why, 0) != 0,
        .live = row && sqlite3_column_int(why, 1) != 0,
    };
    sql_reset(why);
    if (error == BRIDGE_OK && reply->claimed) {
        bool claimed = false;
        error = store_is_claimed(self, reply->message_id, reply->conversation_id, &claimed);
        verdict.read = !claimed;
    }
    if (error == BRIDGE_OK)
        *ret_verdict = verdict;
    return error;
}

/* Why the guard changed nothing. */
static int classify(struct store *self, const struct store_reply *reply,
                    enum store_outcome *ret_end)
{
    struct verdict verdict;
    int error = look(self, reply, &verdict);
    if (error != BRIDGE_OK)
        return error;
    if (verdict.row && verdict.live && !verdict.read)
        return BRIDGE_REFUSED; /* a trigger of theirs keeps the row as it is */
    if (!verdict.row)
        *ret_end = STORE_DELETED;
    else if (reply->claimed)
        *ret_end = verdict.live ? STORE_SUPERSEDED : STORE_EXPIRED;
    else
        *ret_end = verdict.read ? STORE_SUPERSEDED : STORE_EXPIRED;
    return BRIDGE_OK;
}

/* True when the row is still the one that the answer is to (as_read). */
static int is_as_read(struct store *self, const struct store_reply *reply, bool *ret_same)
{
    *ret_same = true;
    if (!reply->as_read || reply->others == self->others)
        return BRIDGE_OK;
    const struct sql_value id = sql_integer(reply->message_id);
    sqlite3_stmt *question = self->run[RUN_QUESTION];
    bool row = false;
    int error = sql_bind(question, &id, 1);
    if (error == BRIDGE_OK)
        error = store_note_loss(self, sql_step(question, &row));
    if (error == BRIDGE_OK && row) { /* without one the guard says what there is to say */
        struct token_digest digest;
        token_digest(sql_column(question, 0), sql_column(question, 1), &digest);
        *ret_same = memcmp(&digest, reply->digest, sizeof digest) == 0;
    }
    sql_reset(question);
    return error;
}

int store_record_end(struct store *self, const struct store_reply *end, enum store_outcome *ret_end)
{
    static const char *const actions[] = {
        [STORE_SUPERSEDED] = "query_superseded",
        [STORE_EXPIRED] = "query_expired",
        [STORE_DELETED] = "query_deleted",
    };
    enum store_outcome outcome;
    int error = classify(self, end, &outcome);
    if (error != BRIDGE_OK)
        return error;
    bool again = false, first = true;
    error = store_is_kept(self, end->message_id, store_outcome_name(outcome), &again);
    if (error == BRIDGE_OK)
        error = store_ended(self, end->message_id, &first);
    audit_end_details(&self->details, end->message_id);
    if (error == BRIDGE_OK && !again && first) /* an answer after the end is no second end */
        error = write_audit(self, end, actions[outcome]);
    if (error == BRIDGE_OK && (end->recorded || end->claimed))
        error = store_forget(self, end->message_id, false);
    if (error == BRIDGE_OK && end->parked)
        error = store_unpark(self, end->message_id);
    if (error == BRIDGE_OK)
        *ret_end = outcome;
    return error;
}

static int note_sender(struct store *self, int64_t id, const struct store_message *message)
{
    const struct store_sender *sender = &message->sender;
    const struct sql_value values[] = {sql_integer(id), sql_text(sender->principal),
                                       sql_text_or_null(sender->name), sql_text(store_now(self))};
    if (sender->principal.size == 0)
        return BRIDGE_OK;
    return message->one_of_many ? store_gather(self, STORE_GATHER_SENDER, values)
                                : store_run(self, RUN_SENDER, values, 4);
}

static int audit_send(struct store *self, const struct store_message *message)
{
    audit_send_details(&self->details, message->to, message->text, message->redacted,
                       message->sender.principal);
    return message->one_of_many
               ? store_audit_gathered(self, message->conversation_id, message->from, "send_message")
               : store_audit(self, message->conversation_id, message->from, "send_message");
}

int store_send(struct store *self, const struct store_message *message, int64_t *ret_id)
{
    const struct sql_value values[] = {
        sql_text(message->conversation_id),
        sql_text(message->from),
        sql_text(message->to),
        sql_text(message->text),
        sql_text_or_null(message->metadata),
        sql_text(store_now(self)),
    };
    int error = store_run(self, RUN_REPLY, values, 6);
    if (error != BRIDGE_OK)
        return error;
    if (sqlite3_changes(self->db) != 1)
        return BRIDGE_REFUSED; /* a trigger of theirs ignored it */
    const int64_t id = sqlite3_last_insert_rowid(self->db);
    error = audit_send(self, message);
    if (error == BRIDGE_OK)
        error = note_sender(self, id, message);
    if (error == BRIDGE_OK)
        *ret_id = id;
    return error;
}

static int insert_reply(struct store *self, const struct store_reply *reply)
{
    const struct store_message message = {
        .conversation_id = reply->conversation_id,
        .from = reply->from_session,
        .to = reply->to_session,
        .text = reply->text,
        .metadata = reply->metadata,
        .redacted = reply->redacted,
        .sender = reply->sender,
        .one_of_many = true,
    };
    int64_t id = 0;
    int error = store_send(self, &message, &id);
    self->reply_id = id;
    if (error == BRIDGE_OK && reply->blob.size > 0)
        error = store_blob(self, id, reply->blob);
    if (error == BRIDGE_OK && reply->request)
        error = store_request_reply(self, reply->message_id, id);
    if (error == BRIDGE_OK && reply->ticket)
        error = store_ticket_reply(self, reply->message_id, id);
    return error;
}

static int bury(struct store *self, const struct store_reply *reply)
{
    audit_end_details(&self->details, reply->message_id);
    int error = write_audit(self, reply, "query_dead");
    return error == BRIDGE_OK ? store_dead(self, reply) : error;
}

/* The guard has taken the query: its reply, and what stands in our own tables about it. */
static int commit_reply(struct store *self, const struct store_reply *reply)
{
    int error = insert_reply(self, reply);
    if (error == BRIDGE_OK && reply->dead)
        error = bury(self, reply);
    else if (error == BRIDGE_OK && (reply->recorded || reply->claimed))
        error = store_forget(self, reply->message_id, true);
    if (error == BRIDGE_OK && reply->whole.size > 0)
        error = store_keep(self, reply, "cut");
    if (error == BRIDGE_OK && reply->parked)
        error = store_unpark(self, reply->message_id);
    if (error == BRIDGE_OK && reply->present)
        error = store_present(self, reply->conversation_id, reply->from_session);
    return error;
}

static bool is_clean(const struct store_reply *reply)
{
    return sql_is_clean(reply->conversation_id) && sql_is_clean(reply->from_session) &&
           sql_is_clean(reply->to_session) && sql_is_clean(reply->text) &&
           sql_is_clean(reply->metadata) && sql_is_clean(reply->whole) &&
           sql_is_clean(reply->worker) && sql_is_clean(reply->service) &&
           sql_is_clean(reply->reason) && sql_is_clean(reply->sender.principal) &&
           sql_is_clean(reply->sender.name);
}

/* Nobody gets this answer any more, but it was paid for. */
static int end_reply(struct store *self, const struct store_reply *reply,
                     enum store_outcome *ret_end)
{
    enum store_outcome end;
    int error = store_record_end(self, reply, &end);
    if (error == BRIDGE_OK && !reply->dead)
        error = store_keep(self, reply, store_outcome_name(end));
    if (error == BRIDGE_OK)
        *ret_end = end;
    return error;
}

int store_reply(struct store *self, const struct store_reply *reply,
                enum store_outcome *ret_outcome)
{
    assert(!sqlite3_get_autocommit(self->db));
    if (!is_clean(reply))
        return BRIDGE_REFUSED;
    bool same = true, ours = false;
    int error = is_as_read(self, reply, &same);
    self->reply_changed = !same;
    if (error == BRIDGE_OK && same)
        error = guard(self, reply, &ours);
    if (error != BRIDGE_OK)
        return error;
    if (!same) {
        *ret_outcome = STORE_DELETED;
        return BRIDGE_OK;
    }
    if (!ours)
        return end_reply(self, reply, ret_outcome);
    error = commit_reply(self, reply);
    if (error == BRIDGE_OK)
        *ret_outcome = STORE_COMMITTED;
    return error;
}

bool store_reply_changed(const struct store *self)
{
    return self->reply_changed;
}

int64_t store_reply_id(const struct store *self)
{
    return self->reply_id;
}

/* The guard has taken the query for nobody. */
static int commit_drop(struct store *self, const struct store_reply *drop)
{
    bool first = false;
    int error = store_ended(self, drop->message_id, &first);
    audit_end_details(&self->details, drop->message_id);
    if (error == BRIDGE_OK)
        error = write_audit(self, drop, "query_dropped");
    if (error == BRIDGE_OK)
        error = store_forget(self, drop->message_id, true);
    if (error == BRIDGE_OK)
        error = store_request_remove(self, drop->message_id);
    if (error == BRIDGE_OK)
        error = store_blob_remove(self, drop->message_id);
    if (error == BRIDGE_OK && drop->parked)
        error = store_unpark(self, drop->message_id);
    return error;
}

int store_drop(struct store *self, const struct store_reply *drop, enum store_outcome *ret_outcome)
{
    assert(!sqlite3_get_autocommit(self->db));
    if (!sql_is_clean(drop->conversation_id) || !sql_is_clean(drop->from_session))
        return BRIDGE_REFUSED;
    bool ours = false;
    int error = guard(self, drop, &ours);
    if (error != BRIDGE_OK)
        return error;
    if (!ours)
        return store_record_end(self, drop, ret_outcome);
    error = commit_drop(self, drop);
    if (error == BRIDGE_OK)
        *ret_outcome = STORE_DROPPED;
    return error;
}

int store_end(struct store *self, const struct store_reply *end, enum store_outcome *ret_outcome)
{
    assert(!sqlite3_get_autocommit(self->db));
    if (!sql_is_clean(end->conversation_id) || !sql_is_clean(end->from_session))
        return BRIDGE_REFUSED;
    return store_record_end(self, end, ret_outcome);
}
