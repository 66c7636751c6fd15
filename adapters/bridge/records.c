#include "adapters/bridge/records.h"

#include <stdio.h>

#include "adapters/bridge/sql.h"
#include "proto/stamp.h"

#define ATTEMPTS_MAX 1000000 /* that a row is believed to have had */

/* The columns that see_delivery() reads, in its order. */
#define DELIVERY                                                                                   \
    "SELECT d.message_id, d.conversation_id, d.service, d.state, d.claimed, d.attempt, d.failed,"  \
    " d.worker, d.pid, d.leased_at, d.due_at, d.updated_at, d.reason, d.history, d.redriven,"
#define QUESTION                                                                                   \
    " m.message, coalesce(" SQL_LIVE(                                                              \
        "c.expires_at", "?1") ", 0) FROM tailgate_delivery d"                                      \
                              " LEFT JOIN messages m ON m.id = d.message_id AND "                  \
                              "m.conversation_id = d.conversation_id"                              \
                              " LEFT JOIN conversations c ON c.id = m.conversation_id"

static const char open_sql[] = DELIVERY " NULL, 0 FROM tailgate_delivery d"
                                        " WHERE d.state <> 'dead' AND d.message_id > ?1"
                                        " ORDER BY d.message_id LIMIT ?2";
static const char dead_sql[] =
    DELIVERY QUESTION " WHERE d.state = 'dead' AND (?2 = 0 OR d.message_id = ?2)"
                      " AND (?3 IS NULL OR d.service = ?3) AND (?4 IS NULL OR d.updated_at < ?4)"
                      " AND (?5 OR d.redriven IS NULL)"
                      " ORDER BY d.updated_at, d.message_id LIMIT ?6";
static const char below_sql[] = DELIVERY QUESTION " WHERE d.state = 'dead' AND d.message_id < ?2"
                                                  " ORDER BY d.message_id DESC LIMIT ?3";
static const char one_sql[] = DELIVERY QUESTION " WHERE d.message_id = ?2";

static const char kept_sql[] =
    "SELECT id, message_id, conversation_id, why, worker, attempt, NULL, NULL, kept_at"
    " FROM tailgate_answer WHERE message_id = ?1 ORDER BY id DESC LIMIT ?2";
#define ANSWER                                                                                     \
    "SELECT id, message_id, conversation_id, why, worker, attempt, answer, metadata, kept_at"      \
    " FROM tailgate_answer"
static const char answers_sql[] = ANSWER " WHERE message_id = ?1 ORDER BY id DESC LIMIT ?2";
static const char all_answers_sql[] = ANSWER " WHERE ?1 = 0 ORDER BY id DESC LIMIT ?2";

static const char parked_sql[] =
    "SELECT message_id FROM tailgate_parked WHERE message_id > ?1 ORDER BY message_id LIMIT ?2";
/* RECORDS_MANY + 1 rows are looked at, and no more. */
static const char counts_sql[] =
    "SELECT (SELECT count(*) FROM (SELECT 1 FROM tailgate_parked LIMIT ?1)),"
    " (SELECT count(*) - count(redriven) FROM (SELECT redriven FROM tailgate_delivery"
    " WHERE state = 'dead' ORDER BY updated_at DESC LIMIT ?1))";
static const char note_sql[] = "SELECT value FROM tailgate_meta WHERE key = ?1";

/* Prepares SQL on TABLE and binds VALUES. *ret_statement is NULL when TABLE is not there: a bridge
 * that no gateway has served yet, or that of an older version. */
static int start(sqlite3 *db, const char *table, const char *sql, const struct sql_value *values,
                 size_t count, sqlite3_stmt **ret_statement)
{
    sqlite3_stmt *statement = NULL;
    *ret_statement = NULL;
    int error = db_prepare(db, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1",
                           &statement);
    if (error != BRIDGE_OK)
        return error;
    const struct sql_value name = sql_text(span_str(table));
    bool there = false;
    error = sql_bind(statement, &name, 1);
    if (error == BRIDGE_OK)
        error = sql_step(statement, &there);
    sqlite3_finalize(statement);
    if (error != BRIDGE_OK || !there)
        return error;
    error = db_prepare(db, sql, &statement);
    if (error != BRIDGE_OK)
        return error;
    error = sql_bind(statement, values, count);
    if (error == BRIDGE_OK)
        *ret_statement = statement;
    else
        sqlite3_finalize(statement);
    return error;
}

static int64_t time_of(sqlite3_stmt *statement, int column)
{
    int64_t time_us = 0;
    struct span text = sql_column(statement, column);
    return stamp_parse(text, &time_us) == 0 ? time_us : 0;
}

/* A number of attempts: its next ones must fit, too. */
static uint32_t attempts_of(sqlite3_stmt *statement, int column)
{
    int64_t number = sqlite3_column_int64(statement, column);
    if (number < 0)
        return 0;
    return number > ATTEMPTS_MAX ? ATTEMPTS_MAX : (uint32_t)number;
}

static enum delivery_state state_of(struct span text)
{
    if (span_is(text, "dead"))
        return DELIVERY_DEAD;
    return span_is(text, "leased") ? DELIVERY_LEASED : DELIVERY_WAITING;
}

static struct delivery_record read_delivery(sqlite3_stmt *row)
{
    return (struct delivery_record){
        .message_id = sqlite3_column_int64(row, 0),
        .conversation_id = sql_column(row, 1),
        .service = sql_column(row, 2),
        .state = state_of(sql_column(row, 3)),
        .claimed = sqlite3_column_int(row, 4) != 0,
        .attempt = attempts_of(row, 5),
        .failed = attempts_of(row, 6),
        .worker = sql_column(row, 7),
        .pid = sqlite3_column_int64(row, 8),
        .leased_at_us = time_of(row, 9),
        .due_at_us = time_of(row, 10),
        .updated_at_us = time_of(row, 11),
        .reason = sql_column(row, 12),
        .history = sql_column(row, 13),
        .redriven = sqlite3_column_int64(row, 14),
        .question = sql_column(row, 15),
        .live = sqlite3_column_int(row, 16) != 0,
    };
}

/* Gives the rows of STATEMENT (which it takes; NULL: none) to SEE. */
static int see_all(sqlite3_stmt *statement, records_see_fn *see, void *context, size_t *ret_count)
{
    int error = BRIDGE_OK;
    size_t count = 0;
    bool row = statement != NULL;
    while (error == BRIDGE_OK && row) {
        error = sql_step(statement, &row);
        if (error != BRIDGE_OK || !row)
            break;
        const struct delivery_record record = read_delivery(statement);
        see(context, &record);
        count++;
    }
    sqlite3_finalize(statement);
    if (error == BRIDGE_OK)
        *ret_count = count;
    return error;
}

static struct sql_value limit_value(size_t limit)
{
    return sql_integer(limit < INT64_MAX ? (int64_t)limit : INT64_MAX);
}

int records_open(sqlite3 *db, int64_t after, size_t limit, records_see_fn *see, void *context,
                 size_t *ret_count)
{
    const struct sql_value values[] = {sql_integer(after), limit_value(limit)};
    sqlite3_stmt *statement;
    int error = start(db, "tailgate_delivery", open_sql, values, 2, &statement);
    return error == BRIDGE_OK ? see_all(statement, see, context, ret_count) : error;
}

int records_dead(sqlite3 *db, const struct records_filter *filter, int64_t now_us, size_t limit,
                 records_see_fn *see, void *context, size_t *ret_count)
{
    char now[STAMP_SIZE], before[STAMP_SIZE] = "";
    stamp_format(now_us, now);
    if (filter->older_than_us > 0)
        stamp_format(filter->older_than_us, before);
    const struct sql_value values[] = {
        sql_text(span_str(now)),           sql_integer(filter->message_id),
        sql_text_or_null(filter->service), sql_text_or_null(span_str(before)),
        sql_integer(filter->redriven),     limit_value(limit),
    };
    sqlite3_stmt *statement;
    int error = start(db, "tailgate_delivery", dead_sql, values, 6, &statement);
    return error == BRIDGE_OK ? see_all(statement, see, context, ret_count) : error;
}

int records_dead_below(sqlite3 *db, int64_t before, int64_t now_us, size_t limit,
                       records_until_fn *see, void *context)
{
    char now[STAMP_SIZE];
    stamp_format(now_us, now);
    const struct sql_value values[] = {sql_text(span_str(now)), sql_integer(before),
                                       limit_value(limit)};
    sqlite3_stmt *statement;
    int error = start(db, "tailgate_delivery", below_sql, values, 3, &statement);
    bool row = error == BRIDGE_OK && statement;
    while (row) {
        error = sql_step(statement, &row);
        if (error != BRIDGE_OK || !row)
            break;
        const struct delivery_record record = read_delivery(statement);
        row = see(context, &record);
    }
    sqlite3_finalize(statement);
    return error;
}

int records_one(sqlite3 *db, int64_t message_id, int64_t now_us, records_see_fn *see, void *context)
{
    char now[STAMP_SIZE];
    stamp_format(now_us, now);
    const struct sql_value values[] = {sql_text(span_str(now)), sql_integer(message_id)};
    sqlite3_stmt *statement;
    size_t count = 0;
    int error = start(db, "tailgate_delivery", one_sql, values, 2, &statement);
    if (error == BRIDGE_OK)
        error = see_all(statement, see, context, &count);
    return error == BRIDGE_OK && count == 0 ? BRIDGE_ABSENT : error;
}

static int see_answers(sqlite3 *db, const char *sql, int64_t message_id, size_t limit,
                       records_answer_fn *see, void *context, size_t *ret_count)
{
    const struct sql_value values[] = {sql_integer(message_id), limit_value(limit)};
    sqlite3_stmt *row;
    int error = start(db, "tailgate_answer", sql, values, 2, &row);
    size_t count = 0;
    bool more = row != NULL;
    while (error == BRIDGE_OK && more) {
        error = sql_step(row, &more);
        if (error != BRIDGE_OK || !more)
            break;
        const struct answer_record record = {
            .id = sqlite3_column_int64(row, 0),
            .message_id = sqlite3_column_int64(row, 1),
            .conversation_id = sql_column(row, 2),
            .why = sql_column(row, 3),
            .worker = sql_column(row, 4),
            .attempt = attempts_of(row, 5),
            .answer = sql_column(row, 6),
            .metadata = sql_column(row, 7),
            .kept_at_us = time_of(row, 8),
        };
        see(context, &record);
        count++;
    }
    sqlite3_finalize(row);
    if (error == BRIDGE_OK)
        *ret_count = count;
    return error;
}

int records_answers(sqlite3 *db, int64_t message_id, size_t limit, records_answer_fn *see,
                    void *context, size_t *ret_count)
{
    return see_answers(db, message_id ? answers_sql : all_answers_sql, message_id, limit, see,
                       context, ret_count);
}

int records_kept(sqlite3 *db, int64_t message_id, size_t limit, records_answer_fn *see,
                 void *context, size_t *ret_count)
{
    return see_answers(db, kept_sql, message_id, limit, see, context, ret_count);
}

int records_parked(sqlite3 *db, int64_t after, size_t limit, int64_t *ret_id, size_t *ret_count)
{
    const struct sql_value values[] = {sql_integer(after), limit_value(limit)};
    sqlite3_stmt *statement;
    int error = start(db, "tailgate_parked", parked_sql, values, 2, &statement);
    size_t count = 0;
    bool row = statement != NULL;
    while (error == BRIDGE_OK && row && count < limit) {
        error = sql_step(statement, &row);
        if (error == BRIDGE_OK && row)
            ret_id[count++] = sqlite3_column_int64(statement, 0);
    }
    sqlite3_finalize(statement);
    if (error == BRIDGE_OK)
        *ret_count = count;
    return error;
}

int records_counts(sqlite3 *db, int64_t *ret_parked, int64_t *ret_dead)
{
    const struct sql_value limit = sql_integer(RECORDS_MANY + 1);
    sqlite3_stmt *statement;
    int error = start(db, "tailgate_delivery", counts_sql, &limit, 1, &statement);
    bool row = false;
    if (error == BRIDGE_OK && statement)
        error = sql_step(statement, &row);
    if (error == BRIDGE_OK) {
        *ret_parked = row ? sqlite3_column_int64(statement, 0) : 0;
        *ret_dead = row ? sqlite3_column_int64(statement, 1) : 0;
    }
    sqlite3_finalize(statement);
    return error;
}

int records_note(sqlite3 *db, const char *key, char *ret_text, size_t size)
{
    const struct sql_value name = sql_text(span_str(key));
    sqlite3_stmt *statement;
    int error = start(db, "tailgate_meta", note_sql, &name, 1, &statement);
    bool row = false;
    if (error == BRIDGE_OK && statement)
        error = sql_step(statement, &row);
    if (error == BRIDGE_OK && (!row || sqlite3_column_type(statement, 0) == SQLITE_BLOB))
        error = BRIDGE_ABSENT;
    if (error == BRIDGE_OK) {
        struct span text = sql_column(statement, 0);
        snprintf(ret_text, size, "%.*s", (int)(text.size < size ? text.size : size), text.data);
    }
    sqlite3_finalize(statement);
    return error;
}

int records_highest(sqlite3 *db, int64_t *ret_id)
{
    sqlite3_stmt *statement = NULL;
    int error =
        db_prepare(db, "SELECT seq FROM sqlite_sequence WHERE name = 'messages'", &statement);
    bool row = false;
    if (error == BRIDGE_OK)
        error = sql_step(statement, &row);
    int64_t id = error == BRIDGE_OK && row ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    if (error == BRIDGE_OK)
        *ret_id = id;
    return error;
}
