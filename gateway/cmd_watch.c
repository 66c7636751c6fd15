/* `tailgate watch`: the command line. */
#include <stdio.h>

#include "adapters/host/clock.h"
#include "adapters/zmq/endpoint.h"
#include "gateway/command.h"
#include "gateway/problem.h"
#include "gateway/watch_run.h"
#include "proto/utf8.h"

static struct watch_run run;
static struct cli_list kinds;
static const char *since;

static const struct cli_option options[] = {
    {"db", 'd', CLI_TEXT, &run.db, "FILE",
     "the bridge database: its gateway is asked, and while none runs the file is read", 0, 0},
    {"events", 0, CLI_TEXT, &run.events_given, "ENDPOINT",
     "a gateway's endpoint for events: ipc://PATH or tcp://HOST:PORT", 0, 0},
    {"gate", 0, CLI_TEXT, &run.gate_given, "ENDPOINT",
     "with --events: that gateway's gate, from which missed and earlier rows are replayed", 0, 0},
    {"cert", 0, CLI_TEXT, &run.cert, "FILE",
     "our certificate (FILE_secret beside it), where the gateway wants a key", 0, 0},
    {"server-cert", 0, CLI_TEXT, &run.server_cert, "FILE",
     "with --cert: the gateway's public certificate", 0, 0},
    {"since", 0, CLI_TEXT, &since, "WHEN",
     "begin in the past: with row 17, ten minutes ago (10m), at a UTC time (2026-11-21T01:00:00, "
     "2026-11-21) or at 14:05 of the local clock (default: from now on)",
     0, 0},
    {"kind", 'k', CLI_LIST, &kinds, "KIND",
     "only these kinds of events, with commas or several times: query, response, message, partial, "
     "retry, dead, expired, superseded, deleted, dropped, worker, gateway",
     0, 0},
    {"conversation", 0, CLI_TEXT, &run.wish.conversation, "ID", "only this conversation", 0, 0},
    {"service", 's', CLI_TEXT, &run.wish.service, "NAME", "only this service", 0, 0},
    {"full", 'f', CLI_FLAG, &run.wish.full, NULL, "show whole texts, below their lines", 0, 0},
    {"json", 0, CLI_FLAG, &run.wish.json, NULL, "print one JSON object a line", 0, 0},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

/* Adds the kind of SIZE bytes at NAME; false when there is none of that name. */
static bool add_kind(const char *name, size_t size)
{
    for (int kind = 0; kind < TOPIC_KINDS; kind++) {
        const char *known = topic_name((enum topic_kind)kind);
        if (strlen(known) != size || memcmp(known, name, size) != 0)
            continue;
        for (size_t i = 0; i < run.wish.kinds; i++) {
            if (run.wish.kind[i] == known)
                return true;
        }
        run.wish.kind[run.wish.kinds++] = known;
        return true;
    }
    return false;
}

static int fail_kind(const char *name, size_t size)
{
    char all[200] = "";
    for (int kind = 0; kind < TOPIC_KINDS; kind++) {
        strcat(all, kind ? ", " : "");
        strcat(all, topic_name((enum topic_kind)kind));
    }
    return cli_fail("watch", CLI_USAGE, "--kind: there is no kind \"%.*s\"; the kinds are %s",
                    (int)size, name, all);
}

/* Each returns -1 to go on. */
static int read_kinds(void)
{
    for (size_t i = 0; i < kinds.count; i++) {
        const char *name = kinds.item[i];
        for (;;) {
            size_t size = strcspn(name, ",");
            if (!add_kind(name, size))
                return fail_kind(name, size);
            if (!name[size])
                break;
            name += size + 1;
        }
    }
    return -1;
}

static int check_endpoints(void)
{
    const char *const given[] = {run.events_given, run.gate_given};
    static const char *const name[] = {"events", "gate"};
    if ((run.db != NULL) == (run.events_given != NULL))
        return cli_fail("watch", CLI_USAGE,
                        "name the bridge database or a gateway's events: --db FILE or --events "
                        "ENDPOINT (tailgate status --json names them)");
    if (run.gate_given && !run.events_given)
        return cli_fail("watch", CLI_USAGE, "--gate goes with --events; with --db it is known");
    for (size_t i = 0; i < 2; i++) {
        if (given[i] && endpoint_read(given[i]) == ENDPOINT_BAD)
            return cli_fail("watch", CLI_USAGE, "--%s %s: use ipc://PATH or tcp://HOST:PORT",
                            name[i], given[i]);
    }
    if (run.db && (run.cert || run.server_cert))
        return cli_fail("watch", CLI_USAGE, "--cert and --server-cert go with --events");
    return problem_certs("watch", run.cert, run.server_cert);
}

static int check_filters(void)
{
    const char *const given[] = {run.wish.conversation, run.wish.service};
    static const char *const name[] = {"conversation", "service"};
    static const size_t longest[] = {LIMIT_CONVERSATION_ID, LIMIT_SERVICE};
    for (size_t i = 0; i < 2; i++) {
        if (!given[i])
            continue;
        if (!*given[i] || strlen(given[i]) > longest[i] || !utf8_valid(span_str(given[i])))
            return cli_fail("watch", CLI_USAGE, "--%s: give 1 to %zu bytes of UTF-8", name[i],
                            longest[i]);
    }
    if (!since)
        return -1;
    if (watch_since_read(since, clock_utc_us(), &run.since))
        return cli_fail("watch", CLI_USAGE,
                        "--since %s: give a row's id (17), an age (10m, 2h, 1d), a UTC time "
                        "(2026-11-21T01:00:00) or a time of today (14:05)",
                        since);
    if (run.events_given && !run.gate_given)
        return cli_fail("watch", CLI_USAGE,
                        "--since wants the gateway's gate, too, which replays rows: --gate "
                        "ENDPOINT, or --db FILE instead of both");
    return -1;
}

static int run_watch(int argc, char **argv)
{
    int first, code = cli_parse(&cmd_watch, options, argc, argv, &first);
    if (code < 0)
        code = check_endpoints();
    if (code < 0)
        code = read_kinds();
    if (code < 0)
        code = check_filters();
    if (code >= 0)
        return code;
    if (first < argc)
        return cli_fail("watch", CLI_USAGE, "%s is one word too many", argv[first]);
    return watch_run(&run);
}

const struct cli_command cmd_watch = {
    .name = "watch",
    .usage = "watch (--db FILE | --events ENDPOINT [--gate ENDPOINT]) [...]",
    .about = "show what happens, as it happens",
    .details =
        "One line for each question, answer and other message, whoever wrote it, for each part of "
        "an answer as it comes, and for what becomes of questions and workers: when (local time), "
        "what, the conversation's last characters, the service, the row (#18 \xe2\x86\x90 #17: row "
        "18 answers row 17), and for an answer how long it took and who gave it.\n"
        "Every row comes once, across restarts of the gateway; what is missed is replayed. With "
        "--db it works without a gateway, too. Nothing is ever written. What happens to the "
        "watching itself is told on stderr, and with --json as \"watch/away\" and the like "
        "besides. Ends with Ctrl-C, or when nobody reads its output any more.\n"
        "\n"
        "Exit status: 0 ended, 1 the bridge cannot be read.\n"
        "\n"
        "Examples:\n"
        "  tailgate watch --db bridge.db                     everything, from now on\n"
        "  tailgate watch --db bridge.db --since 10m --full  the last ten minutes, too\n"
        "  tailgate watch --db bridge.db --kind query,response --service docs\n"
        "  tailgate watch --db bridge.db --kind dead,retry,gateway   only what goes wrong\n"
        "  tailgate watch --db bridge.db --json --since 1 | jq 'select(.seconds > 10)'\n"
        "  tailgate watch --events tcp://127.0.0.1:5556 --gate tcp://127.0.0.1:5555\n",
    .run = run_watch,
};
