#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "adapters/host/clock.h"
#include "adapters/zmq/endpoint.h"
#include "gateway/await.h"
#include "gateway/command.h"
#include "gateway/log.h"
#include "gateway/problem.h"
#include "gateway/server.h"
#include "proto/stamp.h"

/* One descriptor for each worker's link, and some for the rest: the database, the gates, clients.
 */
#define DESCRIPTORS_WANTED (LIMIT_WORKERS + 200)

struct options {
    const char *db;
    const char *config_file;
    const char *backlog;
    const char *log_format;
    const char *log_level;
    struct cli_list gates;
    struct cli_list settings;
    bool insecure;
    bool no_wait;
    bool print_config;
};

static int parse(int argc, char **argv, struct options *options)
{
    const struct cli_option table[] = {
        {"db", 'd', CLI_TEXT, &options->db, "FILE", "the bridge database to serve", 0, 0},
        {"gate", 'g', CLI_LIST, &options->gates, "ENDPOINT",
         "one more gate for workers: ipc://PATH or tcp://127.0.0.1:PORT", 0, 0},
        {"insecure", 0, CLI_FLAG, &options->insecure, NULL,
         "allow --gate on other than loopback addresses: anyone who can reach it can answer", 0, 0},
        {"no-wait", 0, CLI_FLAG, &options->no_wait, NULL,
         "fail when the database is not there yet, instead of waiting for it", 0, 0},
        {"backlog", 0, CLI_TEXT, &options->backlog, "serve|skip",
         "what to do with unread queries that are already there (default: serve)", 0, 0},
        {"config", 'c', CLI_TEXT, &options->config_file, "FILE", "read settings from a ZPL file", 0,
         0},
        {"set", 's', CLI_LIST, &options->settings, "KEY=VALUE", "change one setting", 0, 0},
        {"print-config", 0, CLI_FLAG, &options->print_config, NULL,
         "print all settings with their meaning, and exit", 0, 0},
        {"log-format", 0, CLI_TEXT, &options->log_format, "human|json",
         "how log lines look (default: human)", 0, 0},
        {"log-level", 0, CLI_TEXT, &options->log_level, "LEVEL",
         "error, warn, info or debug (default: info)", 0, 0},
        {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0},
    };
    int first, code = cli_parse(&cmd_serve, table, argc, argv, &first);

    if (code >= 0)
        return code;
    if (first < argc)
        return cli_fail("serve", CLI_USAGE, "unexpected word \"%s\": see tailgate serve --help",
                        argv[first]);
    if (!options->db && !options->print_config)
        return cli_fail("serve", CLI_USAGE, "--db FILE is missing: which bridge shall be served?");
    return -1;
}

static int read_settings(const struct options *options, struct config *config)
{
    enum log_level level = LOG_INFO;
    enum log_format format = LOG_HUMAN;
    char error[CONFIG_ERROR_SIZE];

    config_init(config);
    if (options->config_file && config_load(config, options->config_file, error) < 0)
        return cli_fail("serve", CLI_USAGE, "%s", error);
    for (size_t i = 0; i < options->settings.count; i++)
        if (config_set_word(config, options->settings.item[i], error) < 0)
            return cli_fail("serve", CLI_USAGE, "--set: %s", error);
    if (options->log_level && log_level_parse(options->log_level, &level) < 0)
        return cli_fail("serve", CLI_USAGE, "--log-level is error, warn, info or debug");
    if (options->log_format && log_format_parse(options->log_format, &format) < 0)
        return cli_fail("serve", CLI_USAGE, "--log-format is human or json");
    if (options->backlog && strcmp(options->backlog, "serve") != 0 &&
        strcmp(options->backlog, "skip") != 0)
        return cli_fail("serve", CLI_USAGE, "--backlog is serve or skip");
    log_setup(level, format, "");
    return -1;
}

static int check_gates(const struct options *options)
{
    for (size_t i = 0; i < options->gates.count; i++) {
        const char *gate = options->gates.item[i];
        enum endpoint_kind kind = endpoint_read(gate);

        if (kind == ENDPOINT_BAD)
            return cli_fail("serve", CLI_USAGE,
                            "--gate %s is neither ipc://PATH nor tcp://ADDRESS:PORT", gate);
        if (kind == ENDPOINT_OFF_HOST && !options->insecure)
            return cli_fail(
                "serve", CLI_USAGE,
                "--gate %s can be reached from other hosts, and anyone there could answer: "
                "use tcp://127.0.0.1:PORT, or say --insecure",
                gate);
        if (kind == ENDPOINT_OFF_HOST)
            log_event(
                LOG_WARN, "insecure", LOG_STR("gate", gate),
                LOG_STR("say", "anyone who can reach this gate can take queries and answer them"));
        if (!place_endpoint_fits(gate))
            return cli_fail("serve", CLI_USAGE, "--gate %s: a socket's path has at most %d bytes",
                            gate, PLACE_SOCKET_MAX);
    }
    return -1;
}

/* Blocks the signals for this thread and those it starts, and opens the descriptors of the loop. */
static int open_descriptors(struct server *server)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    /* a file-size limit is a failed write, which the committer copes with */
    signal(SIGXFSZ, SIG_IGN);
    server->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    server->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    server->timer_us = INT64_MAX;
    if (server->signal_fd < 0 || server->timer_fd < 0)
        return cli_fail("serve", CLI_FAILED, "no descriptors: %s", strerror(errno));
    return -1;
}

static int lock(struct server *server, const char *db, int *ret_lock)
{
    struct place_holder holder;
    int error = place_find(db, &server->place);

    if (error)
        return problem_place("serve", db, error);
    *ret_lock = place_lock(&server->place, &holder);
    if (*ret_lock == -EWOULDBLOCK)
        return cli_fail("serve", CLI_LOCKED,
                        "another gateway serves %s: pid %ld, since %s; stop it first",
                        server->place.db, holder.pid, holder.since);
    if (*ret_lock < 0)
        return cli_fail("serve", CLI_FAILED, "cannot take the lock %s: %s%s", server->place.lock,
                        strerror(-*ret_lock),
                        *ret_lock == -EROFS || *ret_lock == -EACCES || *ret_lock == -EPERM
                            ? " (the gateway needs to write in the database's folder)"
                            : "");
    return -1;
}

/* Binds one endpoint; an ipc socket is as open as the folder of the lock: for the group, or for us
 * only. */
static int bind_gate(struct server *server, const char *endpoint)
{
    struct stat status;
    bool group = stat(server->place.folder, &status) == 0 && (status.st_mode & 070);
    int door = gate_bind(server->gate, endpoint, group);

    if (door == -EADDRINUSE)
        return cli_fail("serve", CLI_FAILED, "cannot open the gate %s: somebody else listens there",
                        endpoint);
    if (door == -EEXIST)
        return cli_fail("serve", CLI_FAILED,
                        "cannot open the gate %s: a file is in the way, and it is not a socket",
                        endpoint);
    if (door < 0)
        return cli_fail("serve", CLI_FAILED, "cannot open the gate %s: %s", endpoint,
                        zmq_strerror(-door));
    return -1;
}

static int bind_gates(struct server *server, const struct options *options)
{
    int code = -1;

    server->gate = gate_new();
    if (!server->gate)
        return cli_fail("serve", CLI_FAILED, "cannot start ZeroMQ: %s", strerror(errno));
    if (place_endpoint_fits(server->place.gate))
        code = bind_gate(server, server->place.gate);
    else if (options->gates.count == 0)
        return cli_fail(
            "serve", CLI_FAILED,
            "the path of the gate's socket, %s, is longer than the %d bytes that a socket "
            "may have: give a shorter one with --gate ipc:///PATH",
            server->place.gate + strlen("ipc://"), PLACE_SOCKET_MAX);
    for (size_t i = 0; i < options->gates.count && code < 0; i++)
        code = bind_gate(server, options->gates.item[i]);
    return code;
}

/* Opens the store and finds out what --backlog needs. A lock in the way is waited for here and not
 * inside SQLite: the committer has a policy of its own (committer.h, C3). */
static int open_store(struct server *server, bool skip)
{
    struct await_lock lock = {0};
    int64_t last_id = 0;
    int error, code;

    for (;;) {
        error =
            server->store ? BRIDGE_OK : store_open(&server->place, 0, &server->store, &server->key);
        if (!error && skip)
            error = tail_last_id(server->tail, &last_id);
        if (error != BRIDGE_BUSY)
            break;
        if ((code = await_unlocked(&lock, &server->place, server->signal_fd)) >= 0)
            return code;
    }
    if (error)
        return problem_bridge("serve", &server->place, error, NULL);
    server->skip_to = last_id;
    return -1;
}

static struct dispatch *new_dispatch(const struct server *server)
{
    const struct config *config = &server->config;
    struct dispatch_config core = {
        .key = server->key,
        .lease_us = config->lease_us,
        .attempt_max_us = config->attempt_max_us,
        .beat_us = config->heartbeat_interval_us,
        .backoff_first_us = config->backoff_first_us,
        .backoff_max_us = config->backoff_max_us,
        .attempts = (uint32_t)config->attempts,
        .queue = (size_t)config->commit_queue,
    };

    randombytes_buf(&core.seed, sizeof core.seed);
    return dispatch_new(&core);
}

static int start_committer(struct server *server)
{
    const struct committer_config config = {
        .duty = (unsigned)server->config.commit_duty,
        .group = (size_t)server->config.commit_group,
    };

    server->committer = committer_new(server->store, &config);
    if (!server->committer)
        return cli_fail("serve", CLI_FAILED, "cannot start the committer: %s", strerror(errno));
    return -1;
}

/* Each link of a worker is a descriptor; without one, what connects is not even told why. */
static void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* Says what will not hold here although nothing is wrong yet. */
static void warn(const struct server *server)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < DESCRIPTORS_WANTED)
        log_event(LOG_WARN, "few-descriptors", LOG_INT("limit", limit.rlim_cur),
                  LOG_INT("wanted", DESCRIPTORS_WANTED),
                  LOG_STR("say", "fewer workers than allowed can connect at once: raise "
                                 "LimitNOFILE= or ulimit -Hn"));
    if (server->place.medium == MEDIUM_DOUBTFUL)
        log_event(LOG_WARN, "file-system", LOG_STR("db", server->place.db),
                  LOG_STR("say", "the database is on FUSE, 9p or a shared folder: safe only "
                                 "while every program that opens it runs on this host"));
}

/* Writes who we are into the lock file, and says that we serve. */
static void announce(struct server *server, int lock_fd)
{
    struct place_holder holder = {.pid = getpid()};
    const char *gate = gate_endpoint(server->gate, 0);

    server->since_utc_us = clock_utc_us();
    stamp_format(server->since_utc_us, holder.since);
    snprintf(holder.gate, sizeof holder.gate, "%s", gate);
    if (place_announce(lock_fd, &holder) < 0)
        log_event(LOG_WARN, "lock", LOG_STR("say", "cannot write into the lock file"));
    warn(server);
    log_event(LOG_INFO, "serving", LOG_STR("db", server->place.db), LOG_STR("gate", gate),
              LOG_INT("gates", gate_doors(server->gate)), LOG_INT("pid", getpid()));
}

/* Everything was opened by name: it must have been one file. */
static int check_identity(const struct server *server)
{
    int error = place_verify(&server->place, &server->identity);

    if (error == -ENOENT)
        return cli_fail("serve", CLI_REPLACED, "%s has gone", server->place.db);
    if (error)
        return cli_fail("serve", CLI_REPLACED,
                        "%s was replaced while the gateway started: start it again",
                        server->place.db);
    return -1;
}

/* All that stands between a locked place and the loop. Returns -1 to go on, else the exit code. */
static int open_server(struct server *server, const struct options *options, int lock_fd)
{
    bool skip = options->backlog && strcmp(options->backlog, "skip") == 0;
    int code = watch_new(&server->place, &server->watch);

    if (code < 0)
        return cli_fail("serve", CLI_FAILED, "cannot watch the database's folder: %s",
                        strerror(-code));
    code = await_bridge(&server->place, server->watch, server->signal_fd, !options->no_wait,
                        &server->tail, &server->identity);
    if (code)
        return code < 0 ? CLI_OK : code;
    if ((code = open_store(server, skip)) >= 0 || (code = bind_gates(server, options)) >= 0 ||
        (code = start_committer(server)) >= 0 || (code = check_identity(server)) >= 0)
        return code;
    server->dispatch = new_dispatch(server);
    frameset_init(&server->set);
    wake_init(&server->wake, clock_mono_us());
    announce(server, lock_fd);
    return -1;
}

static void close_server(struct server *server)
{
    frameset_done(&server->set);
    committer_destroy(&server->committer, false);
    gate_destroy(&server->gate, 0);
    dispatch_destroy(&server->dispatch);
    tail_close(&server->tail);
    store_close(&server->store);
    watch_destroy(&server->watch);
    job_list_clear(&server->done);
    buffer_done(&server->status);
    free(server->closed);
    free(server->dead);
}

static int run(int argc, char **argv)
{
    struct options options = {.db = NULL};
    struct server *server;
    int lock_fd = -1;
    int code = parse(argc, argv, &options);

    if (code >= 0)
        return code;
    server = memory_zero(1, sizeof *server);
    code = read_settings(&options, &server->config);
    if (code < 0 && options.print_config) {
        config_print(&server->config);
        code = CLI_OK;
    }
    if (code < 0 && token_init() < 0)
        code = cli_fail("serve", CLI_FAILED, "cannot start libsodium");
    if (code < 0)
        code = check_gates(&options);
    raise_descriptors();
    if (code < 0)
        code = open_descriptors(server);
    if (code < 0)
        code = lock(server, options.db, &lock_fd);
    if (code < 0)
        code = open_server(server, &options, lock_fd);
    if (code < 0) {
        code = loop_run(server);
        log_event(LOG_INFO, "stopped", LOG_INT("code", code));
    }
    close_server(server);
    if (lock_fd >= 0)
        close(lock_fd);
    free(server);
    return code;
}

const struct cli_command cmd_serve = {
    .name = "serve",
    .usage = "serve --db FILE [options]",
    .about = "serve the queries of a bridge to workers, and commit their replies",
    .details =
        "Tails the bridge database FILE: every question that another process commits there is "
        "given to a worker that is connected to the gate, and its answer is committed as the "
        "reply. Waits for the database when it does not exist yet. By default the gate is a unix "
        "socket in FILE-gate/, where `tailgate work --db FILE` finds it.\n"
        "\n"
        "SIGTERM or SIGINT: takes nothing more, lets what is in flight end (drain.timeout), "
        "commits it, exits 0. A second one stops at once; nothing that is committed is lost.\n"
        "\n"
        "Examples:\n"
        "  tailgate serve --db bridge.db\n"
        "  tailgate serve --db bridge.db --gate tcp://127.0.0.1:5555 --set lease=2m\n"
        "  tailgate serve --print-config > tailgate.cfg\n"
        "\n"
        "Exit status: 0 stopped by a signal, 1 failed, 2 wrong usage, 5 another gateway serves "
        "this database, 6 not a bridge, 7 the database file was replaced.",
    .run = run,
};
