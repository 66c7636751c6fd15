/* `tailgate pause`, `resume` and `drain`: telling a running gateway what to do. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "adapters/host/clock.h"
#include "gateway/command.h"
#include "gateway/gate_client.h"
#include "gateway/problem.h"
#include "gateway/terminal.h"
#include "proto/message.h"

#define LOOK_MS 50 /* between looks at what is still in flight */

static struct {
    const char *db;
    struct gate_way way;
    const char *service;
    int64_t timeout_us;
    bool json;
} option;

#define COMMON                                                                                     \
    {"db", 'd', CLI_TEXT, &option.db, "FILE", "the bridge database", 0, 0},                        \
        {"gate",     0,                                                                            \
         CLI_TEXT,   &option.way.gate,                                                             \
         "ENDPOINT", "instead of --db: a gate of the gateway, ipc://PATH or tcp://HOST:PORT",      \
         0,          0},                                                                           \
        {"cert",   0,                                                                              \
         CLI_TEXT, &option.way.cert,                                                               \
         "FILE",   "our certificate (FILE_secret beside it), where the gateway wants a key",       \
         0,        0},                                                                             \
        {"server-cert",                                                                            \
         0,                                                                                        \
         CLI_TEXT,                                                                                 \
         &option.way.server_cert,                                                                  \
         "FILE",                                                                                   \
         "with --cert: the gateway's public certificate",                                          \
         0,                                                                                        \
         0},                                                                                       \
        {"service", 's', CLI_TEXT, &option.service, "NAME", "only this service (default: all)",    \
         0,         0},                                                                            \
    {                                                                                              \
        "json", 0, CLI_FLAG, &option.json, NULL, "print one JSON object", 0, 0                     \
    }

static const struct cli_option options[] = {COMMON, {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};
static const struct cli_option drain_options[] = {
    COMMON,
    {"timeout", 't', CLI_SECONDS, &option.timeout_us, "TIME",
     "how long to wait until nothing is in flight (default: 1h)", 0, 0},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

/* Finds the bridge that the command line names. -1, or an exit code. */
static int find(const struct cli_command *command, const struct cli_option *table, int argc,
                char **argv, struct place *ret_place)
{
    int first, code = cli_parse(command, table, argc, argv, &first);

    if (code >= 0)
        return code;
    if (first < argc)
        return cli_fail(command->name, CLI_USAGE, "%s is one word too many", argv[first]);
    if (option.service && !message_service_ok(span_str(option.service)))
        return cli_fail(command->name, CLI_USAGE, "--service: that is not the name of a service");
    if (option.service && strcmp(option.service, "*") == 0)
        return cli_fail(command->name, CLI_USAGE, "for all services leave --service out");
    return problem_way(command->name, option.db, ret_place, &option.way);
}

/* Asks the gateway for SERVICE about BODY. Returns -1 and its answer, or an exit code. */
static int ask(const char *command, const char *service, const char *body, json_t **ret_answer)
{
    struct buffer text, why;
    json_t *answer;
    int code = -1;

    buffer_init(&text);
    buffer_init(&why);
    answer = gate_client_ask(&option.way, service, body, &text, &why, NULL);
    if (!answer)
        code = cli_fail(command, CLI_FAILED, "%s", why.data);
    else
        *ret_answer = answer;
    buffer_done(&text);
    buffer_done(&why);
    return code;
}

static int print(json_t *answer, const char *sentence)
{
    char *text;

    if (!option.json) {
        printf("%s\n", sentence);
    } else {
        text = json_dumps(answer, JSON_COMPACT);
        if (text)
            terminal_put(span_str(text));
        free(text);
    }
    json_decref(answer);
    return fflush(stdout) ? CLI_FAILED : CLI_OK;
}

static int set_paused(const struct cli_command *command, int argc, char **argv, const char *service,
                      const char *verb)
{
    struct place place;
    char sentence[LIMIT_SERVICE + 60];
    json_t *answer;
    int code = find(command, options, argc, argv, &place);

    if (code < 0)
        code = ask(command->name, service, option.service ? option.service : "", &answer);
    if (code >= 0)
        return code;
    snprintf(sentence, sizeof sentence, "%s %s.", option.service ? option.service : "All services",
             verb);
    return print(answer, sentence);
}

static int run_pause(int argc, char **argv)
{
    return set_paused(&cmd_pause, argc, argv, "tailgate.pause",
                      "paused: nothing more is dispatched; what is in flight ends");
}

static int run_resume(int argc, char **argv)
{
    return set_paused(&cmd_resume, argc, argv, "tailgate.resume", "resumed");
}

/* What of option.service is in flight, as ANSWER to tailgate.status says. What workers may still
 * have from before a restart counts, too: whose it is is not told. */
static int64_t in_flight(const json_t *answer)
{
    const json_t *rows = json_object_get(answer, "services");
    int64_t count = (int64_t)json_integer_value(json_object_get(answer, "held"));

    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        const char *name = json_string_value(json_object_get(row, "name"));
        if (name && strcmp(name, option.service) == 0)
            count += json_integer_value(json_object_get(row, "in_flight"));
    }
    return count;
}

static void rest(void)
{
    const struct timespec pause = {0, LOOK_MS * 1000000};
    nanosleep(&pause, NULL);
}

/* Waits until nothing of option.service is in flight. */
static int await_service(void)
{
    int64_t end_us = clock_mono_us() + option.timeout_us;
    json_t *answer;
    int code;

    while ((code = ask("drain", "tailgate.status", "", &answer)) < 0) {
        int64_t left = in_flight(answer);
        json_decref(answer);
        if (left == 0)
            return -1;
        if (clock_mono_us() >= end_us)
            return cli_fail("drain", CLI_TIMED_OUT,
                            "%lld of %s still in flight; it stays paused: see tailgate status",
                            (long long)left, option.service);
        rest();
    }
    return code;
}

/* Waits until the gateway PID does not hold the lock any more. */
static int await_end(const struct place *place, long pid)
{
    int64_t end_us = clock_mono_us() + option.timeout_us;
    struct place_holder holder;

    while (place_holder(place, &holder) == 0 && holder.pid == pid) {
        if (clock_mono_us() >= end_us)
            return cli_fail("drain", CLI_TIMED_OUT, "the gateway (pid %ld) is still draining", pid);
        rest();
    }
    return -1;
}

/* Waits until nobody listens at --gate any more. */
static int await_silence(void)
{
    int64_t end_us = clock_mono_us() + option.timeout_us;
    struct buffer text, why;
    bool running = true;
    int code = -1;

    buffer_init(&text);
    buffer_init(&why);
    while (code < 0) {
        json_t *answer = gate_client_ask(&option.way, "tailgate.status", "", &text, &why, &running);
        bool answered = answer != NULL;
        json_decref(answer);
        if (!running)
            break;
        if (!answered)
            code = cli_fail("drain", CLI_FAILED, "%s", why.data);
        else if (clock_mono_us() >= end_us)
            code = cli_fail("drain", CLI_TIMED_OUT, "the gateway is still draining");
        buffer_reset(&text);
        rest();
    }
    buffer_done(&text);
    buffer_done(&why);
    return code;
}

static int run_drain(int argc, char **argv)
{
    struct place place;
    struct place_holder holder = {.pid = 0};
    json_t *answer;
    int code;

    option.timeout_us = 3600000000LL;
    code = find(&cmd_drain, drain_options, argc, argv, &place);
    if (code >= 0)
        return code;
    if (!option.way.gate)
        place_holder(&place, &holder);
    code = option.service ? ask("drain", "tailgate.pause", option.service, &answer)
                          : ask("drain", "tailgate.drain", "", &answer);
    if (code >= 0)
        return code;
    code = option.service    ? await_service()
           : option.way.gate ? await_silence()
                             : await_end(&place, holder.pid);
    if (code >= 0) {
        json_decref(answer);
        return code;
    }
    return print(answer, option.service
                             ? "Drained: nothing of it is in flight, and it is paused."
                             : "Drained: the gateway has ended. Unanswered queries wait in the "
                               "file.");
}

const struct cli_command cmd_pause = {
    .name = "pause",
    .usage = "pause (--db FILE | --gate ENDPOINT [--cert FILE --server-cert FILE]) [--service "
             "NAME] [--json]",
    .about = "stop dispatching queries, of one service or of all",
    .details =
        "Tells the running gateway to give no more queries to workers. What they have in hand ends "
        "as always; what comes waits. Lasts until tailgate resume, or until the gateway ends.\n"
        "\n"
        "Exit status: 0 done, 1 no gateway or it refuses, 2 wrong usage.\n",
    .run = run_pause,
};

const struct cli_command cmd_resume = {
    .name = "resume",
    .usage = "resume (--db FILE | --gate ENDPOINT [--cert FILE --server-cert FILE]) [--service "
             "NAME] [--json]",
    .about = "dispatch queries again after tailgate pause",
    .details = "Without --service it ends a pause of everything; a service that was paused by its "
               "name is resumed by its name.\n"
               "\n"
               "Exit status: 0 done, 1 no gateway or it refuses, 2 wrong usage.\n",
    .run = run_resume,
};

const struct cli_command cmd_drain = {
    .name = "drain",
    .usage = "drain (--db FILE | --gate ENDPOINT [--cert FILE --server-cert FILE]) [--service "
             "NAME] [--timeout TIME] [--json]",
    .about = "end what is in flight, then stop the gateway, or pause one service",
    .details =
        "Without --service: the gateway takes nothing more, lets what is in flight end (at most "
        "drain.timeout), commits it and exits, as after SIGTERM; the command returns when it has. "
        "With --service: that service is paused, and the command returns when nothing of it is in "
        "flight, so that its workers can be replaced.\n"
        "\n"
        "Exit status: 0 done, 1 no gateway or it refuses, 2 wrong usage, 3 not within --timeout.\n",
    .run = run_drain,
};
