/* What was found, for people and for programs. */
#include <inttypes.h>
#include <string.h>

#include "gateway/doctor.h"
#include "proto/jtext.h"

#define LEFT_OUT "left out: it repeats the words of a file, a command or a schema"

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

static void json_integrity(const struct doctor *self, struct buffer *json)
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

static void json_rescan(const struct doctor *self, struct buffer *json)
{
    if (!self->rescanned) {
        jtext_member_raw(json, "rescan", span_str("null"));
        return;
    }
    jtext_member_raw(json, "rescan", span_str("{"));
    jtext_member_integer(json, "found", (int64_t)self->found);
    buffer_text(json, ",\"ids\":[");
    put_ids(json, self->unknown, self->found, ",");
    buffer_byte(json, ']');
    member_bool(json, "told", self->told);
    buffer_byte(json, '}');
}

static void json_rows(const struct doctor *self, bool bundle, struct buffer *json)
{
    if (!bundle) /* anybody's word, where it is not the usual one */
        jtext_member(json, "session", span_str(self->session));
    member_or_null(json, "low_water", self->mark);
    if (self->scanned)
        jtext_member_integer(json, "unread_queries", self->unread);
    else
        jtext_member_raw(json, "unread_queries", span_str("null"));
    jtext_member_integer(json, "parked", self->parked);
    jtext_member_integer(json, "dead", self->dead);
    jtext_member_integer(json, "kept_answers", self->kept);
    if (!self->all) {
        jtext_member_raw(json, "unknown", span_str("null"));
        return;
    }
    jtext_member_raw(json, "unknown", span_str("{"));
    jtext_member_integer(json, "count", (int64_t)self->unknown_count);
    buffer_text(json, ",\"ids\":[");
    put_ids(json, self->unknown, self->unknown_count, ",");
    buffer_text(json, "]}");
}

static void json_finding(const struct doctor_finding *finding, bool bundle, struct buffer *json)
{
    static const char *const fix[] = {"null", "\"possible\"", "\"done\""};
    bool left_out = bundle && finding->quotes;
    buffer_byte(json, '{');
    jtext_member(json, "check", span_str(finding->check->name));
    jtext_member(json, "result", span_str(doctor_result_name(finding->result)));
    jtext_member(json, "what", left_out ? span_str(LEFT_OUT) : buffer_span(&finding->what));
    if (finding->todo.size)
        jtext_member(json, "do", buffer_span(&finding->todo));
    else
        jtext_member_raw(json, "do", span_str("null"));
    jtext_member_raw(json, "fix", span_str(fix[finding->fix]));
    if (finding->more.size) {
        buffer_byte(json, ',');
        buffer_add(json, buffer_span(&finding->more));
    }
    buffer_byte(json, '}');
}

void doctor_report_json(const struct doctor *self, bool bundle, struct buffer *ret_json)
{
    int version = sqlite3_libversion_number();
    buffer_byte(ret_json, '{');
    jtext_member(ret_json, "db", span_str(self->place.db));
    member_bool(ret_json, "bridge", self->db != NULL);
    jtext_member(ret_json, "version", span_str(TAILGATE_VERSION));
    member_or_null(ret_json, "schema_version", self->schema_version);
    jtext_member_raw(ret_json, "sqlite", span_str("{"));
    jtext_member(ret_json, "version", span_str(db_sqlite_version()));
    member_bool(ret_json, "linked_in", db_sqlite_is_linked_in());
    member_bool(ret_json, "wal_reset_bug",
                version >= DOCTOR_BUG_FIRST && version < DOCTOR_BUG_FIXED);
    buffer_byte(ret_json, '}');
    jtext_member(ret_json, "journal_mode", span_str(self->journal));
    jtext_member_integer(ret_json, "wal_bytes", self->wal_bytes);
    if (!bundle)
        json_integrity(self, ret_json);
    member_or_null(ret_json, "gateway", self->gateway);
    json_rows(self, bundle, ret_json);
    json_rescan(self, ret_json);
    jtext_member(ret_json, "worst", span_str(doctor_result_name(doctor_worst(self))));
    buffer_text(ret_json, ",\"checks\":[");
    for (size_t i = 0; i < self->count; i++) {
        if (i)
            buffer_byte(ret_json, ',');
        json_finding(&self->finding[i], bundle, ret_json);
    }
    buffer_text(ret_json, "]}");
}

/* For a person. */

static void text_finding(const struct doctor_finding *finding, bool colours, struct buffer *text)
{
    static const char *const colour[DOCTOR_RESULTS] = {"32", "36", "33", "31;1"};
    const char *word = doctor_result_name(finding->result);
    if (colours)
        buffer_format(text, "\033[%sm%-8s\033[0m %-14s", colour[finding->result], word,
                      finding->check->name);
    else
        buffer_format(text, "%-8s %-14s", word, finding->check->name);
    buffer_byte(text, ' ');
    buffer_add(text, buffer_span(&finding->what));
    buffer_byte(text, '\n');
    if (finding->todo.size) {
        buffer_format(text, "%24s", "do: ");
        buffer_add(text, buffer_span(&finding->todo));
        buffer_byte(text, '\n');
    }
    if (finding->fix == DOCTOR_FIX_CAN)
        buffer_format(text, "%24s--fix %s\n", "or: ", finding->check->fixes);
}

static void text_rescan(const struct doctor *self, struct buffer *text)
{
    if (!self->rescanned)
        return;
    if (self->found == 0) {
        buffer_text(text, "\nThe rescan found nothing.\n");
        return;
    }
    buffer_format(text, "\n%zu unread %s at or below the low-water mark found and parked:\n    ",
                  self->found, self->found == 1 ? "query" : "queries");
    put_ids(text, self->unknown, self->found, ", ");
    buffer_text(text, self->found > DOCTOR_IDS ? ", ...\n" : "\n");
    buffer_text(text,
                self->told ? "The gateway looks now.\n" : "The next start of a gateway looks.\n");
}

static void text_summary(const struct doctor *self, struct buffer *text)
{
    size_t count[DOCTOR_RESULTS] = {0};
    for (size_t i = 0; i < self->count; i++)
        count[self->finding[i].result]++;
    if (doctor_worst(self) == DOCTOR_OK)
        buffer_text(text, "\nAll is well.\n");
    else
        buffer_format(text, "\n%zu %s, %zu %s, %zu %s.\n", count[DOCTOR_PROBLEM],
                      count[DOCTOR_PROBLEM] == 1 ? "problem" : "problems", count[DOCTOR_WARNING],
                      count[DOCTOR_WARNING] == 1 ? "warning" : "warnings", count[DOCTOR_NOTE],
                      count[DOCTOR_NOTE] == 1 ? "note" : "notes");
}

void doctor_report_text(const struct doctor *self, bool colours, struct buffer *ret_text)
{
    for (size_t i = 0; i < self->count; i++)
        text_finding(&self->finding[i], colours, ret_text);
    text_rescan(self, ret_text);
    text_summary(self, ret_text);
}
