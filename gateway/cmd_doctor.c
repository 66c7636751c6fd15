/* `tailgate doctor`: how the file is, and --rescan, which finds what a gateway looks at no more. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "adapters/bridge/park.h"
#include "adapters/bridge/records.h"
#include "adapters/bridge/schema.h"
#include "adapters/host/clock.h"
#include "gateway/command.h"
#include "gateway/doctor.h"
#include "gateway/gate_client.h"
#include "gateway/problem.h"
#include "gateway/terminal.h"

#define PARKED_AT_ONCE 500
#define REST_MOST_US 100000

static struct {
    const char *db, *session;
    bool rescan, check, json;
} option;

static const struct cli_option options[] = {
    {"db", 'd', CLI_TEXT, &option.db, "FILE", "the bridge database", 0, 0},
    {"rescan", 0, CLI_FLAG, &option.rescan, NULL,
     "have unread queries looked at whose read flag somebody has set back to 0", 0, 0},
    {"check", 0, CLI_FLAG, &option.check, NULL,
     "check the whole file (integrity_check): it takes its time", 0, 0},
    {"session", 0, CLI_TEXT, &option.session, "NAME",
     "the session that is served (default: the one that was served last, else b)", 0, 0},
    {"json", 0, CLI_FLAG, &option.json, NULL, "print one JSON object", 0, 0},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

static int open_bridge(const struct place *place, enum db_role role, sqlite3 **ret_db)
{
    int error = db_open(place, role, DOCTOR_BUSY_MS, ret_db);
    if (!error)
        error = schema_require_bridge(*ret_db);
    if (!error)
        error = schema_check_ours(*ret_db);
    return error;
}

static int find_session(sqlite3 *db, char *ret_session, size_t room)
{
    snprintf(ret_session, room, "%s", option.session ? option.session : "b");
    if (option.session)
        return BRIDGE_OK;
    int error = records_note(db, "serves", ret_session, room);
    return error == BRIDGE_ABSENT ? BRIDGE_OK : error;
}

/* The lock is left alone for as long as it was held. */
static void rest(int64_t since_us)
{
    int64_t us = clock_mono_us() - since_us;
    const struct timespec pause = {0, (long)(us < REST_MOST_US ? us : REST_MOST_US) * 1000};
    nanosleep(&pause, NULL);
}

/* Parks what SCAN has found, in short transactions. The first *ret_found of its ids are parked
 * then. */
static int park_all(const struct place *place, struct doctor_scan *scan, size_t *ret_found)
{
    sqlite3 *db = NULL;
    size_t found = 0;
    int error = open_bridge(place, DB_WRITER, &db);
    for (size_t at = 0; !error && at < scan->unknown_count; at += PARKED_AT_ONCE) {
        size_t left = scan->unknown_count - at, kept = 0;
        int64_t since_us = clock_mono_us();
        error =
            park_rows(db, scan->unknown + at, left < PARKED_AT_ONCE ? left : PARKED_AT_ONCE, &kept);
        if (error)
            break;
        memmove(scan->unknown + found, scan->unknown + at, kept * sizeof scan->unknown[0]);
        found += kept;
        if (left > PARKED_AT_ONCE)
            rest(since_us);
    }
    if (error)
        problem_bridge("doctor", place, error, db);
    else
        *ret_found = found;
    db_close(&db);
    return error;
}

/* Tells a running gateway to look at what is parked. Returns -1 when it will, or when none runs. */
static int tell_gateway(const struct place *place, bool *ret_told)
{
    struct buffer text, why;
    bool running = false;
    int code = -1;
    buffer_init(&text);
    buffer_init(&why);
    json_t *answer = gate_client_ask(place, "tailgate.rescan", "", &text, &why, &running);
    *ret_told = answer != NULL;
    if (!answer && running)
        code = cli_fail("doctor", CLI_FAILED, "%s It takes them at its next start.", why.data);
    json_decref(answer);
    buffer_done(&text);
    buffer_done(&why);
    return code;
}

static void print(const struct doctor_report *report)
{
    struct buffer out;
    buffer_init(&out);
    if (option.json) {
        doctor_report_json(report, &out);
        terminal_put(buffer_span(&out));
    } else {
        doctor_report_text(report, &out);
        fwrite(out.data, 1, out.size, stdout);
    }
    buffer_done(&out);
}

static int examine(const struct place *place, sqlite3 *db)
{
    char session[256];
    struct doctor_scan scan = {0};
    struct doctor_report report = {.place = place, .session = session, .scan = &scan};
    int64_t mark = 0;
    int code = CLI_OK;
    buffer_init(&report.complaints);
    int error = find_session(db, session, sizeof session);
    if (!error)
        error = doctor_mark(db, &mark);
    if (!error)
        error = doctor_scan_run(place, db, session, mark, terminal_is(STDERR_FILENO), &scan);
    if (!error && option.rescan) {
        report.rescanned = true;
        if (mark > 0 && park_all(place, &scan, &report.found) != BRIDGE_OK)
            code = CLI_FAILED;
        if (code == CLI_OK && tell_gateway(place, &report.told) >= 0)
            code = CLI_FAILED;
    }
    if (!error && (code == CLI_OK || report.found))
        error = doctor_report_read(db, option.check, &report);
    if (error)
        code = problem_bridge("doctor", place, error, db);
    else if (code == CLI_OK || report.found)
        print(&report);
    if (report.checked && !report.sound)
        code = CLI_FAILED;
    doctor_report_done(&report);
    doctor_scan_done(&scan);
    return code;
}

static int run_doctor(int argc, char **argv)
{
    int first, code = cli_parse(&cmd_doctor, options, argc, argv, &first);
    if (code >= 0)
        return code;
    if (!option.db)
        return cli_fail("doctor", CLI_USAGE, "name the bridge database: --db FILE");
    if (first < argc)
        return cli_fail("doctor", CLI_USAGE, "%s is one word too many", argv[first]);
    struct place place;
    int error = place_find(option.db, &place);
    if (error)
        return problem_place("doctor", option.db, error);
    sqlite3 *db = NULL;
    error = open_bridge(&place, DB_READER, &db);
    code = error ? problem_bridge("doctor", &place, error, db) : examine(&place, db);
    db_close(&db);
    if (fflush(stdout))
        return cli_fail("doctor", CLI_FAILED, "stdout: %s", strerror(errno));
    return code;
}

const struct cli_command cmd_doctor = {
    .name = "doctor",
    .usage = "doctor --db FILE [--rescan] [--check] [options]",
    .about = "say how the database is, and find queries that nobody looks at",
    .details =
        "Tells the versions, the journal, what is unread, parked, dead and kept, and the low-water "
        "mark: the gateway looks at no message at or below it again, unless it is parked. "
        "Reads every message once, and changes nothing without --rescan.\n"
        "\n"
        "Somebody who sets read back to 0 below the mark, to have a query answered again, is seen "
        "only here: --rescan parks such queries and has the running gateway look at them. Without "
        "one its next start does.\n"
        "\n"
        "Exit status: 0 done, 1 the file is damaged (--check), or it could not be done, 2 wrong "
        "usage, 6 not a bridge.\n",
    .run = run_doctor,
};
