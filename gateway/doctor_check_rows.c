/* Rows that nobody answers, and somebody else who takes them. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "gateway/doctor_scan.h"
#include "gateway/terminal.h"
#include "proto/jtext.h"

/* What a reason means. In TEXT, %s is the group's word. */
static const struct meaning {
    enum doctor_result result;
    const char *text, *todo;
} meanings[REASONS] = {
    [REASON_SERVED] = {DOCTOR_OK, "with a worker, or waiting for one that is there, of service %s",
                       NULL},
    [REASON_NO_GATEWAY] = {DOCTOR_WARNING, "for service %s, and no gateway runs",
                           "tailgate serve --db FILE"},
    [REASON_SILENT_GATEWAY] = {DOCTOR_WARNING,
                               "for service %s, and the gateway does not say what it does",
                               "see what is said of the gateway"},
    [REASON_NO_WORKER] = {DOCTOR_PROBLEM, "no worker for service %s",
                          "start one: tailgate work --db FILE --service NAME (or without "
                          "--service, for all)"},
    [REASON_PAUSED] = {DOCTOR_WARNING, "service %s is paused", "tailgate resume --db FILE"},
    [REASON_BACK_OFF] = {DOCTOR_NOTE, "failed before, and wait for their next attempt, service %s",
                         "nothing; the reply or tailgate dead list will say what was wrong"},
    [REASON_AGENT] = {DOCTOR_NOTE,
                      "left to a living agent on their session (its heartbeat in session_status "
                      "is younger than 120 s), service %s",
                      "nothing, or serve.agents = serve"},
    [REASON_EXPIRED] = {DOCTOR_NOTE, "in conversations that have expired: nobody answers there%s",
                        "nothing; ask again in a new conversation"},
    [REASON_NO_CONVERSATION] = {DOCTOR_WARNING, "whose conversation is gone: nobody answers them%s",
                                "delete them, or ask again in a conversation"},
    [REASON_OTHER_SESSION] = {DOCTOR_NOTE, "for session %s, which the gateway does not serve",
                              "nothing where somebody else answers there; else have them sent to "
                              "the session that is served, or serve that one (serve.session)"},
    [REASON_NOT_A_QUERY] = {DOCTOR_NOTE, "not recognised as a query (%s)",
                            "nothing if they are none; a query is JSON with \"type\":\"query\", or "
                            "text with metadata {\"action_type\":\"question\"}"},
    [REASON_BELOW_MARK] = {DOCTOR_WARNING,
                           "at or below the low-water mark: somebody has set read back to 0, and "
                           "nobody looks there, service %s",
                           "tailgate doctor --db FILE --rescan"},
};

static void put_ids(struct buffer *text, const struct doctor_group *group, const char *between)
{
    for (int64_t i = 0; i < group->count && i < DOCTOR_IDS; i++)
        buffer_format(text, "%s%" PRId64, i ? between : "", group->id[i]);
}

/* The name of the database in the place of FILE. */
static void advise(struct doctor *self, const char *todo)
{
    const char *gap = strstr(todo, "FILE");
    struct buffer name;
    buffer_init(&name);
    if (gap)
        terminal_quote(&name, self->place.db);
    doctor_advise(self, "%.*s%s%s", (int)(gap ? gap - todo : 0), todo, gap ? name.data : todo,
                  gap ? gap + strlen("FILE") : "");
    buffer_done(&name);
}

static void say_group(struct doctor *self, const struct doctor_group *group)
{
    const struct meaning *meaning = &meanings[group->reason];
    const char *gap = strstr(meaning->text, "%s");
    struct buffer ids;
    buffer_init(&ids);
    put_ids(&ids, group, ", ");
    doctor_say(self, meaning->result, "%" PRId64 " unread %s %.*s%s%s (%s %s%s)", group->count,
               group->count == 1 ? "row:" : "rows:", (int)(gap - meaning->text), meaning->text,
               group->word, gap + 2, group->count == 1 ? "id" : "ids", ids.data,
               group->count > DOCTOR_IDS ? ", …" : "");
    if (meaning->todo)
        advise(self, meaning->todo);
    struct buffer *more = doctor_more(self);
    jtext_member(more, "reason", span_str(doctor_reason_name(group->reason)));
    if (group->reason == REASON_OTHER_SESSION)
        doctor_quotes(self); /* anybody's word */
    else
        jtext_member(more, "word", span_str(group->word));
    jtext_member_integer(more, "count", group->count);
    buffer_reset(&ids);
    buffer_byte(&ids, '[');
    put_ids(&ids, group, ",");
    buffer_byte(&ids, ']');
    jtext_member_raw(more, "ids", buffer_span(&ids));
    buffer_done(&ids);
}

static void say_kept(struct doctor *self)
{
    if (self->dead) {
        doctor_say(self, DOCTOR_NOTE, "%" PRId64 " dead %s not asked again", self->dead,
                   self->dead == 1 ? "query was" : "queries were");
        advise(self, "tailgate dead list --db FILE");
    }
    if (!self->all)
        doctor_say(self, DOCTOR_OK,
                   "looked at what is above the low-water mark (message %" PRId64
                   ") or parked; --rescan looks at all",
                   self->mark);
}

void doctor_check_unread(struct doctor *self)
{
    int error = doctor_scan_run(self, terminal_is(STDERR_FILENO));
    if (error) {
        doctor_cannot(self, error);
        return;
    }
    for (size_t i = 0; i < self->groups; i++)
        say_group(self, &self->group[i]);
    if (self->groups == 0)
        doctor_say(self, DOCTOR_OK, "nothing waits for an answer");
    say_kept(self);
}

/* Somebody else. */

#define AUDIT_ROWS "10000" /* the newest, that are looked at */

/* Rows of a query that was taken while it was ours, and fetches of the session that is served. */
#define NEWEST                                                                                     \
    " FROM (SELECT id, session_id, action, details FROM audit_log ORDER BY id DESC "               \
    "LIMIT " AUDIT_ROWS ")"

static int count_fetches(struct doctor *self, int64_t *ret_count)
{
    sqlite3_stmt *row = NULL;
    int error = db_prepare(
        self->db, "SELECT count(*)" NEWEST " WHERE action = 'get_messages' AND session_id = ?1",
        &row);
    if (error)
        return error;
    sqlite3_bind_text(row, 1, self->session, -1, SQLITE_STATIC);
    int code = sqlite3_step(row);
    if (code == SQLITE_ROW)
        *ret_count = sqlite3_column_int64(row, 0);
    sqlite3_finalize(row);
    return code == SQLITE_ROW ? BRIDGE_OK : db_error(code);
}

/* The ids that our audit rows name, in our own form. */
static int read_taken(struct doctor *self, struct buffer *ret_ids)
{
    struct buffer lines;
    buffer_init(&lines);
    int error = doctor_lines(
        self->db, "SELECT details" NEWEST " WHERE action = 'query_superseded' LIMIT 20", &lines);
    char *rest = lines.data;
    for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
        long long id;
        if (sscanf(line, "{\"message_id\": %lld}", &id) == 1)
            buffer_format(ret_ids, "%s%lld", ret_ids->size ? "," : "", id);
    }
    buffer_done(&lines);
    return error;
}

void doctor_check_superseded(struct doctor *self)
{
    const json_t *counters = json_object_get(self->status, "counters");
    long long run = (long long)json_integer_value(json_object_get(counters, "superseded"));
    int64_t taken = 0, fetches = 0;
    struct buffer ids;
    buffer_init(&ids);
    int error = doctor_number(
        self->db, "SELECT count(*)" NEWEST " WHERE action = 'query_superseded'", 0, &taken);
    if (!error)
        error = count_fetches(self, &fetches);
    if (!error)
        error = read_taken(self, &ids);
    if (error) {
        doctor_cannot(self, error);
    } else if (taken || run) {
        doctor_say(self, DOCTOR_WARNING,
                   "somebody else takes queries of session %s: %" PRId64
                   " of late, %lld since the gateway started, %" PRId64 " fetches (ids %s)",
                   self->session, taken, run, fetches, ids.size ? ids.data : "not known");
        doctor_advise(self, "stop the program that polls that session, or serve with claim = "
                            "dispatch");
        jtext_member_integer(doctor_more(self), "count", taken);
        doctor_quotes_session(self);
    } else if (fetches) {
        doctor_say(self, DOCTOR_NOTE,
                   "somebody fetches the messages of session %s: %" PRId64 " times of late",
                   self->session, fetches);
        doctor_advise(self, "if that is a program which the gateway replaces, stop it");
        doctor_quotes_session(self);
    } else {
        doctor_say(self, DOCTOR_OK, "nobody else takes what is asked");
    }
    buffer_done(&ids);
}
