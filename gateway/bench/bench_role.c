#include "gateway/bench/bench_role.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "gateway/bench/bench.h"

#define END_US 5000000 /* how long an end may take before it is a kill */

int bench_role_start(const char *name, bench_role_fn *run, const void *work,
                     struct bench_role *ret_role)
{
    pid_t parent = getpid(), pid = fork();

    if (pid < 0)
        return bench_fail("cannot start %s: %s", name, strerror(errno));
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        prctl(PR_SET_TIMERSLACK, 1);
        _exit(getppid() == parent && run(work) == 0 ? 0 : 1);
    }
    *ret_role = (struct bench_role){.name = name, .pid = pid};
    return 0;
}

int bench_wait_for(pid_t pid, int64_t timeout_us, int *ret_status)
{
    int handle = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd item = {.fd = handle, .events = POLLIN};
    int ended = handle < 0 ? 1 : poll(&item, 1, (int)(timeout_us / 1000));

    if (handle >= 0)
        close(handle);
    if (ended <= 0)
        return 0;
    while (waitpid(pid, ret_status, 0) < 0)
        if (errno != EINTR)
            return 0;
    return 1;
}

static int kill_it(struct bench_role *self)
{
    int status;

    kill(self->pid, SIGKILL);
    waitpid(self->pid, &status, 0);
    self->pid = 0;
    return bench_fail("%s did not end and was killed", self->name);
}

int bench_role_wait(struct bench_role *self, int64_t timeout_us)
{
    int status = 0;

    if (bench_wait_for(self->pid, timeout_us, &status) == 0)
        return kill_it(self);
    self->pid = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFSIGNALED(status))
        return bench_fail("%s was ended by signal %d", self->name, WTERMSIG(status));
    return -1; /* it has said why */
}

int bench_role_end(struct bench_role *self)
{
    int status = 0;

    if (self->pid == 0)
        return 0;
    kill(self->pid, SIGTERM);
    if (bench_wait_for(self->pid, END_US, &status) == 0)
        return kill_it(self);
    self->pid = 0;
    if (WIFSIGNALED(status) && WTERMSIG(status) != SIGTERM)
        return bench_fail("%s was ended by signal %d", self->name, WTERMSIG(status));
    return WIFEXITED(status) && WEXITSTATUS(status) != 0 ? -1 : 0;
}

int bench_roles_end(struct bench_role *role, size_t count)
{
    int code = 0;

    for (size_t i = 0; i < count; i++) /* all at once: the first ones get no rest of the work */
        if (role[i].pid)
            kill(role[i].pid, SIGTERM);
    for (size_t i = 0; i < count; i++)
        if (bench_role_end(&role[i]) < 0)
            code = -1;
    return code;
}

void bench_sleep(int64_t us)
{
    struct timespec pause = {.tv_sec = (time_t)(us / 1000000),
                             .tv_nsec = (long)(us % 1000000) * 1000};

    while (nanosleep(&pause, &pause) != 0 && errno == EINTR)
        ;
}
