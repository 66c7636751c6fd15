/* `tailgate doctor`: what is wrong with a bridge and its gateway, and what to do. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "adapters/host/clock.h"
#include "gateway/command.h"
#include "gateway/doctor.h"
#include "gateway/problem.h"
#include "gateway/terminal.h"

static struct doctor_options option;

static const struct cli_option options[] = {
    {"db", 'd', CLI_TEXT, &option.db, "FILE", "the bridge database", 0, 0},
    {"config", 'c', CLI_TEXT, &option.config, "FILE", "look at this file of serve -c, too", 0, 0},
    {"curve", 0, CLI_TEXT, &option.curve, "DIR",
     "look at the certificates of serve --curve DIR, too", 0, 0},
    {"check", 0, CLI_FLAG, &option.check, NULL,
     "check the whole file (integrity_check) and look at all messages: it takes its time", 0, 0},
    {"rescan", 0, CLI_FLAG, &option.rescan, NULL,
     "have unread queries looked at whose read flag somebody has set back to 0", 0, 0},
    {"fix", 0, CLI_FLAG, &option.fix, NULL,
     "put right what can safely be: permissions that are too open, sockets that a dead gateway "
     "left, the journal mode",
     0, 0},
    {"add-index", 0, CLI_FLAG, &option.add_index, NULL,
     "make an index on messages (to_session, read): the bridge's unread scans become searches, "
     "each INSERT writes about one page more",
     0, 0},
    {"bundle", 0, CLI_TEXT, &option.bundle, "FILE",
     "write what was found into a tar archive for support, without messages, tokens and keys", 0,
     0},
    {"session", 0, CLI_TEXT, &option.session, "NAME",
     "the session that is served (default: the one that was served last, else b)", 0, 0},
    {"json", 0, CLI_FLAG, &option.json, NULL, "print one JSON object", 0, 0},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

static void print(const struct doctor *self)
{
    struct buffer out;
    buffer_init(&out);
    if (option.json) {
        doctor_report_json(self, false, &out);
        terminal_put(buffer_span(&out));
    } else {
        doctor_report_text(self, terminal_colours(STDOUT_FILENO), &out);
        fwrite(out.data, 1, out.size, stdout);
    }
    buffer_done(&out);
}

/* The locks are looked at before anything here opens the database and takes some, too. */
static int examine(struct doctor *self)
{
    doctor_checks_run(self, DOCTOR_PLACE);
    int error = doctor_begin(self);
    if (error)
        return problem_bridge("doctor", &self->place, error, NULL);
    int code = -1;
    if (self->db) {
        doctor_checks_run(self, DOCTOR_DB);
        if (option.rescan)
            code = doctor_rescan(self);
    }
    print(self);
    if (option.bundle && code < 0)
        code = doctor_bundle(self);
    if (code < 0)
        code = doctor_worst(self) == DOCTOR_PROBLEM ? CLI_FAILED : CLI_OK;
    return code;
}

static int run_doctor(int argc, char **argv)
{
    int first, code = cli_parse(&cmd_doctor, options, argc, argv, &first);
    struct place_identity identity;
    struct doctor self = {.options = &option, .utc_us = clock_utc_us()};
    if (code >= 0)
        return code;
    if (!option.db)
        return cli_fail("doctor", CLI_USAGE, "name the bridge database: --db FILE");
    if (first < argc)
        return cli_fail("doctor", CLI_USAGE, "%s is one word too many", argv[first]);
    int error = place_find(option.db, &self.place);
    if (error)
        return problem_place("doctor", option.db, error);
    if (place_identify(&self.place, &identity) == -ENOENT)
        return problem_bridge("doctor", &self.place, BRIDGE_ABSENT, NULL);
    snprintf(self.curve, sizeof self.curve, "%s", option.curve ? option.curve : "");
    self.wal_bytes = db_wal_size(self.place.db);
    size_t home = (size_t)(strrchr(self.place.db, '/') - self.place.db);
    memcpy(self.home, self.place.db, home ? home : 1);
    code = examine(&self);
    doctor_done(&self);
    if (fflush(stdout))
        return cli_fail("doctor", CLI_FAILED, "stdout: %s", strerror(errno));
    return code;
}

const struct cli_command cmd_doctor = {
    .name = "doctor",
    .usage = "doctor --db FILE [options]",
    .about = "say what is wrong with a bridge and its gateway, and what to do",
    .details =
        "Looks at the database and its tables, at who holds its locks, at permissions, disk and "
        "limits, at the gateway that runs, at unread rows and why nobody answers them, at clocks, "
        "and where told to at the configuration and the certificates. Each check says ok, note, "
        "warning or problem, in a line what is so and in a line what to do.\n"
        "\n"
        "Nothing is changed without --fix, --add-index or --rescan, and no message ever. What is "
        "new is looked at; all messages only where the file is small, or with --rescan or "
        "--check.\n"
        "\n"
        "Somebody who sets read back to 0 below the low-water mark, to have a query answered "
        "again, is seen only here: --rescan parks such queries and has the running gateway look "
        "at them. Without one its next start does.\n"
        "\n"
        "Examples:\n"
        "  tailgate doctor --db bridge.db\n"
        "  tailgate doctor --db bridge.db -c tailgate.cfg --curve keys --json\n"
        "  tailgate doctor --db bridge.db --bundle support.tar\n"
        "\n"
        "Exit status: 0 no problem (there may be notes and warnings), 1 a problem, or it could "
        "not be done, 2 wrong usage, 6 not a bridge.\n",
    .run = run_doctor,
};
