/* The database as SQLite sees it: which SQLite, which journal, whether it is sound. */
#include <stdio.h>
#include <string.h>

#include "gateway/doctor.h"

#define COMPLAINTS "20" /* lines of integrity_check */

void doctor_check_sqlite(struct doctor *self)
{
    int version = sqlite3_libversion_number();
    bool bug = version >= DOCTOR_BUG_FIRST && version < DOCTOR_BUG_FIXED;
    doctor_say(self, bug ? DOCTOR_NOTE : DOCTOR_OK,
               "%s, %s, %s the WAL-reset bug of 3.7.0 to "
               "3.51.2",
               db_sqlite_version(), db_sqlite_is_linked_in() ? "linked in" : "the system's library",
               bug ? "with" : "without");
    if (bug)
        doctor_advise(self, "upgrade the system's SQLite, or build with -DTAILGATE_SQLITE_SOURCE; "
                            "the gateway's checkpoints keep away from the bug");
}

/* What the bridge's own programs do at each call; here only where nobody is in the way. */
static int set_wal(struct doctor *self)
{
    sqlite3 *db = NULL;
    struct buffer mode;
    if (self->gateway)
        return BRIDGE_BUSY;
    buffer_init(&mode);
    int error = db_open(&self->place, DB_WRITER, 0, &db);
    if (!error)
        error = doctor_lines(db, "PRAGMA journal_mode=WAL", &mode);
    if (!error && !span_is(buffer_span(&mode), "wal\n"))
        error = BRIDGE_OTHER;
    db_close(&db);
    buffer_done(&mode);
    return error;
}

static int read_journal(struct doctor *self)
{
    struct buffer line;
    buffer_init(&line);
    int error = doctor_lines(self->db, "PRAGMA journal_mode", &line);
    if (!error)
        snprintf(self->journal, sizeof self->journal, "%.*s", (int)(line.size ? line.size - 1 : 0),
                 line.data ? line.data : "");
    buffer_done(&line);
    return error;
}

void doctor_check_journal(struct doctor *self)
{
    int error = read_journal(self);
    if (error) {
        doctor_cannot(self, error);
        return;
    }
    if (strcmp(self->journal, "wal") == 0) {
        doctor_say(self, DOCTOR_OK, "wal");
        return;
    }
    int fixed = self->options->fix ? set_wal(self) : BRIDGE_ABSENT;
    if (fixed == BRIDGE_OK) {
        doctor_say(self, DOCTOR_NOTE, "was %s, is wal now", self->journal);
        doctor_fix(self, DOCTOR_FIX_DONE);
        snprintf(self->journal, sizeof self->journal, "wal");
        return;
    }
    doctor_say(self, DOCTOR_WARNING, "%s%s%s: readers and writers keep each other waiting",
               self->journal, self->options->fix ? ", and stays: " : "",
               !self->options->fix ? ""
               : self->gateway     ? "a gateway runs"
                                   : db_error_text(fixed));
    doctor_advise(self, "PRAGMA journal_mode=WAL, as the bridge's own programs set at each call");
    doctor_fix(self, DOCTOR_FIX_CAN);
}

/* What is damaged is a finding, not a failure to look. */
void doctor_check_integrity(struct doctor *self)
{
    if (!self->options->check)
        return;
    int error = doctor_lines(self->db, "PRAGMA integrity_check(" COMPLAINTS ")", &self->complaints);
    if (error == BRIDGE_CORRUPT)
        buffer_format(&self->complaints, "%s\n", db_explain(self->db));
    if (error && error != BRIDGE_CORRUPT) {
        doctor_cannot(self, error);
        return;
    }
    self->checked = true;
    self->sound = span_is(buffer_span(&self->complaints), "ok\n");
    if (self->sound) {
        doctor_say(self, DOCTOR_OK, "the whole file is sound");
        return;
    }
    doctor_say(self, DOCTOR_PROBLEM, "DAMAGED: %.200s%s",
               self->complaints.data ? self->complaints.data : "",
               self->complaints.size > 200 ? "…" : "");
    doctor_quotes(self);
    doctor_advise(self, "stop its programs and restore a copy; --json has all complaints");
}
