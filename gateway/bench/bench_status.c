/* What the gateway itself counts: `tailgate status --json`. */
#include <errno.h>
#include <jansson.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/bench/bench_gateway.h"

extern char **environ;

/* Runs ARGUMENT, and reads the JSON that it prints. NULL: it printed none. */
static json_t *read_from(char *const *argument)
{
    posix_spawn_file_actions_t actions;
    json_t *whole = NULL;
    int end[2], error, status;
    pid_t pid;

    if (pipe(end) != 0)
        return NULL;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, end[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, end[0]);
    posix_spawn_file_actions_addclose(&actions, end[1]);
    error = posix_spawn(&pid, argument[0], &actions, NULL, argument, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(end[1]);
    if (error == 0) {
        whole = json_loadfd(end[0], 0, NULL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
    }
    close(end[0]);
    return whole;
}

int bench_gateway_counter(const struct bench_gateway *self, const char *part, const char *name,
                          double *ret_count)
{
    char *const argument[] = {(char *)(uintptr_t)self->site->bench->options->tailgate,
                              (char *)(uintptr_t) "status",
                              (char *)(uintptr_t) "--db",
                              self->site->db,
                              (char *)(uintptr_t) "--json",
                              NULL};
    json_t *whole = read_from(argument);
    json_t *counter = json_object_get(json_object_get(whole, part), name);
    int code = json_is_integer(counter) ? 0 : -1;

    if (code == 0)
        *ret_count = (double)json_integer_value(counter);
    json_decref(whole);
    return code == 0 ? 0 : bench_fail("tailgate status tells no %s.%s", part, name);
}
