#include "adapters/worker/options.h"

#include <stdio.h>

#include "adapters/c/tailgate.h"
#include "adapters/zmq/endpoint.h"
#include "gateway/cli.h"
#include "gateway/log.h"
#include "proto/limits.h"
#include "proto/utf8.h"

#define DAY_US (86400 * INT64_C(1000000))
#define TABLE_MAX 64    /* options that one page can have */
#define ADAPTERS_MAX 16 /* rows of adapter_table */

static const struct cli_command page = {
    .name = OPTIONS_COMMAND,
    .usage = "work (--db FILE | --gate ENDPOINT) [options] (-- CMD ARG... | --ADAPTER TARGET)",
    .about = "answer queries with a program of yours that stays running",
    .details =
        "CMD is started once and stays. Each query is one line of JSON on its stdin; it answers "
        "with one line on stdout: an object with \"answer\", or plain text. What it writes on "
        "stderr goes to the log. When it ends, the query it had is reported as failed (the gateway "
        "tries again) and CMD is started anew. No shell is involved.\n"
        "A program that cannot stay is started for each query with --per-query: the question is "
        "on its stdin, who asks in TAILGATE_SENDER where the gateway has verified that, what it "
        "writes until it ends is the answer.\n"
        "Programs that are reached in another way have an adapter: `tailgate work --list` explains "
        "them, tailgate-work(1) has an example for each.\n"
        "A query has until its delivery.deadline: then CMD and all it has started is ended, and "
        "started anew. While the gateway is away CMD works on; it gets the answer when it is "
        "back.\n"
        "\n"
        "Two workers that answer from documents:\n"
        "  tailgate work --db bridge.db --count 2 -- python3 document_worker.py README.md\n"
        "(document_worker.py is in share/doc/tailgate/examples, in the source in "
        "adapters/python/examples.)\n"
        "A worker for one service, with half a minute for each answer:\n"
        "  tailgate work --db bridge.db --service legal --time-limit 30s -- ./legal-model\n"
        "A gateway on another port or host:\n"
        "  tailgate work --gate tcp://127.0.0.1:5555 -- ./answer\n"
        "The shortest worker there is, as a shell script:\n"
        "  while read -r query; do echo 42; done\n"
        "\n"
        "SIGTERM and SIGINT: start nothing more, wait up to 10 s for the queries that CMD has, "
        "give back what is not finished, leave. "
        "A second one: leave at once. The exit status is 0 then, 1 when CMD cannot be started at "
        "all, 2 for a mistake on the command line.\n",
};

/* The value of each adapter's own option, at its place in adapter_table. */
struct targets {
    const char *text[ADAPTERS_MAX];
    bool flag[ADAPTERS_MAX];
};

static struct cli_option own_row(const struct adapter *adapter, struct targets *targets, size_t at)
{
    struct cli_option row = {.name = adapter->name, .help = adapter->about};
    row.kind = adapter->value ? CLI_TEXT : CLI_FLAG;
    row.target = adapter->value ? (void *)&targets->text[at] : (void *)&targets->flag[at];
    row.value = adapter->value;
    return row;
}

static struct cli_option further_row(const struct adapter_option *option,
                                     struct adapter_setup *program)
{
    static const enum cli_kind kind[] = {[ADAPTER_FLAG] = CLI_FLAG,
                                         [ADAPTER_TEXT] = CLI_TEXT,
                                         [ADAPTER_NUMBER] = CLI_INTEGER,
                                         [ADAPTER_TIME] = CLI_SECONDS};
    struct cli_option row = {.name = option->name, .value = option->value, .help = option->help};
    row.kind = kind[option->kind];
    row.target = (char *)program + option->offset;
    row.min = option->min;
    row.max = option->max;
    return row;
}

/* Appends the options of every adapter to TABLE, whose first COUNT rows are there. */
static void add_adapters(struct cli_option table[TABLE_MAX], size_t count, struct targets *targets,
                         struct adapter_setup *program)
{
    for (size_t i = 0; adapter_table[i]; i++) {
        const struct adapter *adapter = adapter_table[i];
        if (adapter != &adapter_exec)
            table[count++] = own_row(adapter, targets, i);
        for (const struct adapter_option *option = adapter->options; option && option->name;
             option++)
            table[count++] = further_row(option, program);
    }
    table[count] = (struct cli_option){.name = NULL};
}

/* Which adapter was asked for: by its option, else the one of a command. */
static int choose(struct options *options, const struct targets *targets)
{
    const struct adapter *chosen = NULL;
    bool command = options->program.command[0] != NULL;
    for (size_t i = 0; adapter_table[i]; i++) {
        if (!targets->text[i] && !targets->flag[i])
            continue;
        if (chosen)
            return cli_fail(OPTIONS_COMMAND, CLI_USAGE, "--%s and --%s: a worker has one adapter",
                            chosen->name, adapter_table[i]->name);
        chosen = adapter_table[i];
        options->program.target = targets->text[i];
    }
    if (!chosen && !command)
        return cli_fail(OPTIONS_COMMAND, CLI_USAGE,
                        "give a command after --, or an adapter: see tailgate work --list");
    options->adapter = chosen ? chosen : &adapter_exec;
    if (command && !options->adapter->takes_command)
        return cli_fail(OPTIONS_COMMAND, CLI_USAGE, "--%s takes no command", chosen->name);
    return -1;
}

static bool was_given(const struct adapter_option *option, const struct adapter_setup *program,
                      const struct adapter_setup *before)
{
    static const size_t size[] = {[ADAPTER_FLAG] = sizeof(bool),
                                  [ADAPTER_TEXT] = sizeof(const char *),
                                  [ADAPTER_NUMBER] = sizeof(int64_t),
                                  [ADAPTER_TIME] = sizeof(int64_t)};
    return memcmp((const char *)program + option->offset, (const char *)before + option->offset,
                  size[option->kind]) != 0;
}

/* An option of an adapter that was not asked for would have no effect: that is a mistake. */
static int check_further(const struct options *options, const struct adapter_setup *before)
{
    for (size_t i = 0; adapter_table[i]; i++) {
        const struct adapter *adapter = adapter_table[i];
        if (adapter == options->adapter)
            continue;
        for (const struct adapter_option *option = adapter->options; option && option->name;
             option++) {
            if (was_given(option, &options->program, before))
                return cli_fail(OPTIONS_COMMAND, CLI_USAGE, "--%s goes with %s%s only",
                                option->name, adapter == &adapter_exec ? "a command" : "--",
                                adapter == &adapter_exec ? "" : adapter->name);
        }
    }
    return -1;
}

static bool plain(const char *text, size_t limit)
{
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return false;
    }
    return size > 0 && size <= limit && utf8_valid(span_of(text, size));
}

static int check_certificates(const struct options *options)
{
    char why[300];
    if (!options->cert != !options->server_cert)
        return cli_fail(OPTIONS_COMMAND, CLI_USAGE,
                        "--cert and --server-cert go together: --%s is missing",
                        options->cert ? "server-cert" : "cert");
    if (tailgate_certificates_check(options->cert, options->server_cert, why, sizeof why) !=
        TAILGATE_OK)
        return cli_fail(OPTIONS_COMMAND, CLI_FAILED, "%s", why);
    return -1;
}

static int check_worker(const struct options *options)
{
    if ((options->db != NULL) == (options->gate != NULL))
        return cli_fail(OPTIONS_COMMAND, CLI_USAGE, "give either --db FILE or --gate ENDPOINT");
    if (options->gate && endpoint_read(options->gate) == ENDPOINT_BAD)
        return cli_fail(OPTIONS_COMMAND, CLI_USAGE, "--gate %s: use ipc://PATH or tcp://HOST:PORT",
                        options->gate);
    if (!plain(options->service, LIMIT_SERVICE))
        return cli_fail(OPTIONS_COMMAND, CLI_USAGE, "--service: 1 to %d bytes of text",
                        LIMIT_SERVICE);
    if (options->name && !plain(options->name, LIMIT_WORKER_NAME - OPTIONS_SUFFIX_MAX))
        return cli_fail(OPTIONS_COMMAND, CLI_USAGE, "--name: 1 to %d bytes of text",
                        LIMIT_WORKER_NAME - OPTIONS_SUFFIX_MAX);
    return -1;
}

static int check_adapter(struct options *options)
{
    const struct adapter *adapter = options->adapter;
    char why[ADAPTER_WHY];
    if (adapter->slots_max > 0 && options->slots > adapter->slots_max)
        return cli_fail(OPTIONS_COMMAND, CLI_USAGE, "--slots: --%s can be given %u at once",
                        adapter->name, adapter->slots_max);
    if (adapter->alone && options->count > 1)
        return cli_fail(OPTIONS_COMMAND, CLI_USAGE,
                        "--count: each --%s needs a target of its own; start several workers",
                        adapter->name);
    options->program.slots = (unsigned)options->slots;
    options->program.db = options->db;
    if (adapter->check && adapter->check(&options->program, why) != 0)
        return cli_fail(OPTIONS_COMMAND, CLI_USAGE, "%s", why);
    return -1;
}

int options_parse(struct options *ret_options, int argc, char **argv)
{
    struct options *options = ret_options;
    struct targets targets = {.text = {NULL}};
    struct cli_option table[TABLE_MAX] = {
        {"db", 'd', CLI_TEXT, &options->db, "FILE", "the bridge whose gateway to work for", 0, 0},
        {"gate", 'g', CLI_TEXT, &options->gate, "ENDPOINT",
         "the gate itself: ipc://PATH or tcp://HOST:PORT", 0, 0},
        {"cert", 0, CLI_TEXT, &options->cert, "FILE",
         "our certificate (FILE_secret beside it), where the gateway wants a key", 0, 0},
        {"server-cert", 0, CLI_TEXT, &options->server_cert, "FILE",
         "with --cert: the gateway's public certificate", 0, 0},
        {"service", 's', CLI_TEXT, &options->service, "NAME",
         "answer queries of this service only (default *: of all)", 0, 0},
        {"name", 'n', CLI_TEXT, &options->name, "NAME",
         "how logs, status and replies call it (default CMD-PID or ADAPTER-PID)", 0, 0},
        {"slots", 0, CLI_INTEGER, &options->slots, "N",
         "queries that CMD is given at once (default 1)", 1, LIMIT_SLOTS},
        {"count", 'c', CLI_INTEGER, &options->count, "N",
         "start N of them, each with its own CMD (default 1)", 1, OPTIONS_COUNT_MAX},
        {"time-limit", 't', CLI_SECONDS, &options->time_limit_us, "TIME",
         "end CMD when one answer takes longer (default: no limit)", 1000, 7 * DAY_US},
        {"heartbeat", 0, CLI_SECONDS, &options->heartbeat_us, "TIME",
         "between heartbeats, ours and the gateway's; 3 missed end the link (default 2.5s)", 100000,
         60000000},
        {"log-format", 0, CLI_TEXT, &options->log_format, LOG_FORMATS, LOG_FORMATS_HELP, 0, 0},
        {"log-level", 0, CLI_TEXT, &options->log_level, "LEVEL",
         "error, warn, info or debug (default info)", 0, 0},
        {"list", 0, CLI_FLAG, &options->list, NULL, "explain the adapters and their options", 0, 0},
        {"json", 0, CLI_FLAG, &options->json, NULL, "with --list: for machines", 0, 0},
    };
    const struct adapter_setup before = options->program;
    int first = argc, code;
    add_adapters(table, 14, &targets, &options->program);
    code = cli_parse(&page, table, argc, argv, &first);
    options->program.command = argv + first;
    if (code >= 0 || options->list)
        return code;
    if ((code = check_worker(options)) < 0 && (code = check_certificates(options)) < 0 &&
        (code = choose(options, &targets)) < 0 && (code = check_further(options, &before)) < 0)
        code = check_adapter(options);
    return code;
}
