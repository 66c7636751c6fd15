#include "gateway/http_options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "adapters/bridge/place.h"
#include "adapters/zmq/endpoint.h"
#include "gateway/cli.h"
#include "gateway/http_limits.h"
#include "gateway/log.h"

#define BODY_MAX (1024 * 1024)

static const struct cli_command page = {
    .name = HTTP_COMMAND,
    .usage = "http (--db FILE | --gate ENDPOINT --events ENDPOINT) --listen ADDR:PORT [options]",
    .about = "the gateway over HTTP: health, metrics, the page, REST",
    .details =
        "Comes through the gateway's doors like anyone else, and knows no database: when it "
        "crashes, nothing but HTTP is gone. `tailgate serve --http ADDR:PORT` starts one beside "
        "the gateway and keeps it running.\n"
        "\n"
        "Without --tokens it listens at 127.0.0.1, [::1] or a unix socket only; everybody who "
        "reaches it may look and ask, and nobody may redrive.\n"
        "\n"
        "With --tokens FILE it may listen anywhere. FILE has lines ROLE TOKEN: an observer sees "
        "status, metrics, events and rows, a client opens conversations, an operator is an "
        "observer who may redrive. Sent as Authorization: Bearer TOKEN. What is sent is not "
        "encrypted: put a proxy with TLS before it.\n"
        "\n"
        "Paths that need no token: /healthz (this process runs) and /readyz (the gateway works; "
        "503 and reasons when not), and the page itself, which holds no data.\n"
        "\n"
        "Examples:\n"
        "  tailgate http --db bridge.db --listen 127.0.0.1:8080\n"
        "  tailgate http --db bridge.db --listen unix:/run/tailgate/http\n"
        "  tailgate http --gate tcp://g:5555 --events tcp://g:5556 --cert me.cert \\\n"
        "    --server-cert gateway.cert --listen '[::]:8080' --tokens /etc/tailgate/tokens\n"
        "\n"
        "SIGHUP reads the token file again, which is also noticed when it changes. SIGTERM ends it "
        "at once. Exit status: 0 ended by a signal, 1 failed, 2 wrong usage.",
};

static int parse(struct http_options *self, int argc, char **argv)
{
    const struct cli_option table[] = {
        {"db", 'd', CLI_TEXT, &self->db, "FILE", "the bridge database whose gateway it is", 0, 0},
        {"gate", 'g', CLI_TEXT, &self->gate, "ENDPOINT", "instead: the gateway's gate, and …", 0,
         0},
        {"events", 'e', CLI_TEXT, &self->events, "ENDPOINT", "… its events", 0, 0},
        {"cert", 0, CLI_TEXT, &self->cert, "FILE",
         "our certificate there (tailgate keygen), with FILE_secret beside it", 0, 0},
        {"server-cert", 0, CLI_TEXT, &self->server_cert, "FILE",
         "the public certificate of the gateway", 0, 0},
        {"listen", 'l', CLI_TEXT, &self->listen, "ADDR:PORT|unix:PATH",
         "where HTTP is spoken; port 0: any that is free", 0, 0},
        {"tokens", 0, CLI_TEXT, &self->tokens, "FILE", "who may do what: lines ROLE TOKEN", 0, 0},
        {"rate", 0, CLI_TEXT, &self->rate, "MIN/HOUR/DAY",
         "queries of one session in a minute, hour and day, 0 any number "
         "(default " HTTP_LIMITS_DEFAULT ")",
         0, 0},
        {"body-max", 0, CLI_INTEGER, &self->body_max, "BYTES",
         "the body of a query (default 655360)", 1024, BODY_MAX},
        {"log-format", 0, CLI_TEXT, &self->log_format, LOG_FORMATS, LOG_FORMATS_HELP, 0, 0},
        {"log-level", 0, CLI_TEXT, &self->log_level, "LEVEL",
         "error, warn, info or debug (default info)", 0, 0},
        {.name = NULL},
    };
    int first = argc, code = cli_parse(&page, table, argc, argv, &first);

    if (code < 0 && first < argc)
        return cli_fail(HTTP_COMMAND, CLI_USAGE, "what is %s? see: tailgate http --help",
                        argv[first]);
    return code;
}

static int check_listen(struct http_options *self)
{
    if (!self->listen)
        return cli_fail(HTTP_COMMAND, CLI_USAGE, "give --listen, for example 127.0.0.1:8080");
    if (listen_read(self->listen, &self->address) < 0)
        return cli_fail(HTTP_COMMAND, CLI_USAGE,
                        "--listen %s: use 127.0.0.1:PORT, [::1]:PORT or unix:PATH", self->listen);
    if (self->address.kind == LISTEN_OFF_HOST && !self->tokens)
        return cli_fail(HTTP_COMMAND, CLI_USAGE,
                        "--listen %s can be reached from other hosts, and anyone there could ask "
                        "and read: use 127.0.0.1:PORT, or say who may with --tokens FILE",
                        self->listen);
    if (self->address.kind == LISTEN_OFF_HOST)
        log_event(
            LOG_WARN, "insecure", LOG_STR("listen", self->listen),
            LOG_STR("say", "tokens and rows go there in clear, unless a proxy encrypts them"));
    return -1;
}

static int check_doors(const struct http_options *self)
{
    const char *endpoint[] = {self->gate, self->events};

    if (self->db && (self->gate || self->events))
        return cli_fail(HTTP_COMMAND, CLI_USAGE, "--db goes without --gate and --events");
    if (!self->db && (!self->gate || !self->events))
        return cli_fail(HTTP_COMMAND, CLI_USAGE, "give --db FILE, or --gate and --events");
    for (size_t i = 0; i < 2 && !self->db; i++)
        if (endpoint_read(endpoint[i]) == ENDPOINT_BAD || !endpoint_can_dial(endpoint[i]))
            return cli_fail(HTTP_COMMAND, CLI_USAGE, "--%s %s: use ipc://PATH or tcp://HOST:PORT",
                            i ? "events" : "gate", endpoint[i]);
    return -1;
}

static int check_certificates(const struct http_options *self)
{
    char why[300];

    if (!self->cert && !self->server_cert)
        return -1;
    if (!self->cert || !self->server_cert)
        return cli_fail(HTTP_COMMAND, CLI_USAGE, "--cert and --server-cert go together");
    if (self->db)
        return cli_fail(HTTP_COMMAND, CLI_USAGE, "--cert is for --gate tcp://HOST:PORT");
    if (tailgate_certificates_check(self->cert, self->server_cert, why, sizeof why) != TAILGATE_OK)
        return cli_fail(HTTP_COMMAND, CLI_FAILED, "%s", why);
    return -1;
}

static int read_limits(struct http_options *self)
{
    const char *rate = self->rate ? self->rate : HTTP_LIMITS_DEFAULT;

    self->limits.query_bytes = (size_t)self->body_max;
    if (http_limits_read(rate, &self->limits) < 0)
        return cli_fail(HTTP_COMMAND, CLI_USAGE, "--rate %s: " HTTP_LIMITS_HELP, rate);
    return -1;
}

/* The default endpoints are bound by every gateway whose folder allows it, so they are right before
 * one runs and after it was started anew; the lock file helps where it does not. */
static int find_doors(struct http_options *self)
{
    struct place place;
    struct place_holder holder;
    const char *events;
    int error = place_find(self->db, &place);

    if (error)
        return cli_fail(HTTP_COMMAND, CLI_FAILED, "%s: %s", self->db, strerror(-error));
    self->gate = self->gate_of_db;
    self->events = self->events_of_db;
    events = place_endpoint_fits(place.batches) ? place.batches : place.events;
    if (place_endpoint_fits(place.gate) && place_endpoint_fits(events)) {
        snprintf(self->gate_of_db, sizeof self->gate_of_db, "%s", place.gate);
        snprintf(self->events_of_db, sizeof self->events_of_db, "%s", events);
        return -1;
    }
    if (place_holder(&place, &holder) != 0 || !*holder.gate || !*holder.events)
        return cli_fail(HTTP_COMMAND, CLI_FAILED,
                        "%s: a socket path may have %d bytes and this one has more; give --gate "
                        "and --events",
                        self->db, PLACE_SOCKET_MAX);
    snprintf(self->gate_of_db, sizeof self->gate_of_db, "%s", holder.gate);
    snprintf(self->events_of_db, sizeof self->events_of_db, "%s",
             *holder.batches ? holder.batches : holder.events);
    return -1;
}

int http_options_read(struct http_options *self, int argc, char **argv)
{
    int code;

    memset(self, 0, sizeof *self);
    self->body_max = 640 * 1024; /* 50,000 characters, however they are escaped */
    if ((code = parse(self, argc, argv)) >= 0 ||
        (code = log_options(HTTP_COMMAND, HTTP_COMMAND, self->log_level, self->log_format)) >= 0 ||
        (code = check_doors(self)) >= 0 || (code = check_certificates(self)) >= 0 ||
        (code = read_limits(self)) >= 0 || (code = check_listen(self)) >= 0)
        return code;
    return self->db ? find_doors(self) : -1;
}
