/* The table of checks: adding one is adding a function and a row. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/bridge/records.h"
#include "adapters/bridge/schema.h"
#include "gateway/doctor.h"

#define FIRST_BUSY_MS 1000 /* who holds a lock has been watched for as long already */

static void check_database(struct doctor *self)
{
    doctor_say(self, DOCTOR_OK, "%s is a bridge, served for session %s", self->place.db,
               self->session);
    doctor_quotes_session(self);
}

static const struct doctor_check checks[] = {
    {"file-system", DOCTOR_PLACE, doctor_check_medium, NULL},
    {"disk", DOCTOR_PLACE, doctor_check_disk, NULL},
    {"gateway", DOCTOR_PLACE, doctor_check_gateway, NULL},
    {"helpers", DOCTOR_PLACE, doctor_check_helpers, NULL},
    {"permissions", DOCTOR_PLACE, doctor_check_permissions,
     "takes away what users other than the owner and the group may do"},
    {"limits", DOCTOR_PLACE, doctor_check_limits, NULL},
    {"writers", DOCTOR_PLACE, doctor_check_writers, NULL},
    {"wal", DOCTOR_PLACE, doctor_check_wal, NULL},
    {"configuration", DOCTOR_PLACE, doctor_check_config, NULL},
    {"certificates", DOCTOR_PLACE, doctor_check_certificates,
     "makes secret keys readable by their owner alone"},
    {"database", DOCTOR_DB, check_database, NULL},
    {"leftovers", DOCTOR_DB, doctor_check_leftovers,
     "removes sockets at which nobody listens, while no gateway runs"},
    {"sqlite", DOCTOR_DB, doctor_check_sqlite, NULL},
    {"schema", DOCTOR_DB, doctor_check_schema, NULL},
    {"triggers", DOCTOR_DB, doctor_check_triggers, NULL},
    {"indexes", DOCTOR_DB, doctor_check_indexes, NULL},
    {"journal", DOCTOR_DB, doctor_check_journal,
     "sets journal_mode to WAL, while no gateway runs and nobody holds a lock"},
    {"integrity", DOCTOR_DB, doctor_check_integrity, NULL},
    {"clock", DOCTOR_DB, doctor_check_clock, NULL},
    {"unread", DOCTOR_DB, doctor_check_unread, NULL},
    {"superseded", DOCTOR_DB, doctor_check_superseded, NULL},
};

/* Stands for what keeps all others from running. */
static const struct doctor_check cannot_open = {"database", DOCTOR_PLACE, check_database, NULL};

void doctor_checks_run(struct doctor *self, enum doctor_stage stage)
{
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        self->check = &checks[i];
        if (checks[i].stage == stage)
            checks[i].run(self);
    }
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

static int find_session(struct doctor *self)
{
    const char *named = self->options->session;
    snprintf(self->session, sizeof self->session, "%s", named ? named : "b");
    if (named)
        return BRIDGE_OK;
    int error = records_note(self->db, "serves", self->session, sizeof self->session);
    return error == BRIDGE_ABSENT ? BRIDGE_OK : error;
}

static int read_facts(struct doctor *self)
{
    bool keeps = false;
    int error = find_session(self);
    if (!error)
        error = read_number(self->db, "schema_version", &self->schema_version);
    if (!error)
        error = read_number(self->db, "low_water", &self->mark);
    if (!error && self->schema_version)
        error = records_counts(self->db, &self->parked, &self->dead);
    if (!error)
        error = schema_has(self->db, "tailgate_answer", &keeps);
    if (!error && keeps)
        error = doctor_number(self->db, "SELECT count(*) FROM tailgate_answer", 0, &self->kept);
    return error;
}

int doctor_begin(struct doctor *self)
{
    struct buffer who;
    int error = doctor_open(&self->place, DB_READER, FIRST_BUSY_MS, &self->db);
    if (self->db && self->wal_bytes > 0)
        db_leave_wal(self->db); /* who only looks writes nothing back */
    if (!error)
        error = read_facts(self);
    if (!error || error == BRIDGE_FOREIGN || error == BRIDGE_NEWER || error == BRIDGE_NOT_SQLITE ||
        error == BRIDGE_ABSENT)
        return error;
    self->check = &cannot_open;
    buffer_init(&who);
    long holder = error == BRIDGE_BUSY ? db_lock_holder(&self->place) : 0;
    if (holder > 0) {
        buffer_text(&who, ", by ");
        doctor_process(&who, holder);
    }
    doctor_say(self, DOCTOR_PROBLEM, "cannot be read: %s%s", db_error_text(error),
               who.data ? who.data : "");
    doctor_advise(self, error == BRIDGE_BUSY      ? "end that process, or wait for it"
                        : error == BRIDGE_CORRUPT ? "stop its programs and restore a copy"
                                                  : "see what is said of permissions and disk");
    buffer_done(&who);
    db_close(&self->db);
    return BRIDGE_OK;
}
