/* The tables: those of the bridge and what others have hung on them, and our own. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "adapters/bridge/schema.h"
#include "adapters/host/clock.h"
#include "gateway/doctor.h"
#include "gateway/doctor_trial.h"
#include "proto/jtext.h"

#define THEIRS "('conversations', 'messages', 'session_status', 'audit_log')"

/* Columns of the bridge's tables that its programs do not make. */
static const char columns_sql[] =
    "SELECT s.name || '.' || p.name FROM sqlite_schema s, pragma_table_info(s.name) p"
    " WHERE s.type = 'table' AND lower(s.name) IN " THEIRS " AND lower(p.name) NOT IN ("
    " 'id', 'session_a_role', 'session_b_role', 'session_a_token', 'session_b_token',"
    " 'created_at', 'expires_at', 'conversation_id', 'from_session', 'to_session', 'message',"
    " 'metadata', 'timestamp', 'read', 'session_id', 'status', 'last_heartbeat', 'action',"
    " 'details') LIMIT 20";

static const char others_sql[] =
    "SELECT count(*) FROM sqlite_schema WHERE type IN ('table', 'view') AND lower(name) NOT "
    "IN " THEIRS
    " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE 'tailgate\\_%' ESCAPE "
    "'\\'";

static const char grows_sql[] =
    "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND lower(name) = 'messages'"
    " AND upper(sql) LIKE '%AUTOINCREMENT%'";

static const char triggers_sql[] =
    "SELECT name || ' on ' || tbl_name FROM sqlite_schema WHERE type = 'trigger'"
    " AND lower(tbl_name) IN " THEIRS " LIMIT 20";

static const char indexes_sql[] =
    "SELECT name || ' on ' || tbl_name FROM sqlite_schema WHERE type = 'index'"
    " AND sql IS NOT NULL AND lower(tbl_name) IN " THEIRS " AND name <> '" DOCTOR_INDEX
    "' LIMIT 20";

static const char has_index_sql[] =
    "SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND name = '" DOCTOR_INDEX "'";

typedef void see_fn(struct doctor *self, const char *name);

/* Calls SEE for each line of what SQL finds. */
static void each(struct doctor *self, const char *sql, see_fn *see)
{
    struct buffer lines;
    buffer_init(&lines);
    int error = doctor_lines(self->db, sql, &lines);
    if (error)
        doctor_cannot(self, error);
    char *rest = error ? NULL : lines.data;
    for (char *line = strsep(&rest, "\n"); line && rest; line = strsep(&rest, "\n"))
        see(self, line);
    buffer_done(&lines);
}

static void see_column(struct doctor *self, const char *name)
{
    doctor_say(self, DOCTOR_NOTE, "column %s is not the bridge's own", name);
    doctor_advise(self, "nothing, as long as it may be left out of an INSERT");
}

static void check_version(struct doctor *self)
{
    if (self->schema_version == 0 || self->schema_version == SCHEMA_VERSION)
        return;
    doctor_say(self, DOCTOR_NOTE, "our own tables are of version %" PRId64 ", this is %d",
               self->schema_version, SCHEMA_VERSION);
    doctor_advise(self, "start the new gateway: it brings them to its version");
}

/* Writes a reply as the gateway would, in a copy of the schema alone. */
static void check_trial(struct doctor *self)
{
    char why[DOCTOR_WHY_SIZE] = "";
    int error = doctor_trial_reply(self->db, why);
    if (error == BRIDGE_OK)
        return;
    if (error != BRIDGE_REFUSED) {
        doctor_cannot(self, error);
        return;
    }
    doctor_say(self, DOCTOR_PROBLEM, "replies cannot be committed: %s", why);
    doctor_quotes(self);
    doctor_advise(self, "drop the trigger, constraint or column that is not the bridge's own");
}

void doctor_check_schema(struct doctor *self)
{
    size_t before = self->count;
    int64_t others = 0, grows = 0;
    check_version(self);
    check_trial(self);
    each(self, columns_sql, see_column);
    int error = doctor_number(self->db, others_sql, 0, &others);
    if (!error)
        error = doctor_number(self->db, grows_sql, 0, &grows);
    if (error) {
        doctor_cannot(self, error);
        return;
    }
    if (!grows) {
        doctor_say(self, DOCTOR_PROBLEM,
                   "messages.id is not AUTOINCREMENT: the id of a row that "
                   "was deleted is used again, and such a row may be missed");
        doctor_advise(self, "make the table as the bridge does and copy the rows over");
    }
    if (self->count > before)
        return;
    doctor_say(self, DOCTOR_OK, "the bridge's tables as it makes them");
    if (self->schema_version)
        doctor_say(self, DOCTOR_OK, "our own tables, version %" PRId64, self->schema_version);
    else
        doctor_say(self, DOCTOR_OK, "none of our own tables: no gateway has served it yet");
    if (others)
        doctor_say(self, DOCTOR_OK, "%" PRId64 " other tables and views, which nobody here uses",
                   others);
}

static void see_trigger(struct doctor *self, const char *name)
{
    doctor_say(self, DOCTOR_WARNING,
               "trigger %s is not the bridge's own; it runs in the transactions of questions and "
               "replies, and when it fails they fail",
               name);
    doctor_advise(self, "drop it, if nobody needs it");
}

void doctor_check_triggers(struct doctor *self)
{
    size_t before = self->count;
    each(self, triggers_sql, see_trigger);
    if (self->count == before)
        doctor_say(self, DOCTOR_OK, "none on the bridge's tables");
}

static void see_index(struct doctor *self, const char *name)
{
    doctor_say(self, DOCTOR_NOTE, "index %s is not the bridge's own; each INSERT writes it, too",
               name);
    doctor_advise(self, "drop it, if no query needs it");
}

/* Says what it costs before and after. The lock is held for as long as making it takes. */
static void add_index(struct doctor *self)
{
    int64_t since_us = clock_mono_us();
    sqlite3 *db = NULL;
    int error = doctor_open(&self->place, DB_WRITER, DOCTOR_BUSY_MS, &db);
    if (!error)
        error = db_run(db, "CREATE INDEX IF NOT EXISTS " DOCTOR_INDEX
                           " ON messages (to_session, read)");
    db_close(&db);
    if (error) {
        doctor_say(self, DOCTOR_PROBLEM, "index " DOCTOR_INDEX " could not be made: %s",
                   db_error_text(error));
        return;
    }
    doctor_say(self, DOCTOR_OK, "index " DOCTOR_INDEX " is made, in %.1f s",
               (double)(clock_mono_us() - since_us) / 1e6);
}

void doctor_check_indexes(struct doctor *self)
{
    size_t before = self->count;
    int64_t there = 0;
    each(self, indexes_sql, see_index);
    if (self->options->add_index)
        add_index(self);
    int error = doctor_number(self->db, has_index_sql, 0, &there);
    if (error)
        doctor_cannot(self, error);
    else if (there)
        doctor_say(self, DOCTOR_OK,
                   "index " DOCTOR_INDEX " on messages (to_session, read) is "
                   "there: the bridge's unread scans are searches, and each INSERT writes about "
                   "one page more (DROP INDEX " DOCTOR_INDEX " takes it away)");
    else if (self->count == before)
        doctor_say(self, DOCTOR_OK,
                   "none on the bridge's tables but its own (--add-index makes "
                   "the bridge's unread scans searches; each INSERT then writes about one page "
                   "more)");
}
