/* `tailgate http`: becomes the helper executable tailgate-http. It comes through the gateway's
 * doors like anyone else, so that a crash of an HTTP server is never beside the database. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "gateway/command.h"
#include "gateway/helper_path.h"

static int run_http(int argc, char **argv)
{
    (void)argc;
    char path[HELPER_PATH_SIZE];
    if (helper_path(HELPER_HTTP, path) != 0)
        return helper_is_missing("http", HELPER_HTTP);
    execv(path, argv);
    return cli_fail("http", CLI_FAILED, "%s: %s", path, strerror(errno));
}

const struct cli_command cmd_http = {
    .name = "http",
    .usage = "http (--db FILE | --gate ENDPOINT --events ENDPOINT) --listen ADDR:PORT [options]",
    .about = "the gateway over HTTP: health, metrics, the page, REST",
    .details = NULL, /* tailgate-http has its own --help */
    .run = run_http,
};
