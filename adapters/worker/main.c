/* tailgate-work: the helper executable behind `tailgate work`. It comes through the gate like
 * anyone else; a program that crashes here is never beside the database. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "adapters/bridge/place.h"
#include "adapters/host/child.h"
#include "adapters/host/clock.h"
#include "adapters/worker/crew.h"
#include "adapters/worker/options.h"
#include "adapters/worker/worker.h"
#include "gateway/cli.h"
#include "gateway/log.h"
#include "proto/limits.h"

/* The gate of the bridge DB. The default endpoint is bound by every gateway whose folder allows it,
 * so it is right before the gateway runs and after it was started anew; the lock file helps where
 * it does not. */
static int find_gate(const char *db, char *ret_endpoint, size_t room)
{
    struct place place;
    struct place_holder holder;
    int code = place_find(db, &place);
    if (code == -ENOENT)
        return cli_fail(OPTIONS_COMMAND, CLI_FAILED, "%s: its folder does not exist", db);
    if (code == -EMLINK)
        return cli_fail(OPTIONS_COMMAND, CLI_FAILED,
                        "%s has several hard links; a bridge must have one", db);
    if (code != 0)
        return cli_fail(OPTIONS_COMMAND, CLI_FAILED, "%s: %s", db, strerror(-code));
    if (place_endpoint_fits(place.gate)) {
        snprintf(ret_endpoint, room, "%s", place.gate);
        return -1;
    }
    if (place_holder(&place, &holder) != 0 || holder.gate[0] == '\0')
        return cli_fail(OPTIONS_COMMAND, CLI_FAILED,
                        "%s: a socket path may have %d bytes and this one has more; give --gate",
                        db, PLACE_SOCKET_MAX);
    snprintf(ret_endpoint, room, "%s", holder.gate);
    return -1;
}

/* NAME, or what the command is called and our process id; with -1, -2 … behind it when there are
 * several. */
static void name_worker(const struct options *options, int64_t number,
                        char ret_name[LIMIT_WORKER_NAME + 1])
{
    char base[LIMIT_WORKER_NAME + 1];
    const int room = LIMIT_WORKER_NAME - 2 * OPTIONS_SUFFIX_MAX;
    if (options->name) {
        snprintf(base, sizeof base, "%s", options->name);
    } else {
        const char *command = options->program.command[0];
        const char *program = command ? command : options->adapter->name;
        const char *slash = strrchr(program, '/');
        snprintf(base, sizeof base, "%.*s-%ld", room, slash ? slash + 1 : program, (long)getpid());
    }
    if (options->count == 1)
        snprintf(ret_name, LIMIT_WORKER_NAME + 1, "%s", base);
    else
        snprintf(ret_name, LIMIT_WORKER_NAME + 1, "%.*s-%d", LIMIT_WORKER_NAME - OPTIONS_SUFFIX_MAX,
                 base, (int)number);
}

/* NAME is borrowed for the worker's life. NULL when there is no descriptor for it. */
static struct worker *make_worker(const struct options *options, const char *name,
                                  struct tailgate_loop *loop, const char *endpoint)
{
    const struct worker_setup setup = {
        .gate = {.endpoint = endpoint,
                 .cert = options->cert,
                 .server_cert = options->server_cert,
                 .service = options->service,
                 .name = name,
                 .adapter = options->adapter->name,
                 .slots = (unsigned)options->slots,
                 .interval_ms = (unsigned)(options->heartbeat_us / 1000),
                 .loop = loop},
        .db = options->db,
        .adapter = options->adapter,
        .program = options->program,
        .time_limit_us = options->time_limit_us,
    };
    return worker_new(&setup);
}

/* What an adapter that starts a program starts. */
static const char *program_name(const struct options *options)
{
    if (options->program.command[0])
        return options->program.command[0];
    return options->adapter->takes_command ? options->program.target : options->adapter->name;
}

/* Makes and starts all workers, and stops at the first that cannot be. */
static int start_all(struct worker **worker, char (*name)[LIMIT_WORKER_NAME + 1],
                     const struct options *options, struct tailgate_loop *loop,
                     const char *endpoint)
{
    for (int64_t i = 0; i < options->count; i++) {
        name_worker(options, i + 1, name[i]);
        worker[i] = make_worker(options, name[i], loop, endpoint);
        if (!worker[i])
            return cli_fail(OPTIONS_COMMAND, CLI_FAILED, "%s: %s", endpoint,
                            tailgate_error_text(TAILGATE_NO_RESOURCES));
    }
    for (int64_t i = 0; i < options->count; i++) {
        int code = worker_start(worker[i], clock_mono_us());
        if (code != 0)
            return cli_fail(OPTIONS_COMMAND, CLI_FAILED, "cannot start %s: %s",
                            program_name(options), worker_why(worker[i], code));
    }
    return CLI_OK;
}

static int work(const struct options *options, const char *endpoint)
{
    struct worker *worker[OPTIONS_COUNT_MAX] = {NULL};
    char name[OPTIONS_COUNT_MAX][LIMIT_WORKER_NAME + 1];
    struct tailgate_loop *loop = NULL; /* one thread for all of them */
    int signals = crew_signals();
    if (signals < 0)
        return cli_fail(OPTIONS_COMMAND, CLI_FAILED, "signals: %s", strerror(-signals));
    int code = tailgate_loop_new(&loop);
    if (code != TAILGATE_OK) {
        close(signals);
        return cli_fail(OPTIONS_COMMAND, CLI_FAILED, "ZeroMQ: %s", tailgate_error_text(code));
    }
    code = start_all(worker, name, options, loop, endpoint);
    if (code == CLI_OK) {
        int error = crew_run(worker, (size_t)options->count, signals);
        if (error != 0)
            code = cli_fail(OPTIONS_COMMAND, CLI_FAILED, "the loop ended: %s", strerror(-error));
    }
    for (int64_t i = 0; i < options->count; i++)
        worker_destroy(&worker[i]);
    tailgate_loop_destroy(&loop); /* what was handed over is sent for at most a second */
    close(signals);
    return code;
}

int main(int argc, char **argv)
{
    struct options options = {
        .service = "*",
        .slots = 1,
        .count = 1,
        .heartbeat_us = INT64_C(2500000),
        .program = {.session = "conversation", .silence_us = INT64_C(600000000)}};
    char endpoint[PATH_MAX + 8];
    if (!child_end_with_parent()) /* the gateway that has started us (--work) */
        return CLI_OK;
    child_hold_standard();
    int code = options_parse(&options, argc, argv);
    if (code < 0 && options.list) {
        options_list(options.json);
        return CLI_OK;
    }
    if (code < 0)
        code = log_options(OPTIONS_COMMAND, OPTIONS_COMMAND, options.log_level, options.log_format);
    if (code >= 0)
        return code;
    if (options.gate)
        snprintf(endpoint, sizeof endpoint, "%s", options.gate);
    else if ((code = find_gate(options.db, endpoint, sizeof endpoint)) >= 0)
        return code;
    return work(&options, endpoint);
}
