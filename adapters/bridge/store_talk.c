/* In which conversation a client asks: one of ours for its principal and service, or the one that
 * it names.
 *
 * One of ours takes questions for turn_s seconds, and is made to live that much longer than a
 * question in it must: so its end need not be put off with each of them. Then the next one is made,
 * so that retention can remove the first in one piece. Where somebody else has changed its time it
 * is theirs (store_retire_made.c), and the next one is made, too. */
#include <sodium.h>

#include "adapters/bridge/audit.h"
#include "adapters/bridge/store_inside.h"

/* The newest one of a client and a service that still takes questions. */
static const char talk_sql[] =
    "SELECT k.conversation_id FROM tailgate_client k"
    " JOIN tailgate_made t ON t.conversation_id = k.conversation_id"
    " JOIN conversations c ON c.id = k.conversation_id"
    " WHERE k.principal = ?1 AND k.service = ?2 AND k.made_at > ?3 AND k.made_at <= ?4"
    " AND t.last_id IS NULL AND t.expires_at = c.expires_at AND " SQL_LIVE(
        "c.expires_at", "?4") " ORDER BY k.made_at DESC LIMIT 1";
static const char talk_made_sql[] =
    "INSERT INTO tailgate_made(conversation_id, expires_at) VALUES(?1, ?2)";
static const char talk_client_sql[] =
    "INSERT INTO tailgate_client(conversation_id, principal, service, made_at)"
    " VALUES(?1, ?2, ?3, ?4)";

/* One that a client names: whether it lives, and whether we made it for that client. */
static const char talk_named_sql[] = "SELECT coalesce(" SQL_LIVE(
    "c.expires_at",
    "?2") ", 0), coalesce(k.principal = ?3, 0)"
          " FROM conversations c LEFT JOIN tailgate_client k ON k.conversation_id = c.id"
          " WHERE c.id = ?1";
static const char talk_token_sql[] = "SELECT token_a FROM " DB_TOKEN_CHECK " WHERE id = ?1";

static const char talk_made_live_sql[] =
    "UPDATE tailgate_made SET expires_at = ?3"
    " WHERE conversation_id = ?1 AND expires_at < ?2 AND last_id IS NULL"
    " AND EXISTS (SELECT 1 FROM tailgate_client k WHERE k.conversation_id = ?1)"
    " AND EXISTS (SELECT 1 FROM conversations c"
    " WHERE c.id = ?1 AND c.expires_at = tailgate_made.expires_at)";
static const char talk_live_sql[] = "UPDATE conversations SET expires_at = ?2 WHERE id = ?1";

const struct store_sql store_sql_of_talk[] = {
    {RUN_TALK, false, talk_sql},
    {RUN_TALK_MAKE, false, conversation_make_sql},
    {RUN_TALK_MADE, false, talk_made_sql},
    {RUN_TALK_CLIENT, false, talk_client_sql},
    {RUN_TALK_NAMED, false, talk_named_sql},
    {RUN_TALK_TOKEN, false, talk_token_sql},
    {RUN_TALK_MADE_LIVE, false, talk_made_live_sql},
    {RUN_TALK_LIVE, false, talk_live_sql},
    {0},
};

bool talk_name(struct talk *self, struct span id)
{
    if (id.size == 0 || id.size >= sizeof self->id)
        return false;
    memcpy(self->id, id.data, id.size);
    self->id[id.size] = '\0';
    return true;
}

/* How long the conversation of ASK lives from now on, at least. */
static int64_t lifetime(const struct store_ask *ask)
{
    return ask->ticket.size > 0 && ask->ticket_s > ask->live_s ? ask->ticket_s : ask->live_s;
}

bool talk_fits(const struct store_ask *ask)
{
    return ask->coalesce_s >= 0 && ask->live_s >= 0 && ask->turn_s >= 0 && ask->ticket_s >= 0 &&
           ask->turn_s <= CONVERSATION_TTL_MAX_S &&
           lifetime(ask) <= CONVERSATION_TTL_MAX_S - ask->turn_s &&
           ask->ticket_s <= CONVERSATION_TTL_MAX_S;
}

/* Constant time in what the stored token is. */
static int check_token(struct store *self, const struct store_ask *ask, bool *ret_right)
{
    const struct sql_value id = sql_text(ask->conversation_id);
    sqlite3_stmt *run = self->run[RUN_TALK_TOKEN];
    bool row = false;
    int error = sql_bind(run, &id, 1);
    if (error == BRIDGE_OK)
        error = store_note_loss(self, sql_step(run, &row));
    struct span token = row ? sql_column(run, 0) : span_of(NULL, 0);
    *ret_right = token.size > 0 && token.size == ask->session_token.size &&
                 sodium_memcmp(token.data, ask->session_token.data, token.size) == 0;
    sql_reset(run);
    return error;
}

int talk_may(struct store *self, const struct store_ask *ask, bool *ret_may)
{
    const struct sql_value values[] = {sql_text(ask->conversation_id), sql_text(store_now(self)),
                                       sql_text(ask->principal)};
    sqlite3_stmt *run = self->run[RUN_TALK_NAMED];
    bool row = false, right = false;
    int error = sql_bind(run, values, 3);
    if (error == BRIDGE_OK)
        error = store_note_loss(self, sql_step(run, &row));
    bool live = row && sqlite3_column_int(run, 0) != 0;
    bool theirs = row && sqlite3_column_int(run, 1) != 0;
    sql_reset(run);
    if (error == BRIDGE_OK && live && ask->session_token.size > 0)
        error = check_token(self, ask, &right);
    *ret_may = live && (ask->session_token.size > 0 ? right : theirs);
    return error;
}

static int find(struct store *self, const struct store_ask *ask, bool *ret_found,
                struct talk *ret_talk)
{
    char since[STAMP_SIZE];
    store_before(self, ask->turn_s, since);
    const struct sql_value values[] = {sql_text(ask->principal), sql_text(ask->service),
                                       sql_text(span_str(since)), sql_text(store_now(self))};
    sqlite3_stmt *run = self->run[RUN_TALK];
    bool row = false;
    int error = sql_bind(run, values, 4);
    if (error == BRIDGE_OK)
        error = store_note_loss(self, sql_step(run, &row));
    *ret_found = row && talk_name(ret_talk, sql_column(run, 0));
    sql_reset(run);
    return error;
}

int talk_make(struct store *self, struct span role_a, struct span role_b, int64_t ttl_s,
              struct conversation *ret_made)
{
    struct conversation made;
    conversation_name(&made, ttl_s, self->now_us);
    const struct sql_value values[] = {
        sql_text(span_str(made.id)),
        sql_text(role_a),
        sql_text(role_b),
        sql_text(span_str(made.token_a)),
        sql_text(span_str(made.token_b)),
        sql_text(span_str(made.created_at)),
        sql_text(span_str(made.expires_at)),
    };
    const struct sql_value ours[] = {values[0], values[6]};
    int error = store_run(self, RUN_TALK_MAKE, values, 7);
    if (error == BRIDGE_OK && sqlite3_changes(self->db) != 1)
        error = BRIDGE_REFUSED; /* a trigger of theirs ignored it */
    audit_roles_details(&self->details, role_a, role_b);
    if (error == BRIDGE_OK)
        error = store_audit(self, span_str(made.id), span_of(NULL, 0), "create_conversation");
    if (error == BRIDGE_OK)
        error = store_run(self, RUN_TALK_MADE, ours, 2);
    if (error == BRIDGE_OK)
        *ret_made = made;
    return error;
}

static int make(struct store *self, const struct store_ask *ask, struct talk *ret_talk)
{
    struct conversation made;
    int error = talk_make(self, ask->role, ask->service, lifetime(ask) + ask->turn_s, &made);
    if (error != BRIDGE_OK)
        return error;
    const struct sql_value client[] = {
        sql_text(span_str(made.id)),
        sql_text(ask->principal),
        sql_text(ask->service),
        sql_text(span_str(made.created_at)),
    };
    error = store_run(self, RUN_TALK_CLIENT, client, 4);
    if (error == BRIDGE_OK)
        talk_name(ret_talk, span_str(made.id));
    return error;
}

int talk_enter(struct store *self, const struct store_ask *ask, struct talk *ret_talk)
{
    bool found = false;
    if (ask->conversation_id.size > 0)
        return talk_name(ret_talk, ask->conversation_id) ? BRIDGE_OK : BRIDGE_REFUSED;
    int error = find(self, ask, &found, ret_talk);
    return error == BRIDGE_OK && !found ? make(self, ask, ret_talk) : error;
}

int talk_put_off(struct store *self, const struct store_ask *ask, const struct talk *talk)
{
    char least[STAMP_SIZE], until[STAMP_SIZE];
    store_before(self, -lifetime(ask), least);
    store_before(self, -lifetime(ask) - ask->turn_s, until);
    const struct sql_value made[] = {sql_text(span_str(talk->id)), sql_text(span_str(least)),
                                     sql_text(span_str(until))};
    const struct sql_value theirs[] = {made[0], made[2]};
    int error = store_run(self, RUN_TALK_MADE_LIVE, made, 3);
    if (error == BRIDGE_OK && sqlite3_changes(self->db) == 1)
        error = store_run(self, RUN_TALK_LIVE, theirs, 2);
    return error;
}
