#include "gateway/settings.h"

#include <string.h>

#include "adapters/bridge/place.h"
#include "adapters/zmq/endpoint.h"
#include "gateway/command.h"
#include "gateway/log.h"
#include "gateway/serve_work.h"
#include "gateway/server.h"

int settings_parse(int argc, char **argv, struct serve_options *options)
{
    const struct cli_option table[] = {
        {"db", 'd', CLI_TEXT, &options->db, "FILE", "the bridge database to serve", 0, 0},
        {"gate", 'g', CLI_LIST, &options->gates, "ENDPOINT",
         "one more gate for workers: ipc://PATH or tcp://127.0.0.1:PORT", 0, 0},
        {"events", 'e', CLI_LIST, &options->events, "ENDPOINT",
         "one more endpoint where observers can listen, as --gate", 0, 0},
        {"rep", 'r', CLI_LIST, &options->reps, "ENDPOINT[,service=NAME]",
         "one more worker to connect to, a REP socket that is bound at ipc://PATH or "
         "tcp://127.0.0.1:PORT",
         0, 0},
        {"work", 0, CLI_WORDS, &options->works, "WORDS",
         "start a worker beside the gateway and keep it running: what would stand behind "
         "tailgate work --db FILE, in quotes",
         0, 0},
        {"insecure", 0, CLI_FLAG, &options->insecure, NULL,
         "allow --gate, --events and --rep on other than loopback addresses: anyone who can reach "
         "the first can answer, or listen at the second, or answer at the third",
         0, 0},
        {"standby", 0, CLI_FLAG, &options->standby, NULL,
         "when another gateway serves the database, wait and take over as soon as it is gone", 0,
         0},
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

int settings_read(const struct serve_options *options, struct config *config,
                  char ret_error[CONFIG_ERROR_SIZE])
{
    config_init(config);
    if (options->config_file && config_load(config, options->config_file, ret_error) < 0)
        return -1;
    for (size_t i = 0; i < options->settings.count; i++)
        if (config_set_word(config, options->settings.item[i], ret_error) < 0)
            return -1;
    return 0;
}

static int check_log(const struct serve_options *options)
{
    enum log_level level = LOG_INFO;
    enum log_format format = LOG_HUMAN;

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

/* An option that names endpoints, and what one is for that other hosts can reach. */
struct door_option {
    const char *name;
    const struct cli_list *list;
    const char *could; /* anyone there */
    const char *can;
};

static int check_endpoint(const struct door_option *option, const char *endpoint, bool insecure)
{
    enum endpoint_kind kind = endpoint_read(endpoint);

    if (kind == ENDPOINT_BAD)
        return cli_fail("serve", CLI_USAGE, "--%s %s is neither ipc://PATH nor tcp://ADDRESS:PORT",
                        option->name, endpoint);
    if (kind == ENDPOINT_OFF_HOST && !insecure)
        return cli_fail("serve", CLI_USAGE,
                        "--%s %s can be reached from other hosts, and anyone there could %s: use "
                        "tcp://127.0.0.1:PORT, or say --insecure",
                        option->name, endpoint, option->could);
    if (kind == ENDPOINT_OFF_HOST)
        log_event(LOG_WARN, "insecure", LOG_STR(option->name, endpoint),
                  LOG_STR("say", option->can));
    if (!place_endpoint_fits(endpoint))
        return cli_fail("serve", CLI_USAGE, "--%s %s: a socket's path has at most %d bytes",
                        option->name, endpoint, PLACE_SOCKET_MAX);
    return -1;
}

static int check_doors(const struct serve_options *options)
{
    const struct door_option option[] = {
        {"gate", &options->gates, "answer",
         "anyone who can reach this gate can take queries and answer them"},
        {"events", &options->events, "listen",
         "anyone who can reach this endpoint can read what is asked and answered"},
    };
    int code = -1;

    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < option[i].list->count && code < 0; j++)
            code = check_endpoint(&option[i], option[i].list->item[j], options->insecure);
    return code;
}

static int check_rep(const struct serve_options *options, const char *rep)
{
    enum endpoint_kind kind;
    struct rep_word word;

    if (rep_word_read(rep, &word) < 0)
        return cli_fail("serve", CLI_USAGE,
                        "--rep %s: a service's name has 1 to %d bytes of text, an endpoint at "
                        "most %d",
                        rep, LIMIT_SERVICE, REP_ENDPOINT_SIZE - 1);
    kind = endpoint_read(word.endpoint);
    if (kind == ENDPOINT_BAD || !endpoint_can_dial(word.endpoint))
        return cli_fail("serve", CLI_USAGE,
                        "--rep %s is neither ipc://PATH nor tcp://ADDRESS:PORT of a REP socket",
                        rep);
    if (kind == ENDPOINT_OFF_HOST && !options->insecure)
        return cli_fail("serve", CLI_USAGE,
                        "--rep %s is on another host, and what is sent there is neither encrypted "
                        "nor is it known who answers: use tcp://127.0.0.1:PORT, or say --insecure",
                        rep);
    if (kind == ENDPOINT_OFF_HOST)
        log_event(
            LOG_WARN, "insecure", LOG_STR("rep", word.endpoint),
            LOG_STR("say", "queries go there in clear, and whoever listens there can answer"));
    if (!place_endpoint_fits(word.endpoint))
        return cli_fail("serve", CLI_USAGE, "--rep %s: a socket's path has at most %d bytes", rep,
                        PLACE_SOCKET_MAX);
    return -1;
}

int settings_check(const struct serve_options *options)
{
    int code = check_log(options);

    if (code < 0)
        code = check_doors(options);
    for (size_t i = 0; i < options->reps.count && code < 0; i++)
        code = check_rep(options, options->reps.item[i]);
    if (code < 0)
        code = serve_work_check(options);
    return code;
}

/* Reloading. */

void settings_read_again(const struct serve_options *options, struct config *config)
{
    struct config now;
    char error[CONFIG_ERROR_SIZE];

    if (settings_read(options, &now, error) == 0) {
        config_done(config);
        *config = now;
        return;
    }
    config_done(&now);
    log_event(LOG_ERROR, "reload", LOG_STR("why", error),
              LOG_STR("say", "what the file said at the start is what counts"));
}

static void tell_change(void *context, const char *key, bool live)
{
    size_t *changes = context;

    (*changes)++;
    log_event(live ? LOG_INFO : LOG_WARN, "reload", LOG_STR("key", key),
              LOG_STR("say", live ? "its new value holds from now on"
                                  : "its new value holds after a restart only"));
}

void settings_reload(struct server *self, int64_t now_us)
{
    struct config config;
    struct rulebook rulebook, old = self->rulebook;
    char error[CONFIG_ERROR_SIZE];
    struct event tick = {.kind = EVENT_TICK};
    size_t changes = 0;

    if (settings_read(self->options, &config, error) < 0) {
        log_event(LOG_ERROR, "reload", LOG_STR("why", error),
                  LOG_STR("say", "nothing was changed"));
    } else {
        config_compare(&self->config, &config, tell_change, &changes);
        config_take_live(&self->config, &config);
        config_rulebook(&self->config, &rulebook);
        self->rulebook = rulebook;
        dispatch_rules(self->dispatch, &self->rulebook);
        requests_limits(self);
        self->publish.bodies = self->config.bodies == BODIES_ON;
        rulebook_done(&old);
        tick.tick.heard_until_us = self->heard_until_us;
        carry_event(self, now_us, &tick); /* what other rules have let go out */
        if (changes == 0)
            log_event(LOG_INFO, "reload", LOG_STR("say", "nothing has changed"));
    }
    config_done(&config);
}
