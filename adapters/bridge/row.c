#include "adapters/bridge/row.h"

#include "adapters/bridge/sql.h"

#define ROW_COLUMNS                                                                                \
    "SELECT m.id, m.message, m.metadata, m.conversation_id, m.from_session, m.to_session,"         \
    " m.timestamp, m.read, "

/* Where a gateway has served the file, it may have made the row itself; a row that somebody has put
 * in the place of ours has another stamp. */
#define ROW_SENT                                                                                   \
    ROW_COLUMNS "t.principal, t.name FROM messages m"                                              \
                " LEFT JOIN tailgate_sender t ON t.message_id = m.id AND t.made_at = m.timestamp"
#define ROW_PLAIN ROW_COLUMNS "NULL, NULL FROM messages m"

#define ABOVE " WHERE m.id > ?1 AND m.id <= ?3 ORDER BY m.id LIMIT ?2"
/* What read_flag() takes for unread, and an id of a session whatever its type. */
#define UNREAD                                                                                     \
    " WHERE m.id > ?1 AND m.id <= ?2 AND CAST(m.to_session AS TEXT) = ?3"                          \
    " AND coalesce(m.read, 0) = 0 ORDER BY m.id"
#define ONE " WHERE m.id = ?1"

enum column {
    COLUMN_ID,
    COLUMN_MESSAGE,
    COLUMN_METADATA,
    COLUMN_CONVERSATION,
    COLUMN_FROM,
    COLUMN_TO,
    COLUMN_TIMESTAMP,
    COLUMN_READ,
    COLUMN_PRINCIPAL,
    COLUMN_SENDER
};

const char *row_sql_above(bool senders)
{
    return senders ? ROW_SENT ABOVE : ROW_PLAIN ABOVE;
}

const char *row_sql_unread(bool senders)
{
    return senders ? ROW_SENT UNREAD : ROW_PLAIN UNREAD;
}

const char *row_sql_ahead(void)
{
    return "SELECT count(*), max(id) FROM (SELECT id FROM messages WHERE id > ?1 ORDER BY id"
           " LIMIT ?2)";
}

const char *row_sql_one(bool senders)
{
    return senders ? ROW_SENT ONE : ROW_PLAIN ONE;
}

int64_t row_id(sqlite3_stmt *statement)
{
    return sqlite3_column_int64(statement, COLUMN_ID);
}

static bool read_flag(sqlite3_value *value)
{
    switch (sqlite3_value_type(value)) {
    case SQLITE_NULL:
        return false;
    case SQLITE_INTEGER:
        return sqlite3_value_int64(value) != 0;
    case SQLITE_FLOAT:
        return sqlite3_value_double(value) != 0.0;
    default:
        return true; /* text or a blob: no writer's `read = 0` matches it */
    }
}

/* Who made the row, as the gateway has verified it. */
static void take_sender(sqlite3_stmt *statement, struct tail_row *row)
{
    row->principal = sql_column(statement, COLUMN_PRINCIPAL);
    if (row->principal.size == 0)
        return;
    row->sender = sql_column(statement, COLUMN_SENDER);
    if (row->principal.size >= IDENTITY_PRINCIPAL_SIZE || row->sender.size > LIMIT_WORKER_NAME)
        row->principal = row->sender = span_of(NULL, 0); /* somebody has edited our table */
}

int row_take(sqlite3_stmt *statement, struct addressees *addressees, struct tail_row *ret_row)
{
    sqlite3_value *text = sqlite3_column_value(statement, COLUMN_MESSAGE);
    sqlite3_value *metadata = sqlite3_column_value(statement, COLUMN_METADATA);
    sqlite3_value *conversation = sqlite3_column_value(statement, COLUMN_CONVERSATION);
    sqlite3_value *to = sqlite3_column_value(statement, COLUMN_TO);
    int metadata_type = sqlite3_value_type(metadata);
    struct addressee addressee;
    int error = addressees_find(addressees, conversation, to, &addressee);
    if (error != BRIDGE_OK)
        return error;
    struct tail_row row = {
        .id = sqlite3_column_int64(statement, COLUMN_ID),
        .columns = {.text_is_text = sqlite3_value_type(text) == SQLITE_TEXT,
                    .text = sql_span(text),
                    .metadata_is_text =
                        metadata_type == SQLITE_TEXT || metadata_type == SQLITE_NULL,
                    .metadata = sql_span(metadata)},
        .conversation_id = sql_span(conversation),
        .from_session = sql_column(statement, COLUMN_FROM),
        .to_session = sql_span(to),
        .timestamp = sql_column(statement, COLUMN_TIMESTAMP),
        .read = read_flag(sqlite3_column_value(statement, COLUMN_READ)),
        .has_conversation = addressee.found,
        .role = addressee.role,
        .expires_at = addressee.expires_at,
    };
    if (!row.read)
        row.agent_at = addressee.agent_at;
    take_sender(statement, &row);
    *ret_row = row;
    return BRIDGE_OK;
}
