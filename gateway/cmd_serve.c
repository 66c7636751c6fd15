#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "gateway/command.h"
#include "gateway/descriptors.h"
#include "gateway/log.h"
#include "gateway/manager.h"
#include "gateway/open.h"
#include "gateway/problem.h"
#include "gateway/standby.h"

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

static int lock(struct server *server, const struct serve_options *options, int *ret_lock)
{
    struct place_holder holder;
    int error = place_find(options->db, &server->place);

    if (error)
        return problem_place("serve", options->db, error);
    *ret_lock = place_lock(&server->place, &holder);
    if (*ret_lock == -EWOULDBLOCK && options->standby) {
        log_event(LOG_INFO, "standby", LOG_STR("db", server->place.db),
                  LOG_INT("holder", holder.pid),
                  LOG_STR("say", "waiting; takes over as soon as the other gateway is gone"));
        *ret_lock = standby_wait(&server->place, server->signal_fd, &server->vitals);
        if (*ret_lock == -EINTR)
            return CLI_OK;
        settings_read_again(server->options, &server->config);
    }
    if (*ret_lock == -EWOULDBLOCK)
        return cli_fail("serve", CLI_LOCKED,
                        "another gateway serves %s: pid %ld, since %s; stop it first, or wait for "
                        "its end with --standby",
                        server->place.db, holder.pid, holder.since);
    if (*ret_lock < 0)
        return cli_fail("serve", CLI_FAILED, "cannot take the lock %s: %s%s", server->place.lock,
                        strerror(-*ret_lock),
                        *ret_lock == -EROFS || *ret_lock == -EACCES || *ret_lock == -EPERM
                            ? " (the gateway needs to write in the database's folder)"
                            : "");
    return -1;
}

static int run(int argc, char **argv)
{
    struct serve_options said = {.db = NULL}, options;
    char error[CONFIG_ERROR_SIZE];
    struct server *server;
    int lock_fd = -1;
    int code = settings_parse(argc, argv, &said);

    if (code >= 0)
        return code;
    server = memory_zero(1, sizeof *server);
    stats_init(&server->stats);
    server->options = &said;
    if (settings_read(&said, &server->config, error) < 0)
        code = cli_fail("serve", CLI_USAGE, "%s", error);
    options = said;
    settings_merge(&options, &server->config);
    if (code < 0 && options.print_config) {
        config_print(&server->config);
        code = CLI_OK;
    }
    if (code < 0 && token_init() < 0)
        code = cli_fail("serve", CLI_FAILED, "cannot start libsodium");
    if (code < 0)
        code = settings_check(&options);
    descriptors_raise();
    if (code < 0)
        code = open_descriptors(server);
    manager_init(&server->vitals);
    if (code < 0)
        code = lock(server, &options, &lock_fd);
    if (code < 0)
        code = open_all(server, &options, lock_fd);
    if (code < 0) {
        code = loop_run(server);
        log_event(LOG_INFO, "stopped", LOG_INT("code", code));
    }
    open_close(server);
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
        "Clients ask at the gate, too: Majordomo 0.1 and 0.2 (RFC 7, 18), with mmi.service and "
        "titanic.request, .reply and .close, or ASK from a REQ socket. What they ask is a row in "
        "the "
        "database before a worker has it.\n"
        "\n"
        "Workers that are REP sockets bind and wait: name each with --rep, and the gateway "
        "connects to it, now and whenever it comes back. They serve all services unless "
        ",service=NAME follows.\n"
        "\n"
        "--work starts workers beside the gateway and keeps them running: its WORDS are one "
        "argument, split as a shell would, and stand behind tailgate work --db FILE.\n"
        "\n"
        "--http starts `tailgate http` beside the gateway: /healthz and /readyz for whoever "
        "watches "
        "over it, /metrics for Prometheus, a page at / and REST at /v1.\n"
        "\n"
        "SIGTERM or SIGINT: takes nothing more, lets what is in flight end (drain.timeout), "
        "commits it, exits 0. A second one stops at once; nothing that is committed is lost.\n"
        "\n"
        "SIGHUP: reads the configuration file again, takes over what can change in a running "
        "gateway, and says what cannot.\n"
        "\n"
        "Examples:\n"
        "  tailgate serve --db bridge.db\n"
        "  tailgate serve --db bridge.db --standby\n"
        "  tailgate serve --db bridge.db --gate tcp://127.0.0.1:5555 --set lease=2m\n"
        "  tailgate serve --db bridge.db --rep tcp://127.0.0.1:5560,service=law\n"
        "  tailgate serve --db bridge.db --work '--slots 4 -- python3 answer.py'\n"
        "  tailgate serve --db bridge.db --http 127.0.0.1:8080\n"
        "  tailgate serve --print-config > tailgate.cfg\n"
        "\n"
        "Exit status: 0 stopped by a signal, 1 failed, 2 wrong usage, 5 another gateway serves "
        "this database, 6 not a bridge, 7 the database file was replaced.",
    .run = run,
};
