#include "gateway/settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "adapters/bridge/place.h"
#include "adapters/zmq/endpoint.h"
#include "gateway/command.h"
#include "gateway/log.h"
#include "gateway/serve_http.h"
#include "gateway/serve_work.h"
#include "gateway/server.h"

int settings_parse(int argc, char **argv, struct serve_options *options)
{
    const struct cli_option table[] = {
        {"db", 'd', CLI_TEXT, &options->db, "FILE", "the bridge database to serve", 0, 0},
        {"gate", 'g', CLI_LIST, &options->gates, "ENDPOINT",
         "one more gate for workers: ipc://PATH or tcp://127.0.0.1:PORT", 0, 0},
        {"events", 'e', CLI_LIST, &options->events, "ENDPOINT",
         "one more endpoint where observers can listen, as --gate; ENDPOINT,batches for those that "
         "take events in batches",
         0, 0},
        {"rep", 'r', CLI_LIST, &options->reps, "ENDPOINT[,service=NAME]",
         "one more worker to connect to, a REP socket that is bound at ipc://PATH or "
         "tcp://127.0.0.1:PORT",
         0, 0},
        {"work", 0, CLI_WORDS, &options->works, "WORDS",
         "start a worker beside the gateway and keep it running: what would stand behind "
         "tailgate work --db FILE, in quotes",
         0, 0},
        {"http", 0, CLI_TEXT, &options->http, "ADDR:PORT|unix:PATH",
         "start tailgate http --db FILE --listen ADDR:PORT beside the gateway and keep it running: "
         "health, metrics, the page, REST",
         0, 0},
        {"http-tokens", 0, CLI_TEXT, &options->http_tokens, "FILE",
         "its token file (tailgate http --tokens), without which it is for this host only", 0, 0},
        {"http-rate", 0, CLI_TEXT, &options->http_rate, "MIN/HOUR/DAY",
         "its limit of queries for each session (tailgate http --rate)", 0, 0},
        {"curve", 0, CLI_TEXT, &options->curve, "DIR",
         "every tcp endpoint of --gate and --events lets in only whose key is in DIR (tailgate "
         "keygen --gateway DIR), unless it is written ENDPOINT,plain",
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
        {"try-config", 0, CLI_TEXT, &options->try_config, "FILE",
         "the same if the file is there, now or when settings are read again; --config wins", 0, 0},
        {"set", 's', CLI_LIST, &options->settings, "KEY=VALUE", "change one setting", 0, 0},
        {"print-config", 0, CLI_FLAG, &options->print_config, NULL,
         "print all settings with their meaning, and exit", 0, 0},
        {"log-format", 0, CLI_TEXT, &options->log_format, LOG_FORMATS, LOG_FORMATS_HELP, 0, 0},
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

/* The options that are keys of the file, too; what is said on the command line wins. */
#define PLACES(option, value) offsetof(struct serve_options, option), offsetof(struct config, value)
static const struct {
    const char *key;
    enum cli_kind kind;
    size_t option, value; /* where they are */
} shared[] = {
    {"gate", CLI_LIST, PLACES(gates, gates)},
    {"events", CLI_LIST, PLACES(events, events)},
    {"rep", CLI_LIST, PLACES(reps, reps)},
    {"work", CLI_LIST, PLACES(works, works)},
    {"http", CLI_TEXT, PLACES(http, http)},
    {"http.tokens", CLI_TEXT, PLACES(http_tokens, http_tokens)},
    {"http.rate", CLI_TEXT, PLACES(http_rate, http_rate)},
    {"curve", CLI_TEXT, PLACES(curve, curve)},
    {"backlog", CLI_TEXT, PLACES(backlog, backlog)},
    {"log.format", CLI_TEXT, PLACES(log_format, log_format)},
    {"log.level", CLI_TEXT, PLACES(log_level, log_level)},
    {"insecure", CLI_FLAG, PLACES(insecure, insecure)},
    {"standby", CLI_FLAG, PLACES(standby, standby)},
};
#define SHARED (sizeof shared / sizeof shared[0])
_Static_assert(CLI_LIST_MAX == CONFIG_LIST, "what the one takes fits into the other");

/* Gives CONFIG what OPTIONS say of the shared key at PLACE. */
static int read_option(const struct serve_options *options, size_t place, struct config *config,
                       char ret_error[CONFIG_ERROR_SIZE])
{
    const char *key = shared[place].key, *text;
    const void *at = (const char *)options + shared[place].option;
    const struct cli_list *list = at;

    if (shared[place].kind == CLI_FLAG)
        return *(const bool *)at ? config_set(config, key, "on", ret_error) : 0;
    if (shared[place].kind == CLI_TEXT) {
        memcpy(&text, at, sizeof text);
        return text ? config_set(config, key, text, ret_error) : 0;
    }
    if (list->count > 0)
        config_unset(config, key);
    for (size_t i = 0; i < list->count; i++)
        if (config_set(config, key, list->item[i], ret_error) < 0)
            return -1;
    return 0;
}

void settings_merge(struct serve_options *options, const struct config *config)
{
    for (size_t i = 0; i < SHARED; i++) {
        void *at = (char *)options + shared[i].option;
        const void *value = (const char *)config + shared[i].value;
        const struct config_list *from = value;
        struct cli_list *list = at;
        if (shared[i].kind == CLI_FLAG) {
            *(bool *)at = *(const int64_t *)value != 0;
        } else if (shared[i].kind == CLI_TEXT) {
            value = *(const char *)value ? value : NULL;
            memcpy(at, &value, sizeof value);
        } else {
            list->count = from->count;
            memcpy(list->item, from->item, sizeof list->item);
        }
    }
}

int settings_read(const struct serve_options *options, struct config *config,
                  char ret_error[CONFIG_ERROR_SIZE])
{
    config_init(config);
    if (options->try_config && (access(options->try_config, F_OK) == 0 || errno != ENOENT) &&
        config_load(config, options->try_config, ret_error) < 0)
        return -1;
    if (options->config_file && config_load(config, options->config_file, ret_error) < 0)
        return -1;
    for (size_t i = 0; i < options->settings.count; i++)
        if (config_set_word(config, options->settings.item[i], ret_error) < 0)
            return -1;
    for (size_t i = 0; i < SHARED; i++)
        if (read_option(options, i, config, ret_error) < 0)
            return -1;
    return 0;
}

/* An option that names endpoints, and what one is for that other hosts can reach. */
struct door_option {
    const char *name;
    const struct cli_list *list;
    const char *could; /* anyone there */
    const char *can;
};

static int check_endpoint(const struct door_option *option, const char *word,
                          const struct serve_options *options)
{
    struct door_word door;
    const char *endpoint = door.endpoint;
    bool insecure = options->insecure;
    enum endpoint_kind kind;

    door_word_read(word, options->curve != NULL, &door);
    if (strlen(word) >= sizeof door.endpoint)
        return cli_fail("serve", CLI_USAGE, "--%s: an endpoint has at most %d bytes", option->name,
                        BIND_ENDPOINT_SIZE - 1);
    kind = endpoint_read(endpoint);
    if (kind == ENDPOINT_OFF_HOST && door.curve)
        kind = ENDPOINT_LOOPBACK; /* as safe */

    if (door.batches && strcmp(option->name, "events") != 0)
        return cli_fail("serve", CLI_USAGE, "--%s %s: batches are of --events only", option->name,
                        word);
    if (kind == ENDPOINT_BAD)
        return cli_fail("serve", CLI_USAGE, "--%s %s is neither ipc://PATH nor tcp://ADDRESS:PORT",
                        option->name, endpoint);
    if (kind == ENDPOINT_OFF_HOST && !insecure)
        return cli_fail("serve", CLI_USAGE,
                        "--%s %s can be reached from other hosts, and anyone there could %s: use "
                        "tcp://127.0.0.1:PORT, or keys with --curve DIR, or say --insecure",
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
            code = check_endpoint(&option[i], option[i].list->item[j], options);
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
    int code = log_options("serve", "", options->log_level, options->log_format);

    if (code < 0)
        code = check_doors(options);
    for (size_t i = 0; i < options->reps.count && code < 0; i++)
        code = check_rep(options, options->reps.item[i]);
    if (code < 0)
        code = serve_work_check(options);
    if (code < 0)
        code = serve_http_check(options);
    return code;
}

/* Reloading. */

void settings_read_again(const struct serve_options *options, struct config *config)
{
    struct config now;
    char error[CONFIG_ERROR_SIZE];

    if (settings_read(options, &now, error) == 0) {
        config_swap_options(config, &now); /* what was checked, and is pointed to, stays */
        config_done(config);
        *config = now;
        return;
    }
    config_done(&now);
    log_event(LOG_ERROR, "reload", LOG_STR("why", error),
              LOG_STR("say", "what the file said at the start is what counts"));
}

static void tell_change(void *context, const struct config_change *change)
{
    size_t *changes = context;

    (*changes)++;
    log_event(change->live ? LOG_INFO : LOG_WARN, "reload", LOG_STR("key", change->key),
              LOG_STR("was", change->was), LOG_STR("now", change->now),
              LOG_STR("say", change->live ? "its new value holds from now on"
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
        self->stats.count[STAT_RELOADS_REFUSED]++;
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
