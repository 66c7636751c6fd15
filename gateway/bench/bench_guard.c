#include "gateway/bench/bench_guard.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/bench/bench_options.h"
#include "gateway/cli.h"

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status, (void)kind, (void)where;
    remove(path);
    return 0;
}

/* All that the run has started is in its group, or has become a child of ours (a subreaper). */
static void end_all(pid_t run)
{
    kill(-run, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ;
}

/* Waits for the end of RUN or for a signal of SET. Returns its exit status, or minus the signal. */
static int await(pid_t run, const sigset_t *set)
{
    int number, status;

    for (;;) {
        if (sigwait(set, &number) != 0)
            continue;
        if (number != SIGCHLD)
            return -number;
        /* its orphans are ours, too, but only its own end is waited for */
        if (waitpid(run, &status, WNOHANG) == run)
            return WIFEXITED(status) ? WEXITSTATUS(status) : CLI_FAILED;
    }
}

static void wait_set(sigset_t *ret_set)
{
    sigemptyset(ret_set);
    sigaddset(ret_set, SIGINT);
    sigaddset(ret_set, SIGTERM);
    sigaddset(ret_set, SIGHUP);
    sigaddset(ret_set, SIGCHLD);
}

int bench_guard(const char *parent, int (*run)(const void *with, const char *folder),
                const void *with)
{
    char folder[PATH_MAX], whole[PATH_MAX];
    sigset_t set, before;
    pid_t self = getpid(), child;
    int ended;

    if (!realpath(parent, whole) ||
        snprintf(folder, sizeof folder, "%s/tailgate-bench-XXXXXX", whole) >= PATH_MAX ||
        !mkdtemp(folder))
        return cli_fail(BENCH_COMMAND, CLI_FAILED, "--folder %s: %s", parent, strerror(errno));
    wait_set(&set);
    signal(SIGCHLD, SIG_DFL); /* where it is ignored, nobody can be waited for */
    sigprocmask(SIG_BLOCK, &set, &before);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    child = fork();
    if (child == 0) {
        setpgid(0, 0);
        sigprocmask(SIG_SETMASK, &before, NULL);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        exit(getppid() == self ? run(with, folder) : CLI_FAILED);
    }
    if (child > 0)
        setpgid(child, child); /* whoever is first */
    ended = child < 0 ? CLI_FAILED : await(child, &set);
    if (child > 0)
        end_all(child);
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    if (ended >= 0)
        return ended;
    signal(-ended, SIG_DFL);
    sigprocmask(SIG_SETMASK, &before, NULL);
    raise(-ended);
    return CLI_FAILED;
}
