#include "gateway/jetstream_options.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/jetstream/names.h"
#include "gateway/log.h"
#include "proto/limits.h"
#include "proto/utf8.h"

void options_connection(struct nats_options *target, struct cli_option *ret_row)
{
    target->prefix = NAMES_PREFIX;
    const struct cli_option row[OPTIONS_CONNECTION] = {
        {"nats", 0, CLI_LIST, &target->urls, "URL",
         "a NATS server: nats://HOST:PORT, tls://HOST:PORT; may be given several times", 0, 0},
        {"prefix", 0, CLI_TEXT, &target->prefix, "P",
         "what the names of streams and subjects begin with (default " NAMES_PREFIX ")", 0, 0},
        {"ca", 0, CLI_TEXT, &target->ca, "FILE",
         "TLS, with a server whose certificate one of these (PEM) has signed", 0, 0},
        {"tls-cert", 0, CLI_TEXT, &target->cert, "FILE",
         "our certificate (PEM), where one is asked for", 0, 0},
        {"tls-key", 0, CLI_TEXT, &target->key, "FILE", "its key (PEM)", 0, 0},
        {"creds", 0, CLI_TEXT, &target->creds, "FILE", "a user's credentials (.creds)", 0, 0},
    };
    memcpy(ret_row, row, sizeof row);
}

void options_log(struct log_options *target, struct cli_option *ret_row)
{
    const struct cli_option row[OPTIONS_LOG] = {
        {"log-format", 0, CLI_TEXT, &target->format, LOG_FORMATS, LOG_FORMATS_HELP, 0, 0},
        {"log-level", 0, CLI_TEXT, &target->level, "LEVEL",
         "error, warn, info or debug (default info)", 0, 0},
    };
    memcpy(ret_row, row, sizeof row);
}

static int check_url(const char *command, const char *url)
{
    char text[CONN_TEXT];
    const char *scheme = strstr(url, "://");
    size_t size = scheme ? (size_t)(scheme - url) : 0;
    if (scheme && scheme[3] != '\0' &&
        ((size == 4 && strncmp(url, "nats", 4) == 0) || (size == 3 && strncmp(url, "tls", 3) == 0)))
        return -1;
    conn_mask(url, text);
    return cli_fail(command, CLI_USAGE, "--nats %s: use nats://HOST:PORT or tls://HOST:PORT", text);
}

static int check_file(const char *command, const char *option, const char *file)
{
    if (!file || access(file, R_OK) == 0)
        return -1;
    return cli_fail(command, CLI_FAILED, "--%s %s: it cannot be read", option, file);
}

static int check_secret(const char *command, const char *option, const char *file)
{
    struct stat status;
    int code = check_file(command, option, file);
    if (code < 0 && file && stat(file, &status) == 0 && (status.st_mode & 077))
        code = cli_fail(command, CLI_FAILED,
                        "--%s %s: others than its owner can read the secret key: chmod 600", option,
                        file);
    return code;
}

int options_check_nats(const char *command, const struct nats_options *options,
                       struct conn_setup *ret_setup)
{
    int code = -1;
    if (options->urls.count == 0)
        return cli_fail(command, CLI_USAGE, "give --nats URL");
    if (!names_prefix_ok(options->prefix))
        return cli_fail(command, CLI_USAGE, "--prefix: 1 to %d of A-Z, a-z, 0-9, _ and -",
                        NAMES_PREFIX_MAX);
    if ((options->cert != NULL) != (options->key != NULL))
        return cli_fail(command, CLI_USAGE, "--tls-cert and --tls-key go together");
    *ret_setup = (struct conn_setup){
        .ca = options->ca, .cert = options->cert, .key = options->key, .creds = options->creds};
    for (size_t i = 0; i < options->urls.count && code < 0; i++) {
        code = check_url(command, options->urls.item[i]);
        ret_setup->url[i] = options->urls.item[i];
    }
    if (code < 0 && (code = check_file(command, "ca", options->ca)) < 0 &&
        (code = check_file(command, "tls-cert", options->cert)) < 0 &&
        (code = check_secret(command, "tls-key", options->key)) < 0)
        code = check_secret(command, "creds", options->creds);
    return code;
}

int options_set_log(const char *command, const struct log_options *options)
{
    return log_options(command, command, options->level, options->format);
}

int options_check_service(const char *command, const char *service)
{
    struct span text = span_str(service);
    bool plain = text.size > 0 && text.size <= LIMIT_SERVICE && utf8_valid(text);
    for (size_t i = 0; i < text.size; i++)
        plain = plain && (unsigned char)text.data[i] >= 0x20 && text.data[i] != 0x7f;
    if (!plain)
        return cli_fail(command, CLI_USAGE, "--service: 1 to %d bytes of text", LIMIT_SERVICE);
    if (span_is(text, "*"))
        return cli_fail(command, CLI_USAGE,
                        "--service *: name the service; each has a stream of its own");
    return -1;
}
