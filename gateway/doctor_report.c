#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "adapters/bridge/records.h"
#include "adapters/bridge/schema.h"
#include "gateway/doctor.h"
#include "proto/escape.h"
#include "proto/jtext.h"

/* The bug that TRUNCATE, RESTART and a reset by another process can meet: sqlite.org/wal.html. */
#define BUG_FIRST 3007000
#define BUG_FIXED 3051003
#define BUG_NAME "the WAL-reset bug of 3.7.0 to 3.51.2"

#define COMPLAINTS "20" /* lines of integrity_check */

static bool has_wal_bug(void)
{
    int version = sqlite3_libversion_number();
    return version >= BUG_FIRST && version < BUG_FIXED;
}

static struct span column_text(sqlite3_stmt *row)
{
    const void *text = sqlite3_column_text(row, 0);
    return span_of(text, text ? (size_t)sqlite3_column_bytes(row, 0) : 0);
}

/* Runs SQL and appends its first column, a line for each row. */
static int read_lines(sqlite3 *db, const char *sql, struct buffer *ret_lines)
{
    sqlite3_stmt *row = NULL;
    int error = db_prepare(db, sql, &row);
    if (error)
        return error;
    int code;
    while ((code = sqlite3_step(row)) == SQLITE_ROW) {
        buffer_add(ret_lines, column_text(row));
        buffer_byte(ret_lines, '\n');
    }
    sqlite3_finalize(row);
    return code == SQLITE_DONE ? BRIDGE_OK : db_error(code);
}

static int read_journal(sqlite3 *db, char *ret_name, size_t room)
{
    struct buffer line;
    buffer_init(&line);
    int error = read_lines(db, "PRAGMA journal_mode", &line);
    if (!error)
        snprintf(ret_name, room, "%.*s", (int)(line.size ? line.size - 1 : 0),
                 line.data ? line.data : "");
    buffer_done(&line);
    return error;
}

/* What is damaged is a finding, not a failure to look. */
static int check_integrity(sqlite3 *db, struct doctor_report *report)
{
    int error = read_lines(db, "PRAGMA integrity_check(" COMPLAINTS ")", &report->complaints);
    if (error == BRIDGE_CORRUPT)
        buffer_format(&report->complaints, "%s\n", db_explain(db));
    if (error && error != BRIDGE_CORRUPT)
        return error;
    report->checked = true;
    report->sound = span_is(buffer_span(&report->complaints), "ok\n");
    return BRIDGE_OK;
}

static int count_kept(sqlite3 *db, int64_t *ret_count)
{
    struct buffer line;
    bool there = false;
    int error = schema_has(db, "tailgate_answer", &there);
    if (error || !there)
        return error;
    buffer_init(&line);
    error = read_lines(db, "SELECT count(*) FROM tailgate_answer", &line);
    if (!error && line.size)
        *ret_count = strtoll(line.data, NULL, 10);
    buffer_done(&line);
    return error;
}

/* A whole number of tailgate_meta; 0 when there is none. */
static int read_number(sqlite3 *db, const char *key, int64_t *ret_number)
{
    char word[32];
    int error = records_note(db, key, word, sizeof word);
    if (!error)
        *ret_number = strtoll(word, NULL, 10);
    return error == BRIDGE_ABSENT ? BRIDGE_OK : error;
}

int doctor_mark(sqlite3 *db, int64_t *ret_mark)
{
    return read_number(db, "low_water", ret_mark);
}

int doctor_report_read(sqlite3 *db, bool check, struct doctor_report *report)
{
    struct place_holder holder;
    report->gateway = place_holder(report->place, &holder) == 0 ? holder.pid : 0;
    report->wal_bytes = db_wal_size(report->place->db);
    int error = read_journal(db, report->journal, sizeof report->journal);
    if (!error)
        error = read_number(db, "schema_version", &report->schema_version);
    if (!error)
        error = doctor_mark(db, &report->mark);
    if (!error && report->schema_version)
        error = records_counts(db, &report->parked, &report->dead);
    if (!error)
        error = count_kept(db, &report->kept);
    if (!error && check)
        error = check_integrity(db, report);
    return error;
}

void doctor_report_done(struct doctor_report *self)
{
    buffer_done(&self->complaints);
}

static size_t shown(size_t count)
{
    return count < DOCTOR_IDS ? count : DOCTOR_IDS;
}

static void put_ids(struct buffer *text, const int64_t *id, size_t count, const char *between)
{
    for (size_t i = 0; i < shown(count); i++)
        buffer_format(text, "%s%" PRId64, i ? between : "", id[i]);
}

static void member_or_null(struct buffer *json, const char *name, int64_t number)
{
    if (number)
        jtext_member_integer(json, name, number);
    else
        jtext_member_raw(json, name, span_str("null"));
}

static void member_bool(struct buffer *json, const char *name, bool value)
{
    jtext_member_raw(json, name, span_str(value ? "true" : "false"));
}

static void json_integrity(const struct doctor_report *self, struct buffer *json)
{
    if (!self->checked) {
        jtext_member_raw(json, "integrity", span_str("null"));
        return;
    }
    const char *at = self->complaints.data ? self->complaints.data : "";
    buffer_text(json, ",\"integrity\":[");
    for (const char *end; (end = strchr(at, '\n')); at = end + 1) {
        if (at != self->complaints.data)
            buffer_byte(json, ',');
        jtext_quote(json, span_of(at, (size_t)(end - at)));
    }
    buffer_byte(json, ']');
}

static void json_rows(const struct doctor_report *self, struct buffer *json)
{
    const struct doctor_scan *scan = self->scan;
    jtext_member(json, "session", span_str(self->session));
    member_or_null(json, "low_water", self->mark);
    jtext_member_integer(json, "unread_queries", scan->unread);
    jtext_member_integer(json, "parked", self->parked);
    jtext_member_integer(json, "dead", self->dead);
    jtext_member_integer(json, "kept_answers", self->kept);
    jtext_member_raw(json, "unknown", span_str("{"));
    jtext_member_integer(json, "count", (int64_t)scan->unknown_count);
    buffer_text(json, ",\"ids\":[");
    put_ids(json, scan->unknown, scan->unknown_count, ",");
    buffer_text(json, "]}");
    if (!self->rescanned) {
        jtext_member_raw(json, "rescan", span_str("null"));
        return;
    }
    jtext_member_raw(json, "rescan", span_str("{"));
    jtext_member_integer(json, "found", (int64_t)self->found);
    buffer_text(json, ",\"ids\":[");
    put_ids(json, scan->unknown, self->found, ",");
    buffer_byte(json, ']');
    member_bool(json, "told", self->told);
    buffer_byte(json, '}');
}

void doctor_report_json(const struct doctor_report *self, struct buffer *ret_json)
{
    buffer_byte(ret_json, '{');
    jtext_member(ret_json, "db", span_str(self->place->db));
    member_bool(ret_json, "bridge", true);
    member_or_null(ret_json, "schema_version", self->schema_version);
    jtext_member_raw(ret_json, "sqlite", span_str("{"));
    jtext_member(ret_json, "version", span_str(db_sqlite_version()));
    member_bool(ret_json, "linked_in", db_sqlite_is_linked_in());
    member_bool(ret_json, "wal_reset_bug", has_wal_bug());
    buffer_byte(ret_json, '}');
    jtext_member(ret_json, "journal_mode", span_str(self->journal));
    jtext_member_integer(ret_json, "wal_bytes", self->wal_bytes);
    json_integrity(self, ret_json);
    member_or_null(ret_json, "gateway", self->gateway);
    json_rows(self, ret_json);
    buffer_byte(ret_json, '}');
}

static void text_integrity(const struct doctor_report *self, struct buffer *text)
{
    if (!self->checked)
        buffer_text(text, "Integrity      not checked (--check)\n");
    else if (self->sound)
        buffer_text(text, "Integrity      ok\n");
    if (!self->checked || self->sound)
        return;
    buffer_text(text, "Integrity      DAMAGED; stop its programs and restore a copy:\n");
    const char *at = self->complaints.data ? self->complaints.data : "";
    for (const char *end; (end = strchr(at, '\n')); at = end + 1) {
        buffer_text(text, "               ");
        escape_text(text, span_of(at, (size_t)(end - at)), ESCAPE_CELL);
        buffer_byte(text, '\n');
    }
}

static void text_file(const struct doctor_report *self, struct buffer *text)
{
    buffer_text(text, "Database       ");
    escape_text(text, span_str(self->place->db), ESCAPE_CELL);
    buffer_text(text, ", a bridge\nOur tables     ");
    if (self->schema_version)
        buffer_format(text, "version %" PRId64 "\n", self->schema_version);
    else
        buffer_text(text, "none: no gateway has served it yet\n");
    buffer_format(text, "SQLite         %s, %s, %s\n", db_sqlite_version(),
                  db_sqlite_is_linked_in() ? "linked in" : "the system's library",
                  has_wal_bug() ? "with " BUG_NAME : "without " BUG_NAME);
    buffer_text(text, "Journal        ");
    escape_text(text, span_str(self->journal), ESCAPE_CELL);
    buffer_format(text, ", %.1f MiB in -wal\n", (double)self->wal_bytes / (1 << 20));
    text_integrity(self, text);
    if (self->gateway)
        buffer_format(text, "Gateway        pid %ld\n", self->gateway);
    else
        buffer_text(text, "Gateway        none runs\n");
}

static void text_unknown(const struct doctor_report *self, struct buffer *text)
{
    const struct doctor_scan *scan = self->scan;
    size_t count = self->rescanned ? self->found : scan->unknown_count;
    if (count == 0) {
        buffer_text(text, self->rescanned ? "\nThe rescan found nothing.\n" : "");
        return;
    }
    buffer_format(text, "\n%zu unread %s at or below the low-water mark %s:\n    ", count,
                  count == 1 ? "query" : "queries",
                  self->rescanned ? "found and parked" : "that nobody looks at any more");
    put_ids(text, scan->unknown, count, ", ");
    buffer_text(text, count > DOCTOR_IDS ? ", ...\n" : "\n");
    if (!self->rescanned)
        buffer_text(text, "Somebody has set read back to 0. To have that answered: tailgate "
                          "doctor --rescan\n");
    else if (self->told)
        buffer_text(text, "The gateway looks now.\n");
    else
        buffer_text(text, "The next start of a gateway looks.\n");
}

void doctor_report_text(const struct doctor_report *self, struct buffer *ret_text)
{
    text_file(self, ret_text);
    if (self->mark)
        buffer_format(ret_text, "Low water      message %" PRId64 "\n", self->mark);
    else
        buffer_text(ret_text, "Low water      none: the next start reads every message\n");
    buffer_format(ret_text, "Unread         %" PRId64 " %s to session ", self->scan->unread,
                  self->scan->unread == 1 ? "query" : "queries");
    escape_text(ret_text, span_str(self->session), ESCAPE_CELL);
    buffer_format(ret_text,
                  " in live conversations\n"
                  "Parked         %" PRId64 " below the low-water mark\n"
                  "Dead           %" PRId64 " that were not asked again\n"
                  "Kept answers   %" PRId64 "\n",
                  self->parked, self->dead, self->kept);
    text_unknown(self, ret_text);
}
