/* tailgate-http: the helper executable behind `tailgate http`. It knows no database. */
#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "adapters/host/child.h"
#include "gateway/cli.h"
#include "gateway/descriptors.h"
#include "gateway/http_inside.h"
#include "gateway/http_options.h"
#include "gateway/log.h"
#include "proto/token.h"

/* Blocks them for this thread and those it starts. Returns a descriptor or -errno. */
static int take_signals(void)
{
    sigset_t set;
    int descriptor;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    descriptor = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return descriptor < 0 ? -errno : descriptor;
}

static int read_tokens(const struct http_options *options, struct http *http)
{
    char why[HTTP_TOKENS_WHY_SIZE];

    if (token_init() < 0)
        return cli_fail(HTTP_COMMAND, CLI_FAILED, "cannot start libsodium");
    if (!options->tokens || http_tokens_new(options->tokens, &http->tokens, why) == 0)
        return -1;
    return cli_fail(HTTP_COMMAND, CLI_FAILED, "--tokens %s", why);
}

static int open_listener(const struct http_options *options, struct http *http,
                         char ret_url[LISTEN_URL_SIZE])
{
    int code;

    http->address = options->address;
    http->listener = listen_open(&http->address, ret_url);
    if (http->listener >= 0)
        return -1;
    code = http->listener;
    return cli_fail(HTTP_COMMAND, CLI_FAILED, "--listen %s: %s", options->listen,
                    code == -EEXIST       ? "there is a file that is no socket"
                    : code == -EADDRINUSE ? "somebody listens there already"
                                          : strerror(-code));
}

/* Opens everything, in this order: nobody is let in before there is somebody to ask. */
static int open_all(const struct http_options *options, struct http *http,
                    char ret_url[LISTEN_URL_SIZE])
{
    const struct http_door_setup doors = {.gate = options->gate,
                                          .events = options->events,
                                          .cert = options->cert,
                                          .server_cert = options->server_cert};
    int code = read_tokens(options, http);

    if (code < 0)
        code = open_listener(options, http, ret_url);
    if (code >= 0)
        return code;
    http->doors = http_doors_new(http, &doors);
    return http->doors && http_open(http) == 0 ? -1 : CLI_FAILED;
}

int main(int argc, char **argv)
{
    struct http http = {.parts = http_parts, .listener = -1};
    struct http_options options;
    char url[LISTEN_URL_SIZE];
    int code, signals;

    if (!child_end_with_parent()) /* the gateway that has started us (--http) */
        return CLI_OK;
    child_hold_standard();
    code = http_options_read(&options, argc, argv);
    if (code >= 0)
        return code;
    http.limits = options.limits;
    descriptors_raise();
    signals = take_signals();
    if (signals < 0)
        return cli_fail(HTTP_COMMAND, CLI_FAILED, "signals: %s", strerror(-signals));
    code = open_all(&options, &http, url);
    if (code < 0) {
        log_event(LOG_INFO, "http-listening", LOG_STR("url", url));
        code = http_loop_run(&http, signals);
        if (code < 0)
            code = cli_fail(HTTP_COMMAND, CLI_FAILED, "the loop ended: %s", strerror(-code));
    }
    http_close(&http);
    http_tokens_destroy(&http.tokens);
    close(signals);
    return code;
}
