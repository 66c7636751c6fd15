/* `tailgate jetstream serve`: a relay (gateway/relay.h) whose queries come from JetStream. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "adapters/source/jetstream.h"
#include "gateway/jetstream_commands.h"
#include "gateway/jetstream_options.h"
#include "gateway/relay.h"
#include "proto/limits.h"
#include "proto/utf8.h"

#define COMMAND "jetstream serve"
#define SECOND INT64_C(1000000)

struct options {
    struct nats_options nats;
    struct log_options log;
    struct cli_list services, gates;
    const char *curve, *name;
    bool insecure;
    int64_t lease_us, beat_us, drain_us, settle_us;
};

static const struct cli_command page = {
    .name = COMMAND,
    .usage = "jetstream serve --nats URL... --service S... --gate ENDPOINT... [options]",
    .about = "beside workers: serve them from JetStream, as a gateway would",
    .details =
        "Workers of every kind connect to --gate as they do to a gateway. Only as many queries are "
        "taken from the streams as workers here have free slots; each is renewed while it is "
        "worked on, and acknowledged when its answer is stored in the stream of replies. When "
        "this host dies, its queries go to another one after 30 s.\n"
        "Nothing is kept on disk: after a restart the workers say what they still have.\n"
        "\n"
        "  tailgate jetstream serve --nats nats://10.0.0.1:4222 --service legal \\\n"
        "    --gate ipc:///run/tailgate/gate\n"
        "  tailgate work --gate ipc:///run/tailgate/gate --service legal -- ./answer\n"
        "\n"
        "SIGTERM and SIGINT: take no more queries, wait up to --drain for those that are here, "
        "leave. A second one: leave at once.\n",
};

static int parse(struct options *options, int argc, char **argv)
{
    struct cli_option table[OPTIONS_CONNECTION + OPTIONS_LOG + 10];
    int first = argc;
    const struct cli_option own[] = {
        {"service", 's', CLI_LIST, &options->services, "NAME",
         "take queries of this service; may be given several times", 0, 0},
        {"gate", 'g', CLI_LIST, &options->gates, "ENDPOINT",
         "where workers connect: ipc://PATH or tcp://HOST:PORT; may be given again", 0, 0},
        {"curve", 0, CLI_TEXT, &options->curve, "DIR",
         "certificates of our tcp doors, and whom they let in (tailgate keygen --gateway)", 0, 0},
        {"insecure", 0, CLI_FLAG, &options->insecure, NULL,
         "allow tcp beyond this host without certificates", 0, 0},
        {"name", 'n', CLI_TEXT, &options->name, "NAME",
         "how logs and replies call this (default jetstream-HOST)", 0, 0},
        {"lease", 0, CLI_SECONDS, &options->lease_us, "TIME",
         "how long a worker that cannot beat may keep a query (default 10m)", SECOND,
         7 * 86400 * SECOND},
        {"heartbeat", 0, CLI_SECONDS, &options->beat_us, "TIME",
         "between heartbeats; 3 missed end a link (default 2.5s)", SECOND / 10, 60 * SECOND},
        {"settle", 0, CLI_SECONDS, &options->settle_us, "TIME",
         "after the start, wait so long for workers that still have queries (default 1s)", 0,
         600 * SECOND},
        {"drain", 0, CLI_SECONDS, &options->drain_us, "TIME",
         "at the end, wait so long for queries that are here (default 30s)", 0, 86400 * SECOND},
        {.name = NULL}};
    options_connection(&options->nats, table);
    options_log(&options->log, table + OPTIONS_CONNECTION);
    memcpy(table + OPTIONS_CONNECTION + OPTIONS_LOG, own, sizeof own);
    int code = cli_parse(&page, table, argc, argv, &first);
    if (code < 0 && first < argc)
        return cli_fail(COMMAND, CLI_USAGE, "unexpected word: %s", argv[first]);
    return code;
}

static int check(const struct options *options, struct conn_setup *ret_nats)
{
    struct span name = span_str(options->name);
    int code = -1;
    if (options->services.count == 0)
        return cli_fail(COMMAND, CLI_USAGE, "give --service NAME");
    if (options->gates.count == 0)
        return cli_fail(COMMAND, CLI_USAGE, "give --gate ENDPOINT, where workers connect");
    if (name.size == 0 || name.size > LIMIT_WORKER_NAME || !utf8_valid(name) ||
        utf8_has_control(name))
        return cli_fail(COMMAND, CLI_USAGE, "--name: 1 to %d bytes of text", LIMIT_WORKER_NAME);
    for (size_t i = 0; i < options->services.count && code < 0; i++)
        code = options_check_service(COMMAND, options->services.item[i]);
    if (code < 0)
        code = options_check_nats(COMMAND, &options->nats, ret_nats);
    return code < 0 ? options_set_log(COMMAND, &options->log) : code;
}

/* Before a library's threads are there: what is not blocked in one of them would end us. */
static void block_signals(void)
{
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    sigprocmask(SIG_BLOCK, &ours, NULL);
}

static int run(const struct options *options, const struct conn_setup *nats)
{
    const struct jetstream_setup jetstream = {.nats = nats,
                                              .prefix = options->nats.prefix,
                                              .services = options->services.item,
                                              .service_count = options->services.count};
    struct relay_setup setup = {.command = COMMAND,
                                .name = options->name,
                                .gates = options->gates.item,
                                .gate_count = options->gates.count,
                                .curve = options->curve,
                                .insecure = options->insecure,
                                .lease_us = options->lease_us,
                                .beat_us = options->beat_us,
                                .drain_us = options->drain_us,
                                .settle_us = options->settle_us};
    char why[CONN_TEXT], from[CONN_TEXT];
    block_signals();
    conn_mask(nats->url[0], from);
    setup.from = from;
    setup.source = jetstream_new(&jetstream, why);
    if (!setup.source)
        return cli_fail(COMMAND, CLI_FAILED, "%s", why);
    setup.gate = gate_new();
    int code = setup.gate
                   ? relay_run(&setup)
                   : cli_fail(COMMAND, CLI_FAILED, "ZeroMQ cannot start: no descriptors left");
    setup.source->class->destroy(&setup.source);
    gate_destroy(&setup.gate, 1000);
    return code;
}

int run_serve(int argc, char **argv)
{
    char host[40] = "", name[LIMIT_WORKER_NAME + 1];
    struct conn_setup nats;
    struct options options = {.lease_us = 600 * SECOND,
                              .beat_us = 5 * SECOND / 2,
                              .drain_us = 30 * SECOND,
                              .settle_us = SECOND};
    (void)gethostname(host, sizeof host - 1);
    snprintf(name, sizeof name, "jetstream-%s", host);
    options.name = name;
    int code = parse(&options, argc, argv);
    if (code < 0)
        code = check(&options, &nats);
    return code < 0 ? run(&options, &nats) : code;
}
