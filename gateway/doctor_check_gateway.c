/* Whether a gateway runs, is this Tailgate, and does what it should. */
#include <stdio.h>
#include <string.h>

#include "adapters/host/process.h"
#include "gateway/doctor.h"
#include "gateway/gate_client.h"
#include "proto/jtext.h"

static const char *text_at(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

/* What it says of itself; in self->silence, why it says nothing. */
static void ask(struct doctor *self)
{
    const struct gate_way way = {.place = &self->place};
    struct place_holder holder;
    if (place_holder(&self->place, &holder) != 0)
        return;
    self->gateway = holder.pid;
    self->status = gate_client_ask(&way, "tailgate.status", "", &self->said, &self->silence, NULL);
}

static void say_silent(struct doctor *self)
{
    struct process process = {.state = 0};
    (void)process_look(self->gateway, &process);
    if (process.state == 'T' || process.state == 't') {
        doctor_say(self, DOCTOR_PROBLEM, "process %ld is stopped (state %c) and does nothing",
                   self->gateway, process.state);
        doctor_advise(self, "let it go on: kill -CONT %ld", self->gateway);
        return;
    }
    doctor_say(self, DOCTOR_PROBLEM, "process %ld has the lock and does not answer: %s",
               self->gateway, self->silence.data ? self->silence.data : "");
    doctor_advise(self, "see its log; kill -9 and a new start lose nothing that is committed");
}

static void check_version(struct doctor *self, const json_t *gateway)
{
    const char *version = text_at(gateway, "version"), *sqlite = text_at(gateway, "sqlite");
    if (strcmp(version, TAILGATE_VERSION) != 0) {
        doctor_say(self, DOCTOR_WARNING, "process %ld is version %s, this is %s", self->gateway,
                   version, TAILGATE_VERSION);
        doctor_advise(self, "restart the gateway, or use the tailgate that belongs to it");
    }
    if (strcmp(sqlite, db_sqlite_version()) != 0) {
        doctor_say(self, DOCTOR_NOTE, "it uses SQLite %s, this is %s", sqlite, db_sqlite_version());
        doctor_advise(self, "restart the gateway to have it use the SQLite that is installed");
    }
}

static void check_committer(struct doctor *self)
{
    const json_t *committer = json_object_get(self->status, "committer");
    const char *state = text_at(committer, "state");
    if (!*state || strcmp(state, "ok") == 0)
        return;
    doctor_say(self, DOCTOR_PROBLEM, "it cannot commit replies (%s) since %.0f s: %lld wait", state,
               json_number_value(json_object_get(committer, "state_seconds")),
               (long long)json_integer_value(json_object_get(committer, "queued")));
    doctor_advise(self, "see writers and disk here; it goes on by itself");
}

static void check_doors(struct doctor *self, const json_t *gateway)
{
    const json_t *doors = json_object_get(gateway, "doors");
    for (size_t i = 0; i < json_array_size(doors); i++) {
        const json_t *door = json_array_get(doors, i);
        if (!json_is_true(json_object_get(door, "insecure")))
            continue;
        doctor_say(self, DOCTOR_WARNING,
                   "%s %s can be reached from other hosts by anybody, without "
                   "a key",
                   text_at(door, "door"), text_at(door, "endpoint"));
        doctor_advise(self, "use keys: tailgate serve --curve DIR (tailgate keygen)");
    }
}

void doctor_check_gateway(struct doctor *self)
{
    ask(self);
    if (!self->gateway) {
        doctor_say(self, DOCTOR_OK, "none runs");
        return;
    }
    if (!self->status) {
        say_silent(self);
        return;
    }
    const json_t *gateway = json_object_get(self->status, "gateway");
    doctor_say(self, DOCTOR_OK, "pid %ld, version %s, since %s UTC", self->gateway,
               text_at(gateway, "version"), text_at(gateway, "since"));
    check_version(self, gateway);
    check_committer(self);
    check_doors(self, gateway);
    if (json_is_true(json_object_get(gateway, "draining"))) {
        doctor_say(self, DOCTOR_NOTE, "it is stopping and takes nothing more");
        doctor_advise(self, "start it again when it has ended");
    }
    if (json_is_true(json_object_get(gateway, "paused"))) {
        doctor_say(self, DOCTOR_WARNING, "it is paused: no query goes to a worker");
        doctor_advise(self, "tailgate resume --db %s", self->place.db);
    }
}

void doctor_check_helpers(struct doctor *self)
{
    const json_t *helpers = json_object_get(self->status, "helpers");
    size_t before = self->count;
    for (size_t i = 0; i < json_array_size(helpers); i++) {
        const json_t *helper = json_array_get(helpers, i);
        const char *state = text_at(helper, "state");
        bool failed = strcmp(state, "failed") == 0;
        if (!failed && strcmp(state, "paused") != 0)
            continue;
        doctor_say(self, failed ? DOCTOR_PROBLEM : DOCTOR_WARNING,
                   "helper %zu %s (started again %lld times): %s", i + 1,
                   failed ? "does not take its words and is not started again"
                          : "ends again and again, and waits for its next start",
                   (long long)json_integer_value(json_object_get(helper, "restarts")),
                   text_at(helper, "command"));
        doctor_quotes(self);
        doctor_advise(self, "%s; the gateway's log has what it said",
                      failed ? "correct its words and restart the gateway"
                             : "run it by hand to see why");
        jtext_member_integer(doctor_more(self), "helper", (int64_t)i + 1);
    }
    if (self->count == before && json_array_size(helpers) > 0)
        doctor_say(self, DOCTOR_OK, "%zu run", json_array_size(helpers));
}
