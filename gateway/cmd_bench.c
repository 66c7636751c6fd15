/* `tailgate bench`: becomes the helper executable tailgate-bench. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "gateway/command.h"
#include "gateway/helper_path.h"

static int run_bench(int argc, char **argv)
{
    (void)argc;
    char path[HELPER_PATH_SIZE];
    if (helper_path(HELPER_BENCH, path) != 0)
        return helper_is_missing("bench", HELPER_BENCH);
    execv(path, argv);
    return cli_fail("bench", CLI_FAILED, "%s: %s", path, strerror(errno));
}

const struct cli_command cmd_bench = {
    .name = "bench",
    .usage = "bench [options] [FIGURE...]",
    .about = "measure this gateway, and the bare limit of the same work, on this disk",
    .details = NULL, /* tailgate-bench has its own --help */
    .run = run_bench,
};
