/* `tailgate relay`: becomes the helper executable tailgate-relay. A relay is
 * a gateway without a database: it links none. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "gateway/command.h"
#include "gateway/helper_path.h"

static int run_relay(int argc, char **argv)
{
    (void)argc;
    char path[HELPER_PATH_SIZE];
    if (helper_path(HELPER_RELAY, path) != 0)
        return helper_is_missing("relay", HELPER_RELAY);
    execv(path, argv);
    return cli_fail("relay", CLI_FAILED, "%s: %s", path, strerror(errno));
}

const struct cli_command cmd_relay = {
    .name = "relay",
    .usage = "relay --from ENDPOINT --gate ENDPOINT... [options]",
    .about = "pass queries on to workers elsewhere, and events to observers there",
    .details = NULL, /* tailgate-relay has its own --help */
    .run = run_relay,
};
