/* What clients ask through the gate, as rows that the bridge's own programs could have written. */
#include <assert.h>

#include "adapters/bridge/store_inside.h"

/* Rows of one digest that are looked at, newest first: what was asked and answered more often than
 * that while one of them waits costs no more. */
#define SAME_MAX "16"

/* In a conversation that lives: unanswered, that is unread, or claimed by us and not dead; or
 * answered, and nobody is known to have had the answer. */
static const char same_sql[] =
    "SELECT r.message_id, m.conversation_id, a.id FROM"
    " (SELECT message_id, reply_id FROM tailgate_request"
    " WHERE digest = ?1 AND +asked_at >= ?2 ORDER BY message_id DESC LIMIT " SAME_MAX ") r"
    " JOIN messages m ON m.id = r.message_id JOIN conversations c ON c.id = m.conversation_id"
    " LEFT JOIN tailgate_delivery d ON d.message_id = m.id"
    " AND d.conversation_id = m.conversation_id"
    " LEFT JOIN messages a ON a.id = r.reply_id AND a.conversation_id = m.conversation_id"
    " WHERE " SQL_LIVE(
        "c.expires_at",
        "?3") " AND (?4 IS NULL OR m.conversation_id = ?4)"
              " AND (coalesce(m.read, 0) = 0 OR (d.claimed = 1 AND d.state <> 'dead')"
              " OR a.id IS NOT NULL)"
              " ORDER BY r.message_id DESC LIMIT 1";

static const char request_sql[] =
    "INSERT INTO tailgate_request(message_id, digest, asked_at) VALUES(?1, ?2, ?3)";
static const char request_reply_sql[] =
    "UPDATE tailgate_request SET reply_id = ?2 WHERE message_id = ?1";
static const char request_remove_sql[] = "DELETE FROM tailgate_request WHERE message_id = ?1";

const struct store_sql store_sql_of_ask[] = {
    {RUN_SAME, false, same_sql},
    {RUN_REQUEST, false, request_sql},
    {RUN_REQUEST_REPLY, false, request_reply_sql},
    {RUN_REQUEST_REMOVE, false, request_remove_sql},
    {0},
};

/* A row that was asked before, and what is known of its answer. */
struct same {
    bool found;
    int64_t id, reply_id; /* 0: unanswered */
};

static int find_same(struct store *self, const struct store_ask *ask, struct same *ret_same,
                     struct talk *ret_talk)
{
    char since[STAMP_SIZE];
    store_before(self, ask->coalesce_s, since);
    const struct sql_value values[] = {sql_blob(ask->digest), sql_text(span_str(since)),
                                       sql_text(store_now(self)),
                                       sql_text_or_null(ask->conversation_id)};
    sqlite3_stmt *run = self->run[RUN_SAME];
    bool row = false;
    int error = sql_bind(run, values, 4);
    if (error == BRIDGE_OK)
        error = store_note_loss(self, sql_step(run, &row));
    ret_same->found = row && talk_name(ret_talk, sql_column(run, 1));
    ret_same->id = row ? sqlite3_column_int64(run, 0) : 0;
    ret_same->reply_id = row ? sqlite3_column_int64(run, 2) : 0;
    sql_reset(run);
    return error;
}

static int insert(struct store *self, const struct store_ask *ask, const struct talk *talk,
                  int64_t *ret_id)
{
    const struct store_message message = {
        .conversation_id = span_str(talk->id),
        .from = span_str("a"),
        .to = ask->session,
        .text = ask->text,
        .metadata = ask->metadata,
        .sender = ask->sender,
    };
    int64_t id = 0;
    int error = store_send(self, &message, &id);
    const struct sql_value request[] = {sql_integer(id), sql_blob(ask->digest),
                                        sql_text(store_now(self))};
    if (error == BRIDGE_OK)
        error = store_run(self, RUN_REQUEST, request, 3);
    if (error == BRIDGE_OK && ask->blob.size > 0)
        error = store_blob(self, id, ask->blob);
    if (error == BRIDGE_OK)
        *ret_id = id;
    return error;
}

static bool is_clean(const struct store_ask *ask)
{
    return sql_is_clean(ask->principal) && sql_is_clean(ask->role) && sql_is_clean(ask->service) &&
           sql_is_clean(ask->session) && sql_is_clean(ask->text) && sql_is_clean(ask->metadata) &&
           sql_is_clean(ask->ticket) && sql_is_clean(ask->conversation_id) &&
           sql_is_clean(ask->sender.principal) && sql_is_clean(ask->sender.name);
}

/* Finds the row of the same request, or makes one. */
static int find_or_make(struct store *self, const struct store_ask *ask,
                        enum store_asked *ret_asked, int64_t *ret_id)
{
    struct talk talk = {""};
    struct same same = {.found = false};
    int error = BRIDGE_OK;
    if (!ask->fresh)
        error = find_same(self, ask, &same, &talk);
    if (error == BRIDGE_OK && !same.found)
        error = talk_enter(self, ask, &talk);
    if (error == BRIDGE_OK)
        error = talk_put_off(self, ask, &talk);
    if (error == BRIDGE_OK && !same.found)
        error = insert(self, ask, &talk, &same.id);
    if (error == BRIDGE_OK && ask->ticket.size > 0)
        error = store_ticket(self, ask->ticket, same.id, same.reply_id, ask->ticket_s);
    *ret_id = same.id;
    *ret_asked = !same.found ? STORE_ASKED : same.reply_id ? STORE_ANSWERED : STORE_ATTACHED;
    return error;
}

/* A trigger of theirs that does not run in our connection is a refusal, too: outwaiting it would
 * hold up the replies behind it, and nobody has been given a word for this row yet. */
static int judge(const struct store *self, int error)
{
    bool logic = (sqlite3_errcode(self->db) & 0xff) == SQLITE_ERROR;
    return error == BRIDGE_OTHER && logic ? BRIDGE_REFUSED : error;
}

int store_ask(struct store *self, const struct store_ask *ask, enum store_asked *ret_asked,
              int64_t *ret_id)
{
    assert(!sqlite3_get_autocommit(self->db));
    enum store_asked asked = STORE_NO_CONVERSATION;
    bool may = true;
    int64_t id = 0;
    if (!is_clean(ask) || !talk_fits(ask))
        return BRIDGE_REFUSED;
    int error = ask->conversation_id.size > 0 ? talk_may(self, ask, &may) : BRIDGE_OK;
    if (error == BRIDGE_OK && may)
        error = find_or_make(self, ask, &asked, &id);
    if (error != BRIDGE_OK)
        return judge(self, error);
    *ret_asked = asked;
    if (may)
        *ret_id = id;
    return BRIDGE_OK;
}

int store_request_reply(struct store *self, int64_t message_id, int64_t reply_id)
{
    const struct sql_value values[] = {sql_integer(message_id), sql_integer(reply_id)};
    return store_run(self, RUN_REQUEST_REPLY, values, 2);
}

int store_delivered(struct store *self, const int64_t *id, size_t count)
{
    assert(!sqlite3_get_autocommit(self->db));
    int error = BRIDGE_OK;
    for (size_t i = 0; i < count && error == BRIDGE_OK; i++)
        error = store_request_remove(self, id[i]);
    return error;
}

int store_request_remove(struct store *self, int64_t message_id)
{
    const struct sql_value id = sql_integer(message_id);
    return store_run(self, RUN_REQUEST_REMOVE, &id, 1);
}
