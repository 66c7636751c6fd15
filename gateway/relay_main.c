/* tailgate-relay: the helper executable behind `tailgate relay`. It knows no database. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/source/upstream.h"
#include "adapters/zmq/endpoint.h"
#include "gateway/cli.h"
#include "gateway/log.h"
#include "gateway/relay.h"
#include "proto/limits.h"
#include "proto/utf8.h"

#define COMMAND "relay"
#define SECOND INT64_C(1000000)

static const struct cli_command page = {
    .name = COMMAND,
    .usage = "relay --from ENDPOINT --gate ENDPOINT... [options]",
    .about = "pass queries on to workers elsewhere, and events to observers there",
    .details =
        "The gateway at --from sees one worker that takes as many queries at once as the workers "
        "here do together; workers and observers here see a gateway. A relay keeps nothing on "
        "disk: when one is killed and started again, what its workers still have is not worked on "
        "twice; answers that it had and the gateway had not are lost, and those queries are worked "
        "on again.\n"
        "While the way to the gateway is cut, workers work on, and their answers are kept (up to "
        "1000 for each service, 64 MiB in all) and delivered when it is there again.\n"
        "--from may be another relay: up to 16 in a row. A ring of them is refused.\n"
        "\n"
        "On the host of the workers:\n"
        "  tailgate relay --from tcp://gateway.example:5555 --cert site-b.cert \\\n"
        "    --server-cert gateway.cert --gate ipc:///run/tailgate/gate\n"
        "  tailgate work --gate ipc:///run/tailgate/gate -- ./answer\n"
        "Observers too:\n"
        "  tailgate relay --from tcp://g:5555 --from-events tcp://g:5556 --cert C --server-cert S "
        "\\\n"
        "    --gate ipc:///run/tailgate/gate --events ipc:///run/tailgate/events\n"
        "  tailgate watch --events ipc:///run/tailgate/events\n"
        "\n"
        "What it does now: tailgate status --gate ENDPOINT, with the gate of the relay.\n"
        "SIGTERM and SIGINT: take no more queries, wait up to --drain for those that are here, "
        "give back what is not finished, leave. A second one: leave at once. The exit status is 0 "
        "then, 1 when it cannot start, 2 after wrong words.\n",
};

struct options {
    const char *from, *from_events, *cert, *server_cert, *curve, *name;
    const char *log_format, *log_level;
    struct cli_list gate, events;
    bool insecure;
    int64_t lease_us, beat_us, drain_us, settle_us;
};

static int parse(struct options *options, int argc, char **argv)
{
    const struct cli_option table[] = {
        {"from", 0, CLI_TEXT, &options->from, "ENDPOINT", "the gate of the gateway above", 0, 0},
        {"from-events", 0, CLI_TEXT, &options->from_events, "ENDPOINT",
         "its events, to be passed on", 0, 0},
        {"cert", 0, CLI_TEXT, &options->cert, "FILE",
         "our certificate there (tailgate keygen), with FILE_secret beside it", 0, 0},
        {"server-cert", 0, CLI_TEXT, &options->server_cert, "FILE",
         "the public certificate of the gateway above", 0, 0},
        {"gate", 'g', CLI_LIST, &options->gate, "ENDPOINT",
         "where workers connect: ipc://PATH or tcp://HOST:PORT; may be given again", 0, 0},
        {"events", 'e', CLI_LIST, &options->events, "ENDPOINT",
         "where observers connect; may be given again", 0, 0},
        {"curve", 0, CLI_TEXT, &options->curve, "DIR",
         "certificates of our own tcp doors, and whom they let in (tailgate keygen --gateway)", 0,
         0},
        {"insecure", 0, CLI_FLAG, &options->insecure, NULL,
         "allow tcp beyond this host without certificates", 0, 0},
        {"name", 'n', CLI_TEXT, &options->name, "NAME",
         "how logs, status and replies call this relay (default relay-HOST)", 0, 0},
        {"lease", 0, CLI_SECONDS, &options->lease_us, "TIME",
         "how long a worker that cannot beat may keep a query (default 10m)", SECOND,
         7 * 86400 * SECOND},
        {"heartbeat", 0, CLI_SECONDS, &options->beat_us, "TIME",
         "between heartbeats, both ways; 3 missed end a link (default 2.5s)", SECOND / 10,
         60 * SECOND},
        {"settle", 0, CLI_SECONDS, &options->settle_us, "TIME",
         "after the start, wait so long for workers that still have queries (default 1s)", 0,
         600 * SECOND},
        {"drain", 0, CLI_SECONDS, &options->drain_us, "TIME",
         "at the end, wait so long for queries that are here (default 30s)", 0, 86400 * SECOND},
        {"log-format", 0, CLI_TEXT, &options->log_format, LOG_FORMATS, LOG_FORMATS_HELP, 0, 0},
        {"log-level", 0, CLI_TEXT, &options->log_level, "LEVEL",
         "error, warn, info or debug (default info)", 0, 0},
        {.name = NULL},
    };
    int first = argc, code = cli_parse(&page, table, argc, argv, &first);

    if (code < 0 && first < argc)
        return cli_fail(COMMAND, CLI_USAGE, "what is %s? see: tailgate relay --help", argv[first]);
    return code;
}

static int check_dialled(const char *option, const char *endpoint)
{
    if (!endpoint || (endpoint_read(endpoint) != ENDPOINT_BAD && endpoint_can_dial(endpoint)))
        return -1;
    return cli_fail(COMMAND, CLI_USAGE, "--%s %s: use ipc://PATH or tcp://HOST:PORT", option,
                    endpoint);
}

static int check(const struct options *options)
{
    size_t size = strlen(options->name);
    int code;

    if (!options->from)
        return cli_fail(COMMAND, CLI_USAGE, "give --from ENDPOINT, the gate of the gateway above");
    if (options->gate.count == 0)
        return cli_fail(COMMAND, CLI_USAGE, "give --gate ENDPOINT, where workers connect");
    if (options->events.count > 0 && !options->from_events)
        return cli_fail(COMMAND, CLI_USAGE, "--events goes with --from-events only");
    if (size == 0 || size > LIMIT_WORKER_NAME || !utf8_valid(span_str(options->name)) ||
        utf8_has_control(span_str(options->name)))
        return cli_fail(COMMAND, CLI_USAGE, "--name: 1 to %d bytes of text", LIMIT_WORKER_NAME);
    if ((code = check_dialled("from", options->from)) < 0)
        code = check_dialled("from-events", options->from_events);
    return code;
}

static int run(const struct options *options, const struct curve_client *client)
{
    struct relay_setup setup = {.command = COMMAND,
                                .from = options->from,
                                .name = options->name,
                                .gates = options->gate.item,
                                .gate_count = options->gate.count,
                                .events = options->events.item,
                                .event_count = options->events.count,
                                .curve = options->curve,
                                .insecure = options->insecure,
                                .from_gate = options->from,
                                .from_events = options->from_events,
                                .client = client,
                                .lease_us = options->lease_us,
                                .beat_us = options->beat_us,
                                .drain_us = options->drain_us,
                                .settle_us = options->settle_us};
    struct upstream_setup upstream = {.endpoint = options->from,
                                      .curve = client,
                                      .name = options->name,
                                      .interval_ms = (uint32_t)(options->beat_us / 1000)};
    int code;

    setup.gate = gate_new();
    if (!setup.gate)
        return cli_fail(COMMAND, CLI_FAILED, "ZeroMQ cannot start: no descriptors left");
    upstream.context = gate_context(setup.gate);
    setup.source = upstream_new(&upstream);
    code = relay_run(&setup);
    setup.source->class->destroy(&setup.source);
    gate_destroy(&setup.gate, 1000);
    return code;
}

int main(int argc, char **argv)
{
    char host[40] = "", name[LIMIT_WORKER_NAME + 1], why[CERT_WHY_SIZE];
    struct curve_client client = {.server_key = ""};
    struct options options = {.lease_us = 600 * SECOND,
                              .beat_us = 5 * SECOND / 2,
                              .drain_us = 30 * SECOND,
                              .settle_us = SECOND};
    int code;

    (void)gethostname(host, sizeof host - 1);
    snprintf(name, sizeof name, "relay-%s", host);
    options.name = name;
    if ((code = parse(&options, argc, argv)) >= 0 || (code = check(&options)) >= 0 ||
        (code = log_options(COMMAND, COMMAND, options.log_level, options.log_format)) >= 0)
        return code;
    if (curve_client_load(options.cert, options.server_cert, &client, why) < 0)
        return cli_fail(COMMAND, CLI_FAILED, "%s", why);
    code = run(&options, &client);
    explicit_bzero(&client, sizeof client);
    return code;
}
