#include "adapters/bridge/tickets.h"

#include "adapters/bridge/sql.h"
#include "proto/stamp.h"

/* A claimed query's read flag says nothing of its end; its delivery row does. Somebody may have
 * edited the reply's metadata. */
static const char one_sql[] =
    "SELECT t.message_id, r.id IS NOT NULL, r.message, r.metadata, b.data,"
    " coalesce(" SQL_LIVE(
        "c.expires_at",
        "?2") ", 0)"
              " AND (coalesce(m.read, 0) = 0 OR coalesce(d.claimed = 1 AND d.state <> 'dead', 0)),"
              " coalesce(d.state = 'dead', 0) OR coalesce(CASE WHEN json_valid(r.metadata)"
              " THEN json_type(r.metadata, '$.dead') = 'true' END, 0),"
              " (SELECT count(*) FROM (SELECT 1 FROM tailgate_ticket o"
              " WHERE o.message_id = t.message_id LIMIT 2)) = 1"
              " FROM tailgate_ticket t LEFT JOIN messages m ON m.id = t.message_id"
              " LEFT JOIN conversations c ON c.id = m.conversation_id"
              " LEFT JOIN messages r ON r.id = t.reply_id LEFT JOIN tailgate_blob b ON "
              "b.message_id = r.id"
              " LEFT JOIN tailgate_delivery d ON d.message_id = t.message_id"
              " WHERE t.ticket = ?1 AND t.expires_at > ?2";

static const char answer_sql[] =
    "SELECT q.message_id, r.id IS NOT NULL, r.message, r.metadata, b.data, 0,"
    " coalesce(CASE WHEN json_valid(r.metadata)"
    " THEN json_type(r.metadata, '$.dead') = 'true' END, 0), 0"
    " FROM tailgate_request q JOIN messages r ON r.id = q.reply_id"
    " LEFT JOIN tailgate_blob b ON b.message_id = r.id WHERE q.message_id = ?1";

static const char blob_sql[] = "SELECT data FROM tailgate_blob WHERE message_id = ?1";

static void see_row(sqlite3_stmt *statement, tickets_see_fn *see, void *context)
{
    const bool replied = sqlite3_column_int(statement, 1) != 0;
    const bool waits = sqlite3_column_int(statement, 5) != 0;
    const bool dead = sqlite3_column_int(statement, 6) != 0;
    struct ticket_record record = {
        .message_id = sqlite3_column_int64(statement, 0),
        .only = sqlite3_column_int(statement, 7) != 0,
        .state = TICKET_ENDED,
        .text = sql_column(statement, 2),
        .metadata = sql_column(statement, 3),
        .blob = sql_column(statement, 4),
    };
    if (replied && !dead)
        record.state = TICKET_ANSWERED;
    else if (dead && !waits)
        record.state = TICKET_DEAD;
    else if (waits)
        record.state = TICKET_PENDING;
    see(context, &record);
}

/* Calls SEE for the one row of SQL, if there is one. */
static int see_one(sqlite3 *db, const char *sql, const struct sql_value *values, size_t count,
                   tickets_see_fn *see, void *context)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    int error = db_prepare(db, sql, &statement);
    if (error != BRIDGE_OK)
        return error;
    error = sql_bind(statement, values, count);
    if (error == BRIDGE_OK)
        error = sql_step(statement, &row);
    if (error == BRIDGE_OK && row)
        see_row(statement, see, context);
    sqlite3_finalize(statement);
    return error == BRIDGE_OK && !row ? BRIDGE_ABSENT : error;
}

int tickets_one(sqlite3 *db, struct span ticket, int64_t now_us, tickets_see_fn *see, void *context)
{
    char now[STAMP_SIZE];
    stamp_format(now_us, now);
    const struct sql_value values[] = {sql_text(ticket), sql_text(span_str(now))};
    return see_one(db, one_sql, values, 2, see, context);
}

int requests_answer(sqlite3 *db, int64_t message_id, tickets_see_fn *see, void *context)
{
    const struct sql_value id = sql_integer(message_id);
    return see_one(db, answer_sql, &id, 1, see, context);
}

int blobs_load(sqlite3 *db, int64_t message_id, struct buffer *ret_packed)
{
    sqlite3_stmt *statement = NULL;
    const struct sql_value id = sql_integer(message_id);
    bool row = false;
    int error = db_prepare(db, blob_sql, &statement);
    if (error != BRIDGE_OK)
        return error;
    error = sql_bind(statement, &id, 1);
    if (error == BRIDGE_OK)
        error = sql_step(statement, &row);
    if (error == BRIDGE_OK && row)
        buffer_add(ret_packed, sql_column(statement, 0));
    sqlite3_finalize(statement);
    return error;
}
