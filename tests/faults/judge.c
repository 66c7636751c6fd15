#include "tests/faults/judge.h"

#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* All there is about one question: ?1 its number, ?2 the answer, ?3 the answer's characters. */
static const char look_sql[] =
    "WITH q AS (SELECT id, read FROM messages WHERE message = 'question ' || ?1),"
    " e AS (SELECT action FROM audit_log WHERE json_extract(details, '$.message_id') ="
    "       (SELECT id FROM q))"
    " SELECT (SELECT count(*) FROM q), (SELECT coalesce(max(read), 0) FROM q),"
    " (SELECT count(*) FROM messages WHERE message LIKE 'answer ' || ?1 || ' %'),"
    " (SELECT count(*) FROM messages WHERE message = ?2 AND from_session = 'b'"
    "  AND to_session = 'a' AND read = 0),"
    " (SELECT count(*) FROM audit_log WHERE action = 'send_message' AND session_id = 'b'"
    "  AND json_extract(details, '$.message_length') = ?3),"
    " (SELECT count(*) FROM e WHERE action = 'query_dead'),"
    " (SELECT count(*) FROM e WHERE action IN"
    "  ('query_superseded', 'query_expired', 'query_deleted', 'query_dropped')),"
    " (SELECT count(*) FROM e WHERE action = 'query_dropped')";

/* What stands beside a request: ?1 its number. */
static const char beside_sql[] =
    "WITH q AS (SELECT id, conversation_id AS home FROM messages WHERE message = 'question ' || "
    "?1),"
    " r AS (SELECT id FROM messages WHERE message LIKE 'answer ' || ?1 || ' %'),"
    " t AS (SELECT message_id, reply_id FROM tailgate_ticket WHERE ticket = printf('%032d', ?1))"
    " SELECT (SELECT count(*) FROM q),"
    " (SELECT count(*) FROM q JOIN conversations c ON c.id = q.home JOIN tailgate_made m"
    "  ON m.conversation_id = c.id AND m.expires_at = c.expires_at"
    "  JOIN tailgate_client k ON k.conversation_id = c.id),"
    " (SELECT count(*) FROM tailgate_client),"
    " (SELECT count(*) FROM audit_log WHERE action = 'create_conversation'),"
    " (SELECT count(*) FROM t), (SELECT count(*) FROM t JOIN q ON q.id = t.message_id),"
    " (SELECT count(*) FROM tailgate_request WHERE message_id IN (SELECT id FROM q)),"
    " (SELECT count(*) FROM tailgate_blob WHERE message_id IN (SELECT id FROM q)"
    "  AND CAST(data AS TEXT) = printf('frames of question %05000d', ?1)),"
    " (SELECT count(*) FROM t JOIN r ON r.id = t.reply_id),"
    " (SELECT count(*) FROM tailgate_blob WHERE message_id IN (SELECT id FROM r)"
    "  AND CAST(data AS TEXT) = 'frames of answer ' || ?1)";

/* What the row above says, in its order. */
struct facts {
    int rows, read;     /* of the question */
    int replies, exact; /* all that begin like its answer; those that are all of it */
    int audits, deaths; /* of its reply; that it is an error */
    int ends;           /* audit rows of another end, */
    int drops;          /*   and those that say that its client took it back */
};

/* The same of the other, for a question that is a request. */
struct beside {
    int rows;          /* of the question */
    int home;          /* that are in a conversation of ours */
    int homes, making; /* conversations of ours; audit rows of their making */
    int tickets, tied; /* its tickets; those that are tied to its row */
    int requests, blobs;
    int told, reply_blobs; /* tickets that have its reply's row; frames beside that */
};

struct judge {
    sqlite3 *db;
    const char *what;
    bool quiet;
    int violations;
};

static void object(struct judge *self, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void object(struct judge *self, const char *format, ...)
{
    char line[400]; /* written at once: others write, too */
    va_list rest;

    self->violations++;
    if (self->quiet)
        return;
    va_start(rest, format);
    vsnprintf(line, sizeof line, format, rest);
    va_end(rest);
    fprintf(stderr, "violation: %s: %s\n", self->what, line);
}

static bool look(struct judge *self, sqlite3_stmt *statement, int question, struct facts *ret_facts)
{
    const char *answer = script_answer(question);
    bool good;

    sqlite3_bind_int(statement, 1, question);
    sqlite3_bind_text(statement, 2, answer, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(statement, 3, (sqlite3_int64)strlen(answer));
    good = sqlite3_step(statement) == SQLITE_ROW;
    if (good)
        *ret_facts = (struct facts){
            sqlite3_column_int(statement, 0), sqlite3_column_int(statement, 1),
            sqlite3_column_int(statement, 2), sqlite3_column_int(statement, 3),
            sqlite3_column_int(statement, 4), sqlite3_column_int(statement, 5),
            sqlite3_column_int(statement, 6), sqlite3_column_int(statement, 7),
        };
    else
        object(self, "question %d cannot be read: %s", question, sqlite3_errmsg(self->db));
    sqlite3_reset(statement);
    return good;
}

/* Nothing is half: reply, read flag and audit rows are there together or not at all. */
static void judge_whole(struct judge *self, int k, const struct facts *is)
{
    bool by_guest = script_fate(k) == FATE_TAKEN;

    if (is->rows > 1)
        object(self, "question %d has %d rows", k, is->rows);
    if (is->drops > 1 || (is->drops && (is->replies || !is->read)))
        object(self, "question %d was dropped %d times, with %d replies", k, is->drops,
               is->replies);
    if (is->replies > 1)
        object(self, "question %d has %d replies", k, is->replies);
    if (is->exact != is->replies)
        object(self, "the reply to question %d is not what was to be written", k);
    if (is->audits != is->replies)
        object(self, "question %d: %d replies, %d audit rows", k, is->replies, is->audits);
    if (is->rows && is->replies && !is->read)
        object(self, "question %d has a reply and is unread", k);
    if (is->rows && is->read && !is->replies && !by_guest && !is->drops)
        object(self, "question %d is read and has no reply", k);
    if (is->deaths != (script_fate(k) == FATE_DEAD ? is->replies : 0))
        object(self, "question %d: %d replies, %d audit rows of its death", k, is->replies,
               is->deaths);
    if (is->rows == 0 && script_fate(k) != FATE_REMOVED && !script_is_late(k))
        object(self, "question %d is gone", k);
}

static void judge_ledger(struct judge *self, int k, const struct facts *is,
                         const struct ledger *ledger)
{
    if (ledger->answered[k] && is->exact != 1)
        object(self, "the reply to question %d was acknowledged and is lost", k);
    if (ledger->asked[k] && is->rows != 1)
        object(self, "question %d was acknowledged and is lost", k);
    if (ledger->taken[k] && !is->read)
        object(self, "the guest's read flag of question %d was committed and is lost", k);
    if (ledger->removed[k] && is->rows)
        object(self, "question %d, which the guest deleted, is there again", k);
    if (ledger->ended[k] && script_fate(k) != FATE_REMOVED && is->ends < 1)
        object(self, "the end of question %d was acknowledged and is not recorded", k);
    if (ledger->answered[k] && ledger->ended[k])
        object(self, "question %d was reported with two ends", k);
}

/* A request and what belongs to it are there together or not at all, and so is its reply. */
static void judge_beside(struct judge *self, int k, const struct facts *is,
                         const struct beside *its)
{
    int left = is->drops ? 0 : its->rows;

    if (its->home != its->rows || its->homes != its->making)
        object(self,
               "request %d: %d of %d rows in one of %d conversations of ours, %d of them told", k,
               its->home, its->rows, its->homes, its->making);
    if (its->tickets != its->rows || its->tied != its->rows)
        object(self, "request %d has %d rows and %d tickets, %d of them tied", k, its->rows,
               its->tickets, its->tied);
    if (its->requests != left || its->blobs != left)
        object(self, "request %d: %d rows are left, %d digests, %d bodies", k, left, its->requests,
               its->blobs);
    if (its->told != is->replies || its->reply_blobs != is->replies)
        object(self, "request %d: %d replies, %d tickets that know it, %d bodies", k, is->replies,
               its->told, its->reply_blobs);
}

/* Our tables are not there before a gateway has opened the file. */
static void look_beside(struct judge *self, int k, const struct facts *facts)
{
    sqlite3_stmt *row = NULL;
    struct beside beside;

    if (!facts->rows && sqlite3_table_column_metadata(self->db, NULL, "tailgate_blob", NULL, NULL,
                                                      NULL, NULL, NULL, NULL) != SQLITE_OK)
        return;
    if (sqlite3_prepare_v2(self->db, beside_sql, -1, &row, NULL) == SQLITE_OK)
        sqlite3_bind_int(row, 1, k);
    if (!row || sqlite3_step(row) != SQLITE_ROW) {
        object(self, "request %d cannot be read: %s", k, sqlite3_errmsg(self->db));
    } else {
        beside = (struct beside){
            sqlite3_column_int(row, 0), sqlite3_column_int(row, 1), sqlite3_column_int(row, 2),
            sqlite3_column_int(row, 3), sqlite3_column_int(row, 4), sqlite3_column_int(row, 5),
            sqlite3_column_int(row, 6), sqlite3_column_int(row, 7), sqlite3_column_int(row, 8),
            sqlite3_column_int(row, 9),
        };
        judge_beside(self, k, facts, &beside);
    }
    sqlite3_finalize(row);
}

static void judge_integrity(struct judge *self)
{
    sqlite3_stmt *statement = NULL;
    const char *text = "no row";

    if (sqlite3_prepare_v2(self->db, "PRAGMA integrity_check", -1, &statement, NULL) ||
        sqlite3_step(statement) != SQLITE_ROW)
        text = sqlite3_errmsg(self->db);
    else
        text = (const char *)sqlite3_column_text(statement, 0);
    if (!text || strcmp(text, "ok") != 0)
        object(self, "integrity_check: %s", text ? text : "nothing");
    sqlite3_finalize(statement);
}

static void judge_questions(struct judge *self, const struct ledger *ledger, bool complete)
{
    sqlite3_stmt *statement = NULL;
    struct facts facts;

    if (sqlite3_prepare_v2(self->db, look_sql, -1, &statement, NULL) != SQLITE_OK)
        object(self, "it cannot be read: %s", sqlite3_errmsg(self->db));
    for (int k = 1; k <= QUESTIONS && self->violations == 0; k++) {
        if (!look(self, statement, k, &facts))
            break;
        judge_whole(self, k, &facts);
        judge_ledger(self, k, &facts, ledger);
        if (script_is_request(k))
            look_beside(self, k, &facts);
        if (complete && facts.rows && !facts.read && script_fate(k) != FATE_EXPIRED)
            object(self, "question %d is unanswered after the next start", k);
    }
    sqlite3_finalize(statement);
}

int judge_file(const struct place *place, const struct ledger *ledger, bool complete,
               const char *what, bool quiet)
{
    struct judge judge = {.what = what, .quiet = quiet};

    if (sqlite3_open_v2(place->db, &judge.db, SQLITE_OPEN_READWRITE, "unix") != SQLITE_OK)
        object(&judge, "it cannot be opened: %s", sqlite3_errmsg(judge.db));
    else
        judge_integrity(&judge);
    if (!judge.violations)
        judge_questions(&judge, ledger, complete);
    sqlite3_close(judge.db);
    return judge.violations;
}
