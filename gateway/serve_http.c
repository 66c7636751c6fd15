#include "gateway/serve_http.h"

#include <stdio.h>

#include "adapters/http/listen.h"
#include "gateway/helper_path.h"
#include "gateway/helpers.h"
#include "gateway/http_limits.h"
#include "gateway/http_tokens.h"

static int check_address(const struct serve_options *options)
{
    struct listen_address address;

    if (listen_read(options->http, &address) < 0)
        return cli_fail("serve", CLI_USAGE,
                        "--http %s: use 127.0.0.1:PORT, [::1]:PORT or unix:PATH", options->http);
    if (address.kind == LISTEN_OFF_HOST && !options->http_tokens)
        return cli_fail("serve", CLI_USAGE,
                        "--http %s can be reached from other hosts, and anyone there could ask and "
                        "read: use 127.0.0.1:PORT, or say who may with --http-tokens FILE",
                        options->http);
    return -1;
}

/* The file may change later; the one that is started looks at it again. */
static int check_tokens(const char *path)
{
    struct http_tokens *tokens = NULL;
    char why[HTTP_TOKENS_WHY_SIZE];
    int code = http_tokens_new(path, &tokens, why);

    http_tokens_destroy(&tokens);
    return code < 0 ? cli_fail("serve", CLI_FAILED, "--http-tokens %s", why) : -1;
}

int serve_http_check(const struct serve_options *options)
{
    struct http_limits limits;
    char path[HELPER_PATH_SIZE];
    int code;

    if (!options->http && (options->http_tokens || options->http_rate))
        return cli_fail("serve", CLI_USAGE, "--http-tokens and --http-rate go with --http");
    if (!options->http)
        return -1;
    code = check_address(options);
    if (code < 0 && options->http_rate && http_limits_read(options->http_rate, &limits) < 0)
        code =
            cli_fail("serve", CLI_USAGE, "--http-rate %s: " HTTP_LIMITS_HELP, options->http_rate);
    if (code < 0 && options->http_tokens)
        code = check_tokens(options->http_tokens);
    if (code < 0 && helper_path(HELPER_HTTP, path) != 0)
        code = helper_is_missing("serve", HELPER_HTTP);
    return code;
}

int serve_http_open(struct server *server, const struct serve_options *options)
{
    const char *const word[][2] = {
        {"--db", server->place.db},
        {"--listen", options->http},
        {"--tokens", options->http_tokens},
        {"--rate", options->http_rate},
        {"--log-format", options->log_format},
        {"--log-level", options->log_level},
    };
    const char *arguments[2 + 2 * sizeof word / sizeof *word] = {HELPER_HTTP};
    char path[HELPER_PATH_SIZE], command[128];
    size_t count = 1;
    int code = 0;

    if (!options->http)
        return -1;
    if (helper_path(HELPER_HTTP, path) != 0)
        return helper_is_missing("serve", HELPER_HTTP);
    if (!server->helpers)
        code = helpers_new(&server->helpers);
    if (code < 0)
        return cli_fail("serve", CLI_FAILED, "--http: %s", strerror(-code));
    for (size_t i = 0; i < sizeof word / sizeof *word; i++) {
        if (!word[i][1])
            continue;
        arguments[count++] = word[i][0];
        arguments[count++] = word[i][1];
    }
    snprintf(command, sizeof command, "http %s", options->http);
    helpers_add(server->helpers, "http", command, path, arguments);
    return -1;
}
