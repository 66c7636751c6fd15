/* `tailgate jetstream`: becomes the helper executable tailgate-jetstream, the only one that links a
 * NATS library. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "gateway/command.h"
#include "gateway/helper_path.h"

static int run_jetstream(int argc, char **argv)
{
    (void)argc;
    char path[HELPER_PATH_SIZE];
    if (helper_path(HELPER_JETSTREAM, path) != 0)
        return helper_is_missing("jetstream", HELPER_JETSTREAM);
    execv(path, argv);
    return cli_fail("jetstream", CLI_FAILED, "%s: %s", path, strerror(errno));
}

const struct cli_command cmd_jetstream = {
    .name = "jetstream",
    .usage = "jetstream (setup | publish | serve) --nats URL... [options]",
    .about = "carry queries and answers between hosts in NATS JetStream",
    .details = NULL, /* tailgate-jetstream has its own --help */
    .run = run_jetstream,
};
