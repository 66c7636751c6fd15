#include "adapters/bridge/conversation.h"

#include <sodium.h>
#include <stdio.h>

#include "adapters/bridge/audit.h"
#include "adapters/bridge/schema.h"
#include "adapters/bridge/sql.h"
#include "proto/token.h"

const char conversation_make_sql[] = "INSERT INTO conversations(id, session_a_role, "
                                     "session_b_role, session_a_token, session_b_token,"
                                     " created_at, expires_at) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)";

static const char made_sql[] =
    "INSERT INTO tailgate_made(conversation_id, expires_at) VALUES(?1, ?2)";

static const char look_sql[] =
    "SELECT coalesce(" SQL_LIVE("expires_at", "?2") ", 0) FROM conversations WHERE id = ?1";

/* With foreign_keys off, as SQLite has it, nothing else would refuse a message to nowhere. */
static const char send_sql[] =
    "INSERT INTO messages"
    "(conversation_id, from_session, to_session, message, metadata, timestamp, read)"
    " SELECT ?1, ?2, ?3, ?4, ?5, ?6, 0 WHERE EXISTS (SELECT 1 FROM conversations WHERE id = ?1)";

static const char fetch_sql[] = "UPDATE messages SET read = 1 WHERE id = ?1 AND read = 0";

static const char fetched_sql[] =
    "INSERT INTO audit_log(conversation_id, session_id, action, details, timestamp)"
    " SELECT conversation_id, to_session, 'get_messages', '{\"count\": 1}', ?2"
    " FROM messages WHERE id = ?1";

/* Prepares, runs once and finalizes: these calls are rare. */
static int run_once(sqlite3 *db, const char *sql, const struct sql_value *values, size_t count)
{
    sqlite3_stmt *statement = NULL;
    int error = db_prepare(db, sql, &statement);
    if (error != BRIDGE_OK)
        return error;
    error = sql_run(statement, values, count);
    sqlite3_finalize(statement);
    return error;
}

static int audit_once(sqlite3 *db, const struct audit_entry *entry)
{
    sqlite3_stmt *statement = NULL;
    int error = db_prepare(db, audit_sql, &statement);
    if (error != BRIDGE_OK)
        return error;
    error = audit_write(statement, entry);
    sqlite3_finalize(statement);
    return error;
}

static void random_hex(char *ret_text, size_t size)
{
    unsigned char bytes[32];
    randombytes_buf(bytes, size / 2);
    sodium_bin2hex(ret_text, size + 1, bytes, size / 2);
}

void conversation_name(struct conversation *conversation, int64_t ttl_s, int64_t now_us)
{
    memcpy(conversation->id, "conv_", 5);
    random_hex(conversation->id + 5, 16);
    random_hex(conversation->token_a, 64);
    random_hex(conversation->token_b, 64);
    stamp_format(now_us, conversation->created_at);
    stamp_format(now_us + ttl_s * 1000000, conversation->expires_at);
}

static int insert(sqlite3 *db, const struct conversation *conversation, struct span role_a,
                  struct span role_b)
{
    const struct sql_value values[] = {
        sql_text(span_str(conversation->id)),
        sql_text(role_a),
        sql_text(role_b),
        sql_text(span_str(conversation->token_a)),
        sql_text(span_str(conversation->token_b)),
        sql_text(span_str(conversation->created_at)),
        sql_text(span_str(conversation->expires_at)),
    };
    int error = run_once(db, conversation_make_sql, values, 7);
    if (error != BRIDGE_OK)
        return error;
    struct buffer details;
    buffer_init(&details);
    audit_roles_details(&details, role_a, role_b);
    const struct audit_entry entry = {
        .conversation_id = span_str(conversation->id),
        .action = "create_conversation",
        .details = buffer_span(&details),
        .timestamp = span_str(conversation->created_at),
    };
    error = audit_once(db, &entry);
    buffer_done(&details);
    return error;
}

static int note_made(sqlite3 *db, const struct conversation *conversation)
{
    bool there = false;
    int error = schema_check_ours(db);
    if (error == BRIDGE_OK)
        error = schema_has(db, "tailgate_made", &there);
    if (error == BRIDGE_NEWER)
        return BRIDGE_OK;
    if (error != BRIDGE_OK || !there)
        return error;
    const struct sql_value values[] = {sql_text(span_str(conversation->id)),
                                       sql_text(span_str(conversation->expires_at))};
    return run_once(db, made_sql, values, 2);
}

int conversation_put_ours(sqlite3 *db, const struct conversation *conversation, struct span role_a,
                          struct span role_b)
{
    if (!sql_is_clean(role_a) || !sql_is_clean(role_b))
        return BRIDGE_REFUSED;
    int error = insert(db, conversation, role_a, role_b);
    return error == BRIDGE_OK ? note_made(db, conversation) : error;
}

static int make(sqlite3 *db, const char *asker_role, const char *responder_role, int64_t ttl_s,
                int64_t now_us, bool ours, struct conversation *ret_conversation)
{
    struct span role_a = span_str(asker_role), role_b = span_str(responder_role);
    if (!sql_is_clean(role_a) || !sql_is_clean(role_b) || ttl_s < 0 ||
        ttl_s > CONVERSATION_TTL_MAX_S)
        return BRIDGE_REFUSED;
    if (token_init() != 0)
        return BRIDGE_OTHER;
    struct conversation conversation;
    conversation_name(&conversation, ttl_s, now_us);
    int error = sql_begin(db);
    if (error != BRIDGE_OK)
        return error;
    error = insert(db, &conversation, role_a, role_b);
    if (error == BRIDGE_OK && ours)
        error = note_made(db, &conversation);
    error = sql_end(db, error);
    if (error == BRIDGE_OK)
        *ret_conversation = conversation;
    return error;
}

int conversation_make(sqlite3 *db, const char *asker_role, const char *responder_role,
                      int64_t ttl_s, int64_t now_us, struct conversation *ret_conversation)
{
    return make(db, asker_role, responder_role, ttl_s, now_us, false, ret_conversation);
}

int conversation_make_ours(sqlite3 *db, const char *asker_role, const char *responder_role,
                           int64_t ttl_s, int64_t now_us, struct conversation *ret_conversation)
{
    return make(db, asker_role, responder_role, ttl_s, now_us, true, ret_conversation);
}

int conversation_look(sqlite3 *db, struct span id, int64_t now_us,
                      enum conversation_state *ret_state)
{
    char now[STAMP_SIZE];
    stamp_format(now_us, now);
    sqlite3_stmt *statement = NULL;
    int error = db_prepare(db, look_sql, &statement);
    if (error != BRIDGE_OK)
        return error;
    const struct sql_value values[] = {sql_text(id), sql_text(span_str(now))};
    bool row = false;
    error = sql_bind(statement, values, 2);
    if (error == BRIDGE_OK)
        error = sql_step(statement, &row);
    if (error == BRIDGE_OK && !row)
        *ret_state = CONVERSATION_ABSENT;
    else if (error == BRIDGE_OK)
        *ret_state = sqlite3_column_int(statement, 0) ? CONVERSATION_LIVE : CONVERSATION_EXPIRED;
    sqlite3_finalize(statement);
    return error;
}

static bool is_clean(const struct conversation_message *message)
{
    return sql_is_clean(message->conversation_id) && sql_is_clean(message->from) &&
           sql_is_clean(message->to) && sql_is_clean(message->text) &&
           sql_is_clean(message->metadata);
}

int conversation_put_message(sqlite3 *db, const struct conversation_message *message,
                             int64_t *ret_message_id)
{
    if (!is_clean(message))
        return BRIDGE_REFUSED;
    const struct sql_value values[] = {
        sql_text(message->conversation_id),
        sql_text(message->from),
        sql_text(message->to),
        sql_text(message->text),
        sql_text_or_null(message->metadata),
        sql_text(message->timestamp),
    };
    int error = run_once(db, send_sql, values, 6);
    if (error != BRIDGE_OK)
        return error;
    if (sqlite3_changes(db) != 1)
        return BRIDGE_ABSENT;
    int64_t id = sqlite3_last_insert_rowid(db);
    struct buffer details;
    buffer_init(&details);
    audit_send_details(&details, message->to, message->text, message->redacted, span_of(NULL, 0));
    const struct audit_entry entry = {
        .conversation_id = message->conversation_id,
        .session_id = message->from,
        .action = "send_message",
        .details = buffer_span(&details),
        .timestamp = message->timestamp,
    };
    error = audit_once(db, &entry);
    buffer_done(&details);
    if (error == BRIDGE_OK)
        *ret_message_id = id;
    return error;
}

int conversation_send(sqlite3 *db, struct span id, const char *from, const char *to,
                      struct span text, struct span metadata, int64_t now_us,
                      int64_t *ret_message_id)
{
    char now[STAMP_SIZE];
    stamp_format(now_us, now);
    const struct conversation_message message = {id,       span_str(from), span_str(to), text,
                                                 metadata, span_str(now),  false};
    if (!is_clean(&message))
        return BRIDGE_REFUSED;
    int error = sql_begin(db);
    if (error != BRIDGE_OK)
        return error;
    int64_t message_id = 0;
    error = sql_end(db, conversation_put_message(db, &message, &message_id));
    if (error == BRIDGE_OK)
        *ret_message_id = message_id;
    return error;
}

static int mark_fetched(sqlite3 *db, int64_t message_id, struct span now)
{
    const struct sql_value values[] = {sql_integer(message_id), sql_text(now)};
    int error = run_once(db, fetch_sql, values, 1);
    if (error != BRIDGE_OK || sqlite3_changes(db) == 0)
        return error;
    return run_once(db, fetched_sql, values, 2);
}

int conversation_fetch(sqlite3 *db, int64_t message_id, int64_t now_us)
{
    char now[STAMP_SIZE];
    stamp_format(now_us, now);
    int error = sql_begin(db);
    if (error != BRIDGE_OK)
        return error;
    return sql_end(db, mark_fetched(db, message_id, span_str(now)));
}
