/* tailgate-work: the helper executable behind `tailgate work`. It comes through the gate like
 * anyone else; a program that crashes here is never beside the database. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "adapters/bridge/place.h"
#include "adapters/host/clock.h"
#include "adapters/worker/crew.h"
#include "adapters/worker/worker.h"
#include "adapters/zmq/endpoint.h"
#include "gateway/cli.h"
#include "gateway/log.h"
#include "proto/limits.h"
#include "proto/utf8.h"

#define COMMAND "work"
/* Workers in one process: about ten descriptors each, below the usual 1024. */
#define COUNT_MAX 64
#define SUFFIX_MAX 12 /* bytes of "-4194304" or "-64" behind a name */
#define DAY_US (86400 * INT64_C(1000000))

struct words {
    const char *db, *gate, *service, *name, *log_format, *log_level;
    int64_t slots, count, time_limit_us, heartbeat_us;
    bool echo;
    char *const *command; /* NULL-terminated; empty with --echo */
};

static const struct cli_command page = {
    .name = COMMAND,
    .usage = "work (--db FILE | --gate ENDPOINT) [options] (-- CMD ARG... | --echo)",
    .about = "answer queries with a program of yours that stays running",
    .details =
        "CMD is started once and stays. Each query is one line of JSON on its stdin; it answers "
        "with one line on stdout: an object with \"answer\", or plain text. What it writes on "
        "stderr goes to the log. When it ends, the query it had is reported as failed (the gateway "
        "tries again) and CMD is started anew. No shell is involved.\n"
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

static int parse(int argc, char **argv, struct words *words)
{
    const struct cli_option table[] = {
        {"db", 'd', CLI_TEXT, &words->db, "FILE", "the bridge whose gateway to work for", 0, 0},
        {"gate", 'g', CLI_TEXT, &words->gate, "ENDPOINT",
         "the gate itself: ipc://PATH or tcp://HOST:PORT", 0, 0},
        {"service", 's', CLI_TEXT, &words->service, "NAME",
         "answer queries of this service only (default *: of all)", 0, 0},
        {"name", 'n', CLI_TEXT, &words->name, "NAME",
         "how logs, status and replies call it (default CMD-PID)", 0, 0},
        {"slots", 0, CLI_INTEGER, &words->slots, "N",
         "queries that CMD is given at once (default 1)", 1, LIMIT_SLOTS},
        {"count", 'c', CLI_INTEGER, &words->count, "N",
         "start N of them, each with its own CMD (default 1)", 1, COUNT_MAX},
        {"time-limit", 't', CLI_SECONDS, &words->time_limit_us, "TIME",
         "end CMD when one answer takes longer (default: no limit)", 1000, 7 * DAY_US},
        {"heartbeat", 0, CLI_SECONDS, &words->heartbeat_us, "TIME",
         "between heartbeats, ours and the gateway's; 3 missed end the link (default 2.5s)", 100000,
         60000000},
        {"echo", 0, CLI_FLAG, &words->echo, NULL, "no CMD: answer with the question, for tests", 0,
         0},
        {"log-format", 0, CLI_TEXT, &words->log_format, "human|json", "how log lines look", 0, 0},
        {"log-level", 0, CLI_TEXT, &words->log_level, "LEVEL",
         "error, warn, info or debug (default info)", 0, 0},
        {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0},
    };
    int first = argc;
    int code = cli_parse(&page, table, argc, argv, &first);
    words->command = argv + first;
    return code;
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

static int check(const struct words *words)
{
    if ((words->db != NULL) == (words->gate != NULL))
        return cli_fail(COMMAND, CLI_USAGE, "give either --db FILE or --gate ENDPOINT");
    if (words->echo == (words->command[0] != NULL))
        return cli_fail(COMMAND, CLI_USAGE,
                        words->echo ? "--echo takes no command"
                                    : "give a command after --, or --echo");
    if (words->gate && endpoint_read(words->gate) == ENDPOINT_BAD)
        return cli_fail(COMMAND, CLI_USAGE, "--gate %s: use ipc://PATH or tcp://HOST:PORT",
                        words->gate);
    if (!plain(words->service, LIMIT_SERVICE))
        return cli_fail(COMMAND, CLI_USAGE, "--service: 1 to %d bytes of text", LIMIT_SERVICE);
    if (words->name && !plain(words->name, LIMIT_WORKER_NAME - SUFFIX_MAX))
        return cli_fail(COMMAND, CLI_USAGE, "--name: 1 to %d bytes of text",
                        LIMIT_WORKER_NAME - SUFFIX_MAX);
    return -1;
}

static int set_log(const struct words *words)
{
    enum log_level level = LOG_INFO;
    enum log_format format = LOG_HUMAN;
    if (words->log_level && log_level_parse(words->log_level, &level) != 0)
        return cli_fail(COMMAND, CLI_USAGE, "--log-level: error, warn, info or debug");
    if (words->log_format && log_format_parse(words->log_format, &format) != 0)
        return cli_fail(COMMAND, CLI_USAGE, "--log-format: human or json");
    log_setup(level, format, COMMAND);
    return -1;
}

/* The gate of the bridge DB. The default endpoint is bound by every gateway whose folder allows it,
 * so it is right before the gateway runs and after it was started anew; the lock file helps where
 * it does not. */
static int find_gate(const char *db, char *ret_endpoint, size_t room)
{
    struct place place;
    struct place_holder holder;
    int code = place_find(db, &place);
    if (code == -ENOENT)
        return cli_fail(COMMAND, CLI_FAILED, "%s: its folder does not exist", db);
    if (code == -EMLINK)
        return cli_fail(COMMAND, CLI_FAILED, "%s has several hard links; a bridge must have one",
                        db);
    if (code != 0)
        return cli_fail(COMMAND, CLI_FAILED, "%s: %s", db, strerror(-code));
    if (place_endpoint_fits(place.gate)) {
        snprintf(ret_endpoint, room, "%s", place.gate);
        return -1;
    }
    if (place_holder(&place, &holder) != 0 || holder.gate[0] == '\0')
        return cli_fail(COMMAND, CLI_FAILED,
                        "%s: a socket path may have %d bytes and this one has more; give --gate",
                        db, PLACE_SOCKET_MAX);
    snprintf(ret_endpoint, room, "%s", holder.gate);
    return -1;
}

/* NAME, or what the command is called and our process id; with -1, -2 … behind it when there are
 * several. */
static void name_worker(const struct words *words, int64_t number,
                        char ret_name[LIMIT_WORKER_NAME + 1])
{
    char base[LIMIT_WORKER_NAME + 1];
    const int room = LIMIT_WORKER_NAME - 2 * SUFFIX_MAX;
    if (words->name) {
        snprintf(base, sizeof base, "%s", words->name);
    } else {
        const char *program = words->echo ? "echo" : words->command[0];
        const char *slash = strrchr(program, '/');
        snprintf(base, sizeof base, "%.*s-%ld", room, slash ? slash + 1 : program, (long)getpid());
    }
    if (words->count == 1)
        snprintf(ret_name, LIMIT_WORKER_NAME + 1, "%s", base);
    else
        snprintf(ret_name, LIMIT_WORKER_NAME + 1, "%.*s-%d", LIMIT_WORKER_NAME - SUFFIX_MAX, base,
                 (int)number);
}

/* NAME is borrowed for the worker's life. NULL when there is no descriptor for it. */
static struct worker *make_worker(const struct words *words, const char *name,
                                  struct tailgate_loop *loop, const char *endpoint)
{
    const struct worker_setup setup = {
        .gate = {.endpoint = endpoint,
                 .service = words->service,
                 .name = name,
                 .slots = (unsigned)words->slots,
                 .interval_ms = (unsigned)(words->heartbeat_us / 1000),
                 .loop = loop},
        .db = words->db,
        .adapter = adapter_find(words->echo ? "echo" : "exec"),
        .program = {.command = words->command},
        .time_limit_us = words->time_limit_us,
    };
    return worker_new(&setup);
}

/* Makes and starts all workers, and stops at the first that cannot be. */
static int start_all(struct worker **worker, char (*name)[LIMIT_WORKER_NAME + 1],
                     const struct words *words, struct tailgate_loop *loop, const char *endpoint)
{
    for (int64_t i = 0; i < words->count; i++) {
        name_worker(words, i + 1, name[i]);
        worker[i] = make_worker(words, name[i], loop, endpoint);
        if (!worker[i])
            return cli_fail(COMMAND, CLI_FAILED, "%s: %s", endpoint,
                            tailgate_error_text(TAILGATE_NO_RESOURCES));
    }
    for (int64_t i = 0; i < words->count; i++) {
        int code = worker_start(worker[i], clock_mono_us());
        if (code != 0)
            return cli_fail(COMMAND, CLI_FAILED, "cannot start %s: %s", words->command[0],
                            strerror(-code));
    }
    return CLI_OK;
}

static int work(const struct words *words, const char *endpoint)
{
    struct worker *worker[COUNT_MAX] = {NULL};
    char name[COUNT_MAX][LIMIT_WORKER_NAME + 1];
    struct tailgate_loop *loop = NULL; /* one thread for all of them */
    int signals = crew_signals();
    if (signals < 0)
        return cli_fail(COMMAND, CLI_FAILED, "signals: %s", strerror(-signals));
    int code = tailgate_loop_new(&loop);
    if (code != TAILGATE_OK) {
        close(signals);
        return cli_fail(COMMAND, CLI_FAILED, "ZeroMQ: %s", tailgate_error_text(code));
    }
    code = start_all(worker, name, words, loop, endpoint);
    if (code == CLI_OK) {
        int error = crew_run(worker, (size_t)words->count, signals);
        if (error != 0)
            code = cli_fail(COMMAND, CLI_FAILED, "the loop ended: %s", strerror(-error));
    }
    for (int64_t i = 0; i < words->count; i++)
        worker_destroy(&worker[i]);
    tailgate_loop_destroy(&loop); /* what was handed over is sent for at most a second */
    close(signals);
    return code;
}

/* A pipe or socket that landed on descriptor 0, 1 or 2 would be taken for a standard one. */
static void hold_standard_descriptors(void)
{
    int descriptor;
    do
        descriptor = open("/dev/null", O_RDWR);
    while (descriptor >= 0 && descriptor <= 2);
    if (descriptor > 2)
        close(descriptor);
}

int main(int argc, char **argv)
{
    struct words words = {.service = "*", .slots = 1, .count = 1, .heartbeat_us = INT64_C(2500000)};
    char endpoint[PATH_MAX + 8];
    hold_standard_descriptors();
    int code = parse(argc, argv, &words);
    if (code < 0)
        code = check(&words);
    if (code < 0)
        code = set_log(&words);
    if (code >= 0)
        return code;
    if (words.gate)
        snprintf(endpoint, sizeof endpoint, "%s", words.gate);
    else if ((code = find_gate(words.db, endpoint, sizeof endpoint)) >= 0)
        return code;
    return work(&words, endpoint);
}
