/* `tailgate status`: asks the running gateway; without one, shows what the file alone tells. */
#include <errno.h>
#include <stdio.h>

#include "adapters/host/clock.h"
#include "gateway/command.h"
#include "gateway/gate_client.h"
#include "gateway/problem.h"
#include "gateway/status_file.h"
#include "gateway/status_view.h"
#include "gateway/terminal.h"
#include "proto/escape.h"
#include "proto/jtext.h"

static struct {
    const char *db;
    struct gate_way way;
    bool json;
} option;

static const struct cli_option options[] = {
    {"db", 'd', CLI_TEXT, &option.db, "FILE", "the bridge database", 0, 0},
    {"gate", 0, CLI_TEXT, &option.way.gate, "ENDPOINT",
     "instead of --db: a gate of the gateway, ipc://PATH or tcp://HOST:PORT", 0, 0},
    {"cert", 0, CLI_TEXT, &option.way.cert, "FILE",
     "our certificate (FILE_secret beside it), where the gateway wants a key", 0, 0},
    {"server-cert", 0, CLI_TEXT, &option.way.server_cert, "FILE",
     "with --cert: the gateway's public certificate", 0, 0},
    {"json", 0, CLI_FLAG, &option.json, NULL, "print one JSON object", 0, 0},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

static int show_file(const struct place *place, struct span why)
{
    struct status_file view;
    int error = status_file_read(place, clock_utc_us(), &view);
    if (error)
        return problem_bridge("status", place, error, NULL);
    struct buffer out;
    buffer_init(&out);
    if (option.json) {
        buffer_text(&out, "{\"gateway\":null");
        jtext_member(&out, "why", why);
        buffer_text(&out, ",\"file\":");
        status_file_json(&view, place, &out);
        buffer_byte(&out, '}');
        terminal_put(buffer_span(&out));
    } else {
        escape_text(&out, why, ESCAPE_CELL);
        buffer_text(&out, " What the file shows:\n\nDatabase       ");
        escape_text(&out, span_str(place->db), ESCAPE_CELL);
        printf("%s\n", out.data);
        status_file_print(&view);
    }
    buffer_done(&out);
    status_file_done(&view);
    return CLI_OK;
}

static int show(void)
{
    int code = CLI_OK;
    struct buffer answer, why;
    buffer_init(&answer);
    buffer_init(&why);
    json_t *status = gate_client_ask(&option.way, "tailgate.status", "", &answer, &why, NULL);
    if (!status && option.way.gate)
        code = cli_fail("status", CLI_FAILED, "%s", why.data);
    else if (!status)
        code = show_file(option.way.place, buffer_span(&why));
    else if (option.json)
        terminal_put(buffer_span(&answer));
    else
        status_view_print(status);
    json_decref(status);
    buffer_done(&answer);
    buffer_done(&why);
    return code;
}

static int run_status(int argc, char **argv)
{
    int first, code = cli_parse(&cmd_status, options, argc, argv, &first);
    if (code >= 0)
        return code;
    if (first < argc)
        return cli_fail("status", CLI_USAGE, "%s is one word too many", argv[first]);
    struct place place;
    code = problem_way("status", option.db, &place, &option.way);
    if (code >= 0)
        return code;
    code = show();
    if (fflush(stdout))
        return cli_fail("status", CLI_FAILED, "stdout: %s", strerror(errno));
    return code;
}

const struct cli_command cmd_status = {
    .name = "status",
    .usage = "status (--db FILE | --gate ENDPOINT [--cert FILE --server-cert FILE]) [--json]",
    .about = "show what waits, what is being answered, and by whom",
    .details =
        "Asks the gateway that serves the database: what waits for each service, the workers, what "
        "was answered and retried, and how the gateway noticed new rows. When none runs it says so "
        "and shows what the file alone tells. Exit status 0 in both cases. With --gate, which may "
        "be on another host, it is 1 when there is no answer.\n",
    .run = run_status,
};
