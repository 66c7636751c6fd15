/* `tailgate work`: becomes the helper executable tailgate-work. Worker adapters live in a process
 * of their own that comes through the gate like anyone else and never opens its database. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "gateway/command.h"
#include "gateway/helper_path.h"

static int run_work(int argc, char **argv)
{
    (void)argc;
    char path[HELPER_PATH_SIZE];
    if (helper_path(HELPER_WORK, path) != 0)
        return helper_is_missing("work", HELPER_WORK);
    execv(path, argv);
    return cli_fail("work", CLI_FAILED, "%s: %s", path, strerror(errno));
}

const struct cli_command cmd_work = {
    .name = "work",
    .usage = "work (--db FILE | --gate ENDPOINT) [options] (-- CMD ARG... | --echo)",
    .about = "answer queries with a program of yours that stays running",
    .details = NULL, /* tailgate-work has its own --help */
    .run = run_work,
};
