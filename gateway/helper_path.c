#include "gateway/helper_path.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gateway/cli.h"

/* The folder that holds the running program; "" when it cannot be told. */
static void own_folder(char ret_folder[PATH_MAX])
{
    ssize_t size = readlink("/proc/self/exe", ret_folder, PATH_MAX - 1);
    ret_folder[size > 0 ? size : 0] = '\0';
    char *slash = strrchr(ret_folder, '/');
    if (slash)
        *slash = '\0';
}

int helper_path(const char *name, char ret_path[HELPER_PATH_SIZE])
{
    char folder[PATH_MAX];
    own_folder(folder);
    const char *const place[][2] = {{folder, "/"},
                                    {folder, "/../adapters/worker/"},  /* a build tree */
                                    {folder, "/../libexec/tailgate/"}, /* moved as a whole */
                                    {TAILGATE_LIBEXECDIR, "/"}};
    for (size_t i = 0; i < sizeof place / sizeof place[0]; i++) {
        int size = snprintf(ret_path, HELPER_PATH_SIZE, "%s%s%s", place[i][0], place[i][1], name);
        if (size < HELPER_PATH_SIZE && access(ret_path, F_OK) == 0)
            return 0;
    }
    return -1;
}

int helper_is_missing(const char *command, const char *name)
{
    return cli_fail(command, CLI_FAILED, "the helper %s is neither beside this program nor in %s",
                    name, TAILGATE_LIBEXECDIR);
}
