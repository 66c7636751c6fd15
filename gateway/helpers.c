#include "gateway/helpers.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adapters/host/child.h"
#include "adapters/host/clock.h"
#include "gateway/cli.h"
#include "gateway/log.h"
#include "proto/buffer.h"

#define PAUSE_FIRST_US 500000
#define PAUSE_MAX_US 30000000
#define SOUND_US 60000000 /* one that ran this long starts afresh */
#define HURRY_US 1000000  /* after the first SIGTERM comes a second, which means at once … */
#define KILL_US 3000000   /* … and SIGKILL */
#define GIVE_UP_US 4000000
#define PARENT_SIZE 64 /* TAILGATE_PARENT=4194304 */
#define EVENT_SIZE 32

extern char **environ;

struct helper {
    const char *kind;
    char *command, *path;
    char **arguments;
    size_t count; /* of them */
    enum helper_state state;
    pid_t pid; /* 0: none */
    int end;   /* pidfd; -1: none */
    uint64_t starts;
    int64_t started_us;
    int64_t pause_us; /* the next pause */
    int64_t again_us; /* PAUSED: its end */
};

struct helpers {
    int epoll; /* all the pidfds; their data is the helper's index */
    bool stopping;
    int64_t stop_us; /* when helpers_stop() was called */
    size_t count, running;
    struct helper helper[HELPERS_MAX];
};

int helpers_new(struct helpers **ret_helpers)
{
    struct helpers *self;
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    if (epoll < 0)
        return -errno;
    self = memory_zero(1, sizeof *self);
    self->epoll = epoll;
    *ret_helpers = self;
    return 0;
}

void helpers_add(struct helpers *self, const char *kind, const char *command, const char *path,
                 const char *const *arguments)
{
    struct helper *helper = &self->helper[self->count];

    assert(self->count < HELPERS_MAX);
    self->count++;
    helper->kind = kind;
    helper->command = memory_text(span_str(command));
    helper->path = memory_text(span_str(path));
    while (arguments[helper->count])
        helper->count++;
    helper->arguments = memory_zero(helper->count + 1, sizeof *helper->arguments);
    for (size_t i = 0; i < helper->count; i++)
        helper->arguments[i] = memory_text(span_str(arguments[i]));
    helper->state = HELPER_PAUSED;
    helper->again_us = INT64_MAX;
    helper->pause_us = PAUSE_FIRST_US;
    helper->end = -1;
}

/* Logs what became of HELPER: HAPPENED is "started", "ended". */
static void tell(const struct helper *helper, enum log_level level, const char *happened,
                 const char *how, int64_t again_in_us)
{
    const struct log_field field[] = {
        LOG_STR("command", helper->command),
        LOG_INT("pid", helper->pid),
        LOG_STR("say", how),
        LOG_US("again_in", again_in_us),
    };
    char event[EVENT_SIZE];

    snprintf(event, sizeof event, "%s-%s", helper->kind, happened);
    log_write(level, event, field, again_in_us > 0 ? 4 : how ? 3 : 2);
}

/* Starting. */

/* Our environment with the process id in it; the caller frees the list, not what is in it. */
static char **environment(char parent[PARENT_SIZE])
{
    const size_t size = strlen(CHILD_PARENT "=");
    size_t count = 0;
    char **list;

    for (char **variable = environ; *variable; variable++)
        count++;
    list = memory_zero(count + 2, sizeof *list);
    count = 0;
    for (char **variable = environ; *variable; variable++)
        if (strncmp(*variable, CHILD_PARENT "=", size) != 0)
            list[count++] = *variable;
    snprintf(parent, PARENT_SIZE, CHILD_PARENT "=%ld", (long)getpid());
    list[count] = parent;
    return list;
}

/* Default signals, a group of its own, and no descriptor but the standard ones. */
static int prepare(posix_spawn_file_actions_t *files, posix_spawnattr_t *attributes)
{
    const short flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
    sigset_t all, none;
    int code;

    sigfillset(&all);
    sigemptyset(&none);
    code = posix_spawn_file_actions_addopen(files, 0, "/dev/null", O_RDONLY, 0);
    if (code == 0)
        code = posix_spawn_file_actions_addclosefrom_np(files, 3);
    if (code == 0)
        code = posix_spawnattr_setflags(attributes, flags);
    if (code == 0)
        code = posix_spawnattr_setpgroup(attributes, 0);
    if (code == 0)
        code = posix_spawnattr_setsigdefault(attributes, &all);
    if (code == 0)
        code = posix_spawnattr_setsigmask(attributes, &none);
    return -code;
}

/* Returns 0 or -errno. */
static int spawn(struct helper *helper)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    char parent[PARENT_SIZE];
    char **variables;
    int code = -posix_spawn_file_actions_init(&files);

    if (code < 0)
        return code;
    code = -posix_spawnattr_init(&attributes);
    if (code < 0) {
        posix_spawn_file_actions_destroy(&files);
        return code;
    }
    variables = environment(parent);
    code = prepare(&files, &attributes);
    if (code == 0)
        code = -posix_spawn(&helper->pid, helper->path, &files, &attributes, helper->arguments,
                            variables);
    free(variables);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return code;
}

/* Has its end reported by the epoll; one for which that cannot be is ended. Returns 0 or -errno. */
static int watch(struct helpers *self, struct helper *helper)
{
    struct epoll_event event = {.events = EPOLLIN};
    int code;

    event.data.u64 = (uint64_t)(helper - self->helper);
    helper->end = pidfd_open(helper->pid, 0);
    if (helper->end >= 0 && epoll_ctl(self->epoll, EPOLL_CTL_ADD, helper->end, &event) == 0)
        return 0;
    code = -errno;
    kill(helper->pid, SIGKILL);
    waitpid(helper->pid, NULL, 0); /* it has only just begun: this is short */
    return code;
}

static void forget(struct helper *helper)
{
    if (helper->end >= 0)
        close(helper->end);
    helper->end = -1;
    helper->pid = 0;
}

/* H1. HOW it ended, after RAN_US. */
static void pause_helper(struct helper *helper, int64_t now_us, const char *how)
{
    if (now_us - helper->started_us >= SOUND_US)
        helper->pause_us = PAUSE_FIRST_US;
    tell(helper, LOG_WARN, "ended", how, helper->pause_us);
    helper->state = HELPER_PAUSED;
    helper->again_us = now_us + helper->pause_us;
    helper->pause_us = 2 * helper->pause_us < PAUSE_MAX_US ? 2 * helper->pause_us : PAUSE_MAX_US;
    forget(helper);
}

static void start(struct helpers *self, struct helper *helper, int64_t now_us)
{
    int code = spawn(helper);

    if (code == 0)
        code = watch(self, helper);
    helper->started_us = now_us;
    if (code < 0) {
        char how[128];
        snprintf(how, sizeof how, "it could not be started: %s", strerror(-code));
        pause_helper(helper, now_us, how);
        return;
    }
    helper->state = HELPER_RUNNING;
    helper->starts++;
    self->running++;
    tell(helper, LOG_INFO, "started", NULL, 0);
}

void helpers_start(struct helpers *self, int64_t now_us)
{
    for (size_t i = 0; self && i < self->count; i++)
        start(self, &self->helper[i], now_us);
}

/* Ending. */

static void take_end(struct helpers *self, struct helper *helper, int64_t now_us)
{
    siginfo_t end = {.si_pid = 0};
    char how[64];

    if (waitid(P_PID, (id_t)helper->pid, &end, WEXITED | WNOHANG) != 0 || end.si_pid == 0)
        return;
    self->running--;
    snprintf(how, sizeof how,
             end.si_code == CLD_EXITED ? "exited with status %d" : "was killed by signal %d",
             end.si_status);
    if (self->stopping) {
        tell(helper, LOG_INFO, "ended", how, 0);
        forget(helper);
    } else if (end.si_code == CLD_EXITED && end.si_status == CLI_USAGE) {
        tell(helper, LOG_ERROR, "ended",
             "its words are wrong, see its line above: it is not started again", 0);
        helper->state = HELPER_FAILED;
        forget(helper);
    } else {
        pause_helper(helper, now_us, how);
    }
}

/* Takes the ends that have come; waits for one for TIMEOUT_MS. */
static void take_ends(struct helpers *self, int64_t now_us, int timeout_ms)
{
    struct epoll_event event[HELPERS_MAX];
    int count = epoll_wait(self->epoll, event, HELPERS_MAX, timeout_ms);

    for (int i = 0; i < count; i++)
        take_end(self, &self->helper[event[i].data.u64], now_us);
}

int helpers_fd(const struct helpers *self)
{
    return self ? self->epoll : -1;
}

int64_t helpers_due(const struct helpers *self)
{
    int64_t due_us = INT64_MAX;

    for (size_t i = 0; self && !self->stopping && i < self->count; i++)
        if (self->helper[i].state == HELPER_PAUSED && self->helper[i].again_us < due_us)
            due_us = self->helper[i].again_us;
    return due_us;
}

void helpers_run(struct helpers *self, int64_t now_us)
{
    if (!self || self->stopping)
        return;
    take_ends(self, now_us, 0);
    for (size_t i = 0; i < self->count; i++)
        if (self->helper[i].state == HELPER_PAUSED && self->helper[i].again_us <= now_us)
            start(self, &self->helper[i], now_us);
}

static void signal_all(const struct helpers *self, int number)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->helper[i].pid > 0)
            kill(self->helper[i].pid, number);
}

void helpers_stop(struct helpers *self, int64_t now_us)
{
    if (!self || self->stopping)
        return;
    self->stopping = true;
    self->stop_us = now_us;
    signal_all(self, SIGTERM);
}

/* Waits until none runs, at most until UNTIL_US. */
static void await_ends(struct helpers *self, int64_t until_us)
{
    int64_t now_us;

    while (self->running > 0 && (now_us = clock_mono_us()) < until_us)
        take_ends(self, now_us, (int)((until_us - now_us) / 1000 + 1));
}

void helpers_destroy(struct helpers **self)
{
    struct helpers *helpers = *self;

    *self = NULL;
    if (!helpers)
        return;
    helpers_stop(helpers, clock_mono_us());
    await_ends(helpers, helpers->stop_us + HURRY_US);
    signal_all(helpers, SIGTERM);
    await_ends(helpers, helpers->stop_us + KILL_US);
    signal_all(helpers, SIGKILL);
    await_ends(helpers, helpers->stop_us + GIVE_UP_US);
    for (size_t i = 0; i < helpers->count; i++) {
        struct helper *helper = &helpers->helper[i];
        forget(helper);
        for (size_t j = 0; j < helper->count; j++)
            free(helper->arguments[j]);
        free(helper->arguments);
        free(helper->command);
        free(helper->path);
    }
    close(helpers->epoll);
    free(helpers);
}

/* Looking. */

size_t helpers_count(const struct helpers *self)
{
    return self ? self->count : 0;
}

struct helper_view helpers_look(const struct helpers *self, size_t index)
{
    const struct helper *helper = &self->helper[index];

    return (struct helper_view){.command = helper->command,
                                .pid = helper->pid,
                                .restarts = helper->starts > 0 ? helper->starts - 1 : 0,
                                .state = helper->state};
}

const char *helper_state_name(enum helper_state state)
{
    static const char *const name[] = {
        [HELPER_PAUSED] = "paused", [HELPER_RUNNING] = "running", [HELPER_FAILED] = "failed"};

    return name[state];
}
