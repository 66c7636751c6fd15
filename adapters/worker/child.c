#include "adapters/worker/child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

void child_close_end(int *descriptor)
{
    if (*descriptor >= 0)
        close(*descriptor);
    *descriptor = -1;
}

void child_close(struct child *self)
{
    child_close_end(&self->input);
    child_close_end(&self->output);
    child_close_end(&self->errors);
}

/* The pipe's ends are two open files, so a non-blocking end of ours leaves the child's blocking. */
static int make_pipe(int *ret_read, int *ret_write, int *ours)
{
    int end[2];
    if (pipe2(end, O_CLOEXEC) != 0)
        return -errno;
    *ret_read = end[0];
    *ret_write = end[1];
    return fcntl(*ours, F_SETFL, O_NONBLOCK) == 0 ? 0 : -errno;
}

static int spawn(char *const *command, char *const *environment, const int theirs[3],
                 pid_t *ret_pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    int code = posix_spawn_file_actions_init(&files);
    if (code != 0)
        return -code;
    code = posix_spawnattr_init(&attributes);
    if (code != 0) {
        posix_spawn_file_actions_destroy(&files);
        return -code;
    }
    for (int i = 0; i < 3 && code == 0; i++)
        code = posix_spawn_file_actions_adddup2(&files, theirs[i], i);
    if (code == 0)
        code = posix_spawn_file_actions_addclosefrom_np(&files, 3);
    if (code == 0)
        code = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
                                                         POSIX_SPAWN_SETSIGMASK);
    if (code == 0)
        code = posix_spawnattr_setpgroup(&attributes, 0);
    if (code == 0)
        code = posix_spawnattr_setsigdefault(&attributes, &all);
    if (code == 0)
        code = posix_spawnattr_setsigmask(&attributes, &none);
    if (code == 0)
        code = posix_spawnp(ret_pid, command[0], &files, &attributes, command,
                            environment ? environment : environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return -code;
}

/* 0, or why PATH is no program that we may run. */
static int check_program(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return errno == ENOTDIR ? -ENOENT : -errno;
    return S_ISREG(status.st_mode) && access(path, X_OK) == 0 ? 0 : -EACCES;
}

int child_find(const char *program)
{
    const char *folder = getenv("PATH");
    int result = -ENOENT;
    char path[PATH_MAX];
    if (strchr(program, '/'))
        return check_program(program);
    for (folder = folder ? folder : "/bin:/usr/bin"; result != 0; folder++) {
        size_t size = strcspn(folder, ":");
        int length = snprintf(path, sizeof path, "%.*s%s%s", (int)size, folder, size > 0 ? "/" : "",
                              program);
        int code = length < (int)sizeof path ? check_program(path) : -ENOENT;
        if (code == 0 || code == -EACCES)
            result = code;
        folder += size;
        if (*folder == '\0')
            break;
    }
    return result;
}

int child_start(struct child *self, char *const *command, char *const *environment)
{
    struct child child = {0, -1, -1, -1};
    int theirs[3] = {-1, -1, -1};
    int code = make_pipe(&theirs[0], &child.input, &child.input);
    if (code == 0)
        code = make_pipe(&child.output, &theirs[1], &child.output);
    if (code == 0)
        code = make_pipe(&child.errors, &theirs[2], &child.errors);
    if (code == 0)
        code = spawn(command, environment, theirs, &child.pid);
    for (int i = 0; i < 3; i++)
        child_close_end(&theirs[i]);
    if (code != 0) {
        child_close(&child);
        return code;
    }
    *self = child;
    return 0;
}

void child_signal(const struct child *self, int number)
{
    if (self->pid > 0)
        kill(-self->pid, number);
}

bool child_ended(struct child *self, siginfo_t *ret_how)
{
    siginfo_t how;
    memset(&how, 0, sizeof how);
    id_t id = (id_t)self->pid;
    if (waitid(P_PID, id, &how, WEXITED | WNOHANG | WNOWAIT) != 0) {
        if (errno != ECHILD)
            return false;
    } else if (how.si_pid == 0) {
        return false;
    }
    /* The unreaped leader still holds the number, so this cannot hit a stranger's group. */
    if (how.si_pid != 0) {
        child_signal(self, SIGKILL);
        waitid(P_PID, id, &how, WEXITED);
    }
    self->pid = 0;
    *ret_how = how;
    return true;
}
