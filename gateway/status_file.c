#include "gateway/status_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "adapters/bridge/schema.h"
#include "gateway/columns.h"
#include "proto/jtext.h"
#include "proto/message.h"
#include "proto/stamp.h"

#define BUSY_MS 2000
#define SERVED_SESSION "b" /* what `tailgate serve` answers when it is not told otherwise */

static const char counts_sql[] =
    "SELECT (SELECT count(*) FROM messages),"
    " (SELECT count(*) FROM messages WHERE typeof(metadata) = 'text'"
    "   AND instr(metadata, '\"in_reply_to\"') > 0),"
    " (SELECT count(*) FROM conversations WHERE replace(expires_at, ' ', 'T') > ?1),"
    " (SELECT count(*) FROM conversations)";

static const char unread_sql[] =
    "SELECT m.message, m.metadata, m.to_session, m.timestamp, c.session_b_role,"
    " coalesce(replace(c.expires_at, ' ', 'T') > ?1, 0)"
    " FROM messages m LEFT JOIN conversations c ON c.id = m.conversation_id"
    " WHERE coalesce(m.read, 0) = 0";

static struct span column_text(sqlite3_stmt *row, int column)
{
    const void *text = sqlite3_column_blob(row, column);
    return span_of(text, text ? (size_t)sqlite3_column_bytes(row, column) : 0);
}

static bool column_is_text(sqlite3_stmt *row, int column)
{
    return sqlite3_column_type(row, column) == SQLITE_TEXT;
}

/* The line of SERVICE, made when it is new. */
static struct status_unread *line_of(struct status_file *view, struct span service)
{
    for (size_t i = 0; i < view->services; i++) {
        if (span_is(service, view->unread[i].service))
            return &view->unread[i];
    }
    if (view->services == STATUS_FILE_SERVICES)
        return &view->unread[view->services - 1];
    if (view->services + 1 == STATUS_FILE_SERVICES)
        service = span_str("...");
    view->unread = memory_grow(view->unread, (view->services + 1) * sizeof view->unread[0]);
    struct status_unread *line = &view->unread[view->services++];
    memset(line, 0, sizeof *line);
    memcpy(line->service, service.data, service.size); /* at most LIMIT_SERVICE bytes */
    line->oldest_seconds = -1;
    return line;
}

static void count_row(struct status_file *view, sqlite3_stmt *row, int64_t now_us)
{
    const struct message_row columns = {column_text(row, 0), column_is_text(row, 0),
                                        column_text(row, 1), column_is_text(row, 1)};
    struct message message;
    message_read(&columns, &message);
    bool live = sqlite3_column_int(row, 5) != 0;
    if (!live || !message_is_query(message.kind) || !span_is(column_text(row, 2), SERVED_SESSION)) {
        view->other_unread++;
        return;
    }
    int64_t written_us;
    struct status_unread *line = line_of(view, message_service_of(&message, column_text(row, 4)));
    line->queries++;
    if (stamp_parse(column_text(row, 3), &written_us) == 0) {
        double age = (double)(now_us - written_us) / 1e6;
        if (age > line->oldest_seconds)
            line->oldest_seconds = age;
    }
}

static int read_counts(sqlite3 *db, const char *now, struct status_file *view)
{
    sqlite3_stmt *row = NULL;
    int error = db_prepare(db, counts_sql, &row);
    if (error)
        return error;
    sqlite3_bind_text(row, 1, now, -1, SQLITE_STATIC);
    int code = sqlite3_step(row);
    if (code == SQLITE_ROW) {
        view->messages = sqlite3_column_int64(row, 0);
        view->replies = sqlite3_column_int64(row, 1);
        view->live = sqlite3_column_int64(row, 2);
        view->expired = sqlite3_column_int64(row, 3) - view->live;
    }
    sqlite3_finalize(row);
    return code == SQLITE_ROW ? BRIDGE_OK : db_error(code);
}

static int read_unread(sqlite3 *db, const char *now, int64_t now_us, struct status_file *view)
{
    sqlite3_stmt *row = NULL;
    int error = db_prepare(db, unread_sql, &row);
    if (error)
        return error;
    sqlite3_bind_text(row, 1, now, -1, SQLITE_STATIC);
    int code;
    while ((code = sqlite3_step(row)) == SQLITE_ROW)
        count_row(view, row, now_us);
    sqlite3_finalize(row);
    return code == SQLITE_DONE ? BRIDGE_OK : db_error(code);
}

int status_file_read(const struct place *place, int64_t now_us, struct status_file *ret_view)
{
    struct status_file view = {0};
    enum schema_state state = SCHEMA_EMPTY;
    sqlite3 *db = NULL;
    char now[STAMP_SIZE];
    stamp_format(now_us, now);
    int error = db_open(place, DB_READER, BUSY_MS, &db);
    if (!error)
        error = schema_look(db, &state);
    if (!error && state == SCHEMA_FOREIGN)
        error = BRIDGE_FOREIGN;
    if (!error && state == SCHEMA_BRIDGE)
        error = read_counts(db, now, &view);
    if (!error && state == SCHEMA_BRIDGE)
        error = read_unread(db, now, now_us, &view);
    db_close(&db);
    if (error)
        status_file_done(&view);
    else
        *ret_view = view;
    return error;
}

void status_file_done(struct status_file *self)
{
    free(self->unread);
    memset(self, 0, sizeof *self);
}

void status_file_json(const struct status_file *self, const struct place *place,
                      struct buffer *ret_json)
{
    buffer_byte(ret_json, '{');
    jtext_member(ret_json, "db", span_str(place->db));
    jtext_member_integer(ret_json, "messages", self->messages);
    jtext_member_integer(ret_json, "replies", self->replies);
    buffer_format(ret_json, ",\"conversations\":{\"live\":%" PRId64 ",\"expired\":%" PRId64 "}",
                  self->live, self->expired);
    buffer_text(ret_json, ",\"unread\":[");
    for (size_t i = 0; i < self->services; i++) {
        const struct status_unread *line = &self->unread[i];
        buffer_text(ret_json, i ? ",{" : "{");
        jtext_member(ret_json, "service", span_str(line->service));
        jtext_member_integer(ret_json, "queries", line->queries);
        if (line->oldest_seconds >= 0)
            buffer_format(ret_json, ",\"oldest_seconds\":%.3f}", line->oldest_seconds);
        else
            buffer_text(ret_json, ",\"oldest_seconds\":null}");
    }
    buffer_byte(ret_json, ']');
    jtext_member_integer(ret_json, "other_unread", self->other_unread);
    buffer_byte(ret_json, '}');
}

void status_file_print(const struct status_file *self)
{
    printf("Messages       %" PRId64 ", of them %" PRId64 " replies by Tailgate\n"
           "Conversations  %" PRId64 " live, %" PRId64 " expired\n"
           "Other unread   %" PRId64 " (no queries, not to session " SERVED_SESSION
           ", or without a live conversation)\n\n",
           self->messages, self->replies, self->live, self->expired, self->other_unread);
    if (self->services == 0) {
        printf("No query waits for an answer.\n");
        return;
    }
    static const char *const title[] = {"SERVICE", ">UNREAD QUERIES", ">OLDEST"};
    struct columns table;
    columns_init(&table, title, 3);
    for (size_t i = 0; i < self->services; i++) {
        columns_text(&table, span_str(self->unread[i].service));
        columns_number(&table, self->unread[i].queries);
        columns_age(&table, self->unread[i].oldest_seconds);
    }
    columns_print(&table);
    columns_done(&table);
}
