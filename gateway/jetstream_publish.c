/* The command line of `tailgate jetstream publish` (gateway/jetstream_publisher.h). */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "adapters/bridge/place.h"
#include "adapters/zmq/endpoint.h"
#include "gateway/jetstream_commands.h"
#include "gateway/jetstream_options.h"
#include "gateway/jetstream_publisher.h"
#include "proto/utf8.h"

#define COMMAND "jetstream publish"

struct options {
    struct nats_options nats;
    struct log_options log;
    const char *db, *gate, *service, *name, *cert, *server_cert;
    int64_t slots;
};

static const struct cli_command page = {
    .name = COMMAND,
    .usage = "jetstream publish (--db FILE | --gate ENDPOINT) --service S --nats URL... [options]",
    .about = "beside a gateway: put its queries into JetStream, bring the answers back",
    .details =
        "To the gateway this is one worker for the service, with --slots queries out at once. Each "
        "goes into the service's stream (tailgate jetstream setup) once, under the id of its "
        "attempt; the gateway's own token comes back with the answer, and counts also after this "
        "program or the gateway was started anew. While the NATS server is away no query is "
        "taken; what is out stays out.\n"
        "A query that the stream does not take is given back to the gateway, which costs it no "
        "attempt; one that is too large for the server is refused.\n"
        "\n"
        "  tailgate jetstream publish --db bridge.db --service legal --nats nats://10.0.0.1:4222\n"
        "\n"
        "SIGTERM and SIGINT: take no more, wait up to 10 s for what is out, give back the rest. A "
        "second one: at once.\n",
};

static int find_gate(const char *db, char *ret_endpoint, size_t room)
{
    struct place place;
    struct place_holder holder;
    int code = place_find(db, &place);
    if (code != 0)
        return cli_fail(COMMAND, CLI_FAILED, "%s: %s", db, strerror(-code));
    if (place_endpoint_fits(place.gate))
        snprintf(ret_endpoint, room, "%s", place.gate);
    else if (place_holder(&place, &holder) == 0 && holder.gate[0] != '\0')
        snprintf(ret_endpoint, room, "%s", holder.gate);
    else
        return cli_fail(COMMAND, CLI_FAILED, "%s: its socket's path is too long; give --gate", db);
    return -1;
}

static int check(const struct options *options, struct conn_setup *ret_nats)
{
    if (!options->db == !options->gate)
        return cli_fail(COMMAND, CLI_USAGE, "give either --db FILE or --gate ENDPOINT");
    if (options->gate &&
        (endpoint_read(options->gate) == ENDPOINT_BAD || !endpoint_can_dial(options->gate)))
        return cli_fail(COMMAND, CLI_USAGE, "--gate %s: use ipc://PATH or tcp://HOST:PORT",
                        options->gate);
    if (!options->service)
        return cli_fail(COMMAND, CLI_USAGE, "give --service NAME");
    struct span name = span_str(options->name ? options->name : "jetstream");
    if (name.size == 0 || name.size > LIMIT_WORKER_NAME || !utf8_valid(name) ||
        utf8_has_control(name))
        return cli_fail(COMMAND, CLI_USAGE, "--name: 1 to %d bytes of text", LIMIT_WORKER_NAME);
    int code = options_check_service(COMMAND, options->service);
    if (code < 0)
        code = options_check_nats(COMMAND, &options->nats, ret_nats);
    return code < 0 ? options_set_log(COMMAND, &options->log) : code;
}

static int parse(struct options *options, int argc, char **argv)
{
    struct cli_option table[OPTIONS_CONNECTION + OPTIONS_LOG + 8];
    int first = argc;
    const struct cli_option own[] = {
        {"db", 'd', CLI_TEXT, &options->db, "FILE", "the bridge whose gateway to work for", 0, 0},
        {"gate", 'g', CLI_TEXT, &options->gate, "ENDPOINT",
         "the gate itself: ipc://PATH or tcp://HOST:PORT", 0, 0},
        {"cert", 0, CLI_TEXT, &options->cert, "FILE",
         "our certificate there (tailgate keygen), with FILE_secret beside it", 0, 0},
        {"server-cert", 0, CLI_TEXT, &options->server_cert, "FILE",
         "the public certificate of that gateway", 0, 0},
        {"service", 's', CLI_TEXT, &options->service, "NAME", "whose queries to publish", 0, 0},
        {"name", 'n', CLI_TEXT, &options->name, "NAME",
         "how the gateway's log and status call this (default jetstream)", 0, 0},
        {"slots", 0, CLI_INTEGER, &options->slots, "N",
         "queries that are out at once (default 100)", 1, LIMIT_SLOTS},
        {.name = NULL}};
    options_connection(&options->nats, table);
    options_log(&options->log, table + OPTIONS_CONNECTION);
    memcpy(table + OPTIONS_CONNECTION + OPTIONS_LOG, own, sizeof own);
    int code = cli_parse(&page, table, argc, argv, &first);
    if (code < 0 && first < argc)
        return cli_fail(COMMAND, CLI_USAGE, "unexpected word: %s", argv[first]);
    return code;
}

static int block_signals(void)
{
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &ours, NULL);
    return signalfd(-1, &ours, SFD_NONBLOCK | SFD_CLOEXEC);
}

int run_publish(int argc, char **argv)
{
    struct options options = {.slots = 100};
    struct conn_setup nats;
    struct curve_client curve;
    char endpoint[PATH_MAX + 8], why[CERT_WHY_SIZE];
    int code = parse(&options, argc, argv);
    if (code < 0)
        code = check(&options, &nats);
    if (code < 0 && options.db)
        code = find_gate(options.db, endpoint, sizeof endpoint);
    if (code >= 0)
        return code;
    if (curve_client_load(options.cert, options.server_cert, &curve, why) != 0)
        return cli_fail(COMMAND, CLI_FAILED, "%s", why);
    int signals = block_signals();
    void *context = signals >= 0 ? zmq_ctx_new() : NULL;
    if (!context) {
        explicit_bzero(&curve, sizeof curve);
        return cli_fail(COMMAND, CLI_FAILED, "no descriptors are left");
    }
    struct upstream_setup gate = {.context = context,
                                  .endpoint = options.db ? endpoint : options.gate,
                                  .curve = &curve,
                                  .name = options.name ? options.name : "jetstream",
                                  .interval_ms = 1000};
    struct publisher_setup setup = {.nats = &nats,
                                    .gate = &gate,
                                    .command = COMMAND,
                                    .prefix = options.nats.prefix,
                                    .service = options.service,
                                    .slots = options.slots,
                                    .signals = signals};
    code = publisher_run(&setup);
    explicit_bzero(&curve, sizeof curve);
    zmq_ctx_term(context);
    close(signals);
    return code;
}
