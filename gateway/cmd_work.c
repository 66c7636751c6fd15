/* `tailgate work`: becomes the helper executable tailgate-work. Worker adapters live in a process
 * of their own that comes through the gate like anyone else and never opens its database. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gateway/command.h"

#define HELPER "tailgate-work"

/* The folder that holds the running program; "" when it cannot be told. */
static void own_folder(char ret_folder[PATH_MAX])
{
    ssize_t size = readlink("/proc/self/exe", ret_folder, PATH_MAX - 1);
    ret_folder[size > 0 ? size : 0] = '\0';
    char *slash = strrchr(ret_folder, '/');
    if (slash)
        *slash = '\0';
}

static int run_work(int argc, char **argv)
{
    (void)argc;
    char folder[PATH_MAX];
    own_folder(folder);
    const char *const place[][2] = {{folder, "/" HELPER},
                                    {folder, "/../adapters/worker/" HELPER},  /* a build tree */
                                    {folder, "/../libexec/tailgate/" HELPER}, /* moved as a whole */
                                    {TAILGATE_LIBEXECDIR, "/" HELPER}};
    for (size_t i = 0; i < sizeof place / sizeof place[0]; i++) {
        char path[PATH_MAX + sizeof TAILGATE_LIBEXECDIR + 64];
        snprintf(path, sizeof path, "%s%s", place[i][0], place[i][1]);
        execv(path, argv);
        if (errno != ENOENT && errno != ENOTDIR)
            return cli_fail("work", CLI_FAILED, "%s: %s", path, strerror(errno));
    }
    return cli_fail("work", CLI_FAILED,
                    "the helper " HELPER " is neither beside this program nor in %s",
                    TAILGATE_LIBEXECDIR);
}

const struct cli_command cmd_work = {
    .name = "work",
    .usage = "work (--db FILE | --gate ENDPOINT) [options] (-- CMD ARG... | --echo)",
    .about = "answer queries with a program of yours that stays running",
    .details = NULL, /* tailgate-work has its own --help */
    .run = run_work,
};
