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
    "  ('query_superseded', 'query_expired', 'query_deleted'))";

/* What the row above says, in its order. */
struct facts {
    int rows, read;     /* of the question */
    int replies, exact; /* all that begin like its answer; those that are all of it */
    int audits, deaths; /* of its reply; that it is an error */
    int ends;           /* audit rows of another end */
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
            sqlite3_column_int(statement, 6),
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

    if (is->replies > 1)
        object(self, "question %d has %d replies", k, is->replies);
    if (is->exact != is->replies)
        object(self, "the reply to question %d is not what was to be written", k);
    if (is->audits != is->replies)
        object(self, "question %d: %d replies, %d audit rows", k, is->replies, is->audits);
    if (is->rows && is->replies && !is->read)
        object(self, "question %d has a reply and is unread", k);
    if (is->rows && is->read && !is->replies && !by_guest)
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
        object(self, "the guest's question %d was committed and is lost", k);
    if (ledger->taken[k] && !is->read)
        object(self, "the guest's read flag of question %d was committed and is lost", k);
    if (ledger->removed[k] && is->rows)
        object(self, "question %d, which the guest deleted, is there again", k);
    if (ledger->ended[k] && script_fate(k) != FATE_REMOVED && is->ends < 1)
        object(self, "the end of question %d was acknowledged and is not recorded", k);
    if (ledger->answered[k] && ledger->ended[k])
        object(self, "question %d was reported with two ends", k);
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
