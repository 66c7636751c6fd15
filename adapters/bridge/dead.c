#include "adapters/bridge/dead.h"

#include <inttypes.h>
#include <stdlib.h>

#include "adapters/bridge/audit.h"
#include "adapters/bridge/schema.h"
#include "adapters/bridge/sql.h"
#include "proto/jtext.h"
#include "proto/message.h"
#include "proto/stamp.h"

/* The filter of records.h: ?1 message_id, ?2 service, ?3 older than, ?4 redriven ones too. */
#define MATCHING                                                                                   \
    " FROM tailgate_delivery WHERE state = 'dead' AND (?1 = 0 OR message_id = ?1)"                 \
    " AND (?2 IS NULL OR service = ?2) AND (?3 IS NULL OR updated_at < ?3)"                        \
    " AND (?4 OR redriven IS NULL)"

static const char find_sql[] =
    "SELECT message_id" MATCHING " ORDER BY updated_at, message_id LIMIT ?5";
static const char count_sql[] = "SELECT count(*)" MATCHING;

static const char question_sql[] =
    "SELECT message FROM messages WHERE id = ?1 AND conversation_id = ?2";

/* The conversation is compared too: in a restored copy of the file the same id may belong to
 * another one's message. */
static const char look_sql[] =
    "SELECT d.conversation_id, coalesce(d.redriven, 0), m.id IS NOT NULL AND c.id IS NOT NULL,"
    " coalesce(" SQL_LIVE("c.expires_at",
                          "?2") ", 0), m.from_session, m.to_session, m.message,"
                                " m.metadata FROM tailgate_delivery d"
                                " LEFT JOIN messages m ON m.id = d.message_id AND "
                                "m.conversation_id = d.conversation_id"
                                " LEFT JOIN conversations c ON c.id = m.conversation_id"
                                " WHERE d.message_id = ?1 AND d.state = 'dead'";

static const char insert_sql[] =
    "INSERT INTO messages"
    "(conversation_id, from_session, to_session, message, metadata, timestamp, read)"
    " SELECT conversation_id, from_session, to_session, message, ?2, ?3, 0"
    " FROM messages WHERE id = ?1";

static const char redriven_sql[] =
    "UPDATE tailgate_delivery SET redriven = ?2 WHERE message_id = ?1 AND state = 'dead'";

/* It is still the question of who asked it, word for word. */
static const char sender_sql[] =
    "INSERT OR REPLACE INTO tailgate_sender(message_id, principal, name, made_at)"
    " SELECT ?2, t.principal, t.name, ?3 FROM tailgate_sender t"
    " JOIN messages m ON m.id = t.message_id AND m.timestamp = t.made_at WHERE t.message_id = ?1";

static const char drop_sql[] =
    "DELETE FROM tailgate_delivery WHERE message_id = ?1 AND state = 'dead'"
    " RETURNING conversation_id";
static const char drop_answers_sql[] = "DELETE FROM tailgate_answer WHERE message_id = ?1";

static int prepare_and_bind(sqlite3 *db, const char *sql, const struct sql_value *values,
                            size_t count, sqlite3_stmt **ret_statement)
{
    sqlite3_stmt *statement = NULL;
    int error = db_prepare(db, sql, &statement);
    if (error != BRIDGE_OK)
        return error;
    error = sql_bind(statement, values, count);
    if (error == BRIDGE_OK)
        *ret_statement = statement;
    else
        sqlite3_finalize(statement);
    return error;
}

/* Prepares, runs once and finalizes; *ret_changed (may be NULL): rows. */
static int run_once(sqlite3 *db, const char *sql, const struct sql_value *values, size_t count,
                    int *ret_changed)
{
    sqlite3_stmt *statement = NULL;
    int error = db_prepare(db, sql, &statement);
    if (error != BRIDGE_OK)
        return error;
    error = sql_run(statement, values, count);
    if (error == BRIDGE_OK && ret_changed)
        *ret_changed = sqlite3_changes(db);
    sqlite3_finalize(statement);
    return error;
}

static void bind_filter(const struct records_filter *filter, char before[STAMP_SIZE],
                        struct sql_value values[4])
{
    before[0] = '\0';
    if (filter->older_than_us > 0)
        stamp_format(filter->older_than_us, before);
    values[0] = sql_integer(filter->message_id);
    values[1] = sql_text_or_null(filter->service);
    values[2] = sql_text_or_null(span_str(before));
    values[3] = sql_integer(filter->redriven);
}

int dead_find(sqlite3 *db, const struct records_filter *filter, size_t limit, int64_t **ret_id_new,
              size_t *ret_count)
{
    char before[STAMP_SIZE];
    struct sql_value values[5];
    bind_filter(filter, before, values);
    values[4] = sql_integer(limit < INT64_MAX ? (int64_t)limit : INT64_MAX);
    bool row = false;
    sqlite3_stmt *statement = NULL;
    int error = schema_has(db, "tailgate_delivery", &row);
    if (error == BRIDGE_OK && row)
        error = prepare_and_bind(db, find_sql, values, 5, &statement);
    int64_t *id = NULL;
    size_t count = 0, room = 0;
    while (error == BRIDGE_OK && row) {
        error = sql_step(statement, &row);
        if (error != BRIDGE_OK || !row)
            break;
        if (count == room) {
            room = room ? 2 * room : 256;
            id = memory_grow(id, room * sizeof id[0]);
        }
        id[count++] = sqlite3_column_int64(statement, 0);
    }
    sqlite3_finalize(statement);
    if (error != BRIDGE_OK) {
        free(id);
        return error;
    }
    *ret_id_new = id;
    *ret_count = count;
    return BRIDGE_OK;
}

int dead_count(sqlite3 *db, const struct records_filter *filter, int64_t *ret_count)
{
    char before[STAMP_SIZE];
    struct sql_value values[4];
    bind_filter(filter, before, values);
    bool row = false;
    sqlite3_stmt *statement = NULL;
    int error = schema_has(db, "tailgate_delivery", &row);
    if (error == BRIDGE_OK && row)
        error = prepare_and_bind(db, count_sql, values, 4, &statement);
    if (error == BRIDGE_OK && row)
        error = sql_step(statement, &row);
    if (error == BRIDGE_OK)
        *ret_count = row ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    return error;
}

int dead_question(sqlite3 *db, int64_t message_id, struct span conversation_id,
                  struct buffer *ret_text)
{
    const struct sql_value values[] = {sql_integer(message_id), sql_text(conversation_id)};
    sqlite3_stmt *statement = NULL;
    int error = prepare_and_bind(db, question_sql, values, 2, &statement);
    if (error != BRIDGE_OK)
        return error;
    bool row = false;
    error = sql_step(statement, &row);
    if (error == BRIDGE_OK && row)
        buffer_add(ret_text, sql_column(statement, 0));
    sqlite3_finalize(statement);
    return error == BRIDGE_OK && !row ? BRIDGE_ABSENT : error;
}

static int audit(sqlite3 *db, const struct audit_entry *entry)
{
    sqlite3_stmt *statement = NULL;
    int error = db_prepare(db, audit_sql, &statement);
    if (error != BRIDGE_OK)
        return error;
    error = audit_write(statement, entry);
    sqlite3_finalize(statement);
    return error;
}

/* Redriving. */

/* A redrive under way; the spans belong to ROW, which is un-reset meanwhile. */
struct redrive {
    sqlite3 *db;
    sqlite3_stmt *row;
    int64_t message_id;
    struct span conversation_id, from, to, text, now;
    struct message_row columns;
    struct buffer metadata, details;
    int64_t new_id;
};

/* Makes the new row's metadata. What died was a question: where it can be seen no more that it is
 * one (its metadata was edited), that is said again. False: it can be none. */
static bool compose_metadata(struct redrive *self)
{
    static const char *const own[] = {"redrive_of", NULL};
    static const char *const own_and_action[] = {"redrive_of", "action_type", NULL};
    struct message message;
    message_read(&self->columns, &message);
    bool plain = message.kind == MESSAGE_OTHER || message.kind == MESSAGE_BROKEN_JSON;
    if (!message_is_query(message.kind) && !plain)
        return false;
    buffer_byte(&self->metadata, '{');
    if (self->columns.metadata.size > 0 && !message.metadata_odd)
        jtext_members_except(&self->metadata, self->columns.metadata, plain ? own_and_action : own);
    if (plain)
        jtext_member(&self->metadata, "action_type", span_str("question"));
    jtext_member_integer(&self->metadata, "redrive_of", self->message_id);
    buffer_byte(&self->metadata, '}');
    return true;
}

/* Finds the dead row and judges whether it can be asked again. */
static int look(struct redrive *self, bool again, enum dead_outcome *ret_outcome)
{
    const struct sql_value values[] = {sql_integer(self->message_id), sql_text(self->now)};
    int error = prepare_and_bind(self->db, look_sql, values, 2, &self->row);
    bool row = false;
    if (error == BRIDGE_OK)
        error = sql_step(self->row, &row);
    if (error != BRIDGE_OK)
        return error;
    *ret_outcome = DEAD_NOT_DEAD;
    if (!row)
        return BRIDGE_OK;
    self->conversation_id = sql_column(self->row, 0);
    self->new_id = sqlite3_column_int64(self->row, 1);
    self->from = sql_column(self->row, 4);
    self->to = sql_column(self->row, 5);
    self->text = sql_column(self->row, 6);
    self->columns = (struct message_row){
        .text = self->text,
        .text_is_text = sqlite3_column_type(self->row, 6) == SQLITE_TEXT,
        .metadata = sql_column(self->row, 7),
        .metadata_is_text = sqlite3_column_type(self->row, 7) == SQLITE_TEXT,
    };
    if (self->new_id != 0 && !again)
        *ret_outcome = DEAD_REDRIVEN;
    else if (sqlite3_column_int(self->row, 2) == 0)
        *ret_outcome = DEAD_GONE;
    else if (sqlite3_column_int(self->row, 3) == 0)
        *ret_outcome = DEAD_EXPIRED;
    else
        *ret_outcome = compose_metadata(self) ? DEAD_DONE : DEAD_NOT_A_QUESTION;
    return BRIDGE_OK;
}

static int keep_sender(struct redrive *self)
{
    const struct sql_value values[] = {sql_integer(self->message_id), sql_integer(self->new_id),
                                       sql_text(self->now)};
    bool there = false;
    int error = schema_has(self->db, "tailgate_sender", &there);
    return error == BRIDGE_OK && there ? run_once(self->db, sender_sql, values, 3, NULL) : error;
}

static int insert(struct redrive *self)
{
    const struct sql_value values[] = {sql_integer(self->message_id),
                                       sql_text(buffer_span(&self->metadata)), sql_text(self->now)};
    int changed = 0;
    int error = run_once(self->db, insert_sql, values, 3, &changed);
    if (error != BRIDGE_OK)
        return error;
    if (changed != 1)
        return BRIDGE_REFUSED; /* a trigger of theirs ignored it */
    self->new_id = sqlite3_last_insert_rowid(self->db);
    const struct sql_value marks[] = {sql_integer(self->message_id), sql_integer(self->new_id)};
    error = run_once(self->db, redriven_sql, marks, 2, NULL);
    return error == BRIDGE_OK ? keep_sender(self) : error;
}

/* Two rows: the bridge's own about the message, and ours. */
static int record(struct redrive *self)
{
    struct audit_entry entry = {
        .conversation_id = self->conversation_id,
        .session_id = self->from,
        .action = "send_message",
        .timestamp = self->now,
    };
    audit_send_details(&self->details, self->to, self->text, false, span_of(NULL, 0));
    entry.details = buffer_span(&self->details);
    int error = audit(self->db, &entry);
    if (error != BRIDGE_OK)
        return error;
    buffer_reset(&self->details);
    buffer_format(&self->details, "{\"message_id\": %" PRId64 ", \"redriven_as\": %" PRId64 "}",
                  self->message_id, self->new_id);
    entry.action = "dead_redriven";
    entry.details = buffer_span(&self->details);
    return audit(self->db, &entry);
}

/* Nothing is written unless the row can be asked again. */
static int run_redrive(struct redrive *self, bool again, enum dead_outcome *ret_outcome)
{
    int error = look(self, again, ret_outcome);
    if (error == BRIDGE_OK && *ret_outcome == DEAD_DONE)
        error = insert(self);
    if (error == BRIDGE_OK && *ret_outcome == DEAD_DONE)
        error = record(self);
    sqlite3_finalize(self->row);
    return error;
}

int dead_redrive_within(sqlite3 *db, int64_t message_id, bool again, int64_t now_us,
                        enum dead_outcome *ret_outcome, int64_t *ret_message_id)
{
    char now[STAMP_SIZE];
    stamp_format(now_us, now);
    struct redrive redrive = {.db = db, .message_id = message_id, .now = span_str(now)};
    enum dead_outcome outcome = DEAD_NOT_DEAD;
    buffer_init(&redrive.metadata);
    buffer_init(&redrive.details);
    int error = run_redrive(&redrive, again, &outcome);
    buffer_done(&redrive.metadata);
    buffer_done(&redrive.details);
    if (error != BRIDGE_OK)
        return error;
    *ret_outcome = outcome;
    if (outcome == DEAD_DONE || outcome == DEAD_REDRIVEN)
        *ret_message_id = redrive.new_id;
    return BRIDGE_OK;
}

int dead_redrive(sqlite3 *db, int64_t message_id, bool again, int64_t now_us,
                 enum dead_outcome *ret_outcome, int64_t *ret_message_id)
{
    enum dead_outcome outcome = DEAD_NOT_DEAD;
    int64_t new_id = 0;
    bool there = false;
    int error = schema_has(db, "tailgate_delivery", &there);
    if (error == BRIDGE_OK && there)
        error = sql_begin(db);
    if (error == BRIDGE_OK && there)
        error = sql_end(db, dead_redrive_within(db, message_id, again, now_us, &outcome, &new_id));
    if (error != BRIDGE_OK)
        return error;
    *ret_outcome = outcome;
    if (new_id)
        *ret_message_id = new_id;
    return BRIDGE_OK;
}

/* Dropping. */

static int drop_one(sqlite3 *db, int64_t message_id, bool answers, struct span now,
                    bool *ret_dropped)
{
    const struct sql_value id = sql_integer(message_id);
    struct buffer conversation_id, details;
    buffer_init(&conversation_id);
    buffer_init(&details);
    sqlite3_stmt *statement = NULL;
    bool row = false;
    int error = prepare_and_bind(db, drop_sql, &id, 1, &statement);
    if (error == BRIDGE_OK)
        error = sql_step(statement, &row);
    if (error == BRIDGE_OK && row)
        buffer_add(&conversation_id, sql_column(statement, 0));
    sqlite3_finalize(statement);
    if (error == BRIDGE_OK && row) {
        audit_end_details(&details, message_id);
        const struct audit_entry entry = {
            .conversation_id = buffer_span(&conversation_id),
            .action = "dead_dropped",
            .details = buffer_span(&details),
            .timestamp = now,
        };
        error = audit(db, &entry);
    }
    if (error == BRIDGE_OK && row && answers)
        error = run_once(db, drop_answers_sql, &id, 1, NULL);
    buffer_done(&conversation_id);
    buffer_done(&details);
    if (error == BRIDGE_OK)
        *ret_dropped = row;
    return error;
}

int dead_drop_within(sqlite3 *db, const int64_t *id, size_t count, bool answers, int64_t now_us,
                     bool *ret_dropped)
{
    char now[STAMP_SIZE];
    int error = BRIDGE_OK;
    stamp_format(now_us, now);
    for (size_t i = 0; i < count && error == BRIDGE_OK; i++)
        error = drop_one(db, id[i], answers, span_str(now), &ret_dropped[i]);
    return error;
}

int dead_drop(sqlite3 *db, const int64_t *id, size_t count, bool answers, int64_t now_us,
              bool *ret_dropped)
{
    bool there = false;
    for (size_t i = 0; i < count; i++)
        ret_dropped[i] = false;
    int error = schema_has(db, "tailgate_delivery", &there);
    if (error != BRIDGE_OK || !there)
        return error;
    error = sql_begin(db);
    if (error != BRIDGE_OK)
        return error;
    return sql_end(db, dead_drop_within(db, id, count, answers, now_us, ret_dropped));
}
