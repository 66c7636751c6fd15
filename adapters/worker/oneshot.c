/* A child process for each query (errand.h), for programs that cannot stay.
 *
 *   offer ──▶ running ──its end──▶ ended ──reported──▶ (gone)
 *                └── drop ──▶ dropped ──its end──▶ (gone, without a word)
 *
 * Invariants
 *   1. Everything that can be waited for of any child is in one epoll: its pipes, and a pidfd for
 *      its end. So a turn costs what has happened, and not the number of children.
 *   2. One event is taken at a time: none is in hand that could be about a child that is gone. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "adapters/worker/adapter.h"
#include "adapters/worker/errand.h"

#define GRACE_US 2000000   /* between SIGTERM and SIGKILL */
#define REST_US 1000000    /* when the system has no room for one more process */
#define TURN_EVENTS 16     /* that are taken in one call of take() at most */
#define MEMORY_MAX 1048576 /* MiB */

enum phase { STOPPED, RUNNING, STOPPING, KILLED };

struct oneshot {
    char *const *command;
    struct errand_limits limits; /* of the children; their files are what ours were at first */
    enum phase phase;
    bool ready; /* READY was reported */
    int epoll;  /* -1: none */
    struct errands running;
    struct errands ended;   /* to be reported */
    struct errand *talking; /* its stderr was read, and holds more lines perhaps */
    struct errand *told;    /* of which the last report was made */
    struct buffer reason;   /* text of that */
    int64_t kill_us;        /* STOPPING */
};

static void *oneshot_make(const struct adapter_setup *setup)
{
    struct oneshot *self = memory_zero(1, sizeof *self);
    self->command = setup->command;
    self->limits.memory_mib = setup->memory_mib;
    self->epoll = -1;
    TAILQ_INIT(&self->running);
    TAILQ_INIT(&self->ended);
    buffer_init(&self->reason);
    getrlimit(RLIMIT_NOFILE, &self->limits.files);
    return self;
}

/* There may be room later, or elsewhere. */
static bool is_shortage(int error)
{
    return error == -EAGAIN || error == -ENOMEM || error == -EMFILE || error == -ENFILE ||
           error == -ENOSPC;
}

static void report_end(struct oneshot *self, int64_t now_us, struct adapter_report *ret_report)
{
    struct errand *errand = self->told;
    buffer_reset(&self->reason);
    *ret_report = (struct adapter_report){.kind = ADAPTER_ANSWER,
                                          .token = buffer_span(&errand->token),
                                          .text = errand_answer(errand)};
    if (!errand_fault(errand, self->command[0], &self->reason))
        return;
    ret_report->kind = ADAPTER_FAILED;
    ret_report->text = buffer_span(&self->reason);
    if (is_shortage(errand->error)) {
        ret_report->kind = ADAPTER_RETURNED;
        ret_report->rest_us = now_us + REST_US;
    }
}

static bool report_said(struct errand *errand, struct adapter_report *ret_report)
{
    struct span line;
    if (!errand_said(errand, &line))
        return false;
    *ret_report = (struct adapter_report){.kind = ADAPTER_SAID, .text = line};
    return true;
}

/* The next line or end of the children that have ended. */
static bool take_ended(struct oneshot *self, int64_t now_us, struct adapter_report *ret_report)
{
    struct errand *errand;
    while ((errand = TAILQ_FIRST(&self->ended))) {
        if (report_said(errand, ret_report))
            return true;
        TAILQ_REMOVE(&self->ended, errand, link);
        if (errand->dropped || self->phase != RUNNING) {
            errand_destroy(&errand);
            continue;
        }
        self->told = errand;
        report_end(self, now_us, ret_report);
        return true;
    }
    return false;
}

/* Takes what is ready for one child; false when nothing is. */
static bool take_event(struct oneshot *self)
{
    struct epoll_event event;
    if (epoll_wait(self->epoll, &event, 1, 0) != 1)
        return false;
    const struct errand_watched *watched = event.data.ptr;
    struct errand *errand = watched->errand;
    if (errand_take(errand, watched->source)) {
        TAILQ_REMOVE(&self->running, errand, link);
        TAILQ_INSERT_TAIL(&self->ended, errand, link);
    }
    self->talking = watched->source == ERRAND_ERRORS ? errand : NULL;
    return true;
}

static bool report_gone(struct oneshot *self, struct adapter_report *ret_report)
{
    child_close_end(&self->epoll);
    self->phase = STOPPED;
    *ret_report = (struct adapter_report){.kind = ADAPTER_GONE,
                                          .text = span_str("the worker's processes were ended")};
    return true;
}

static void signal_all(const struct oneshot *self, int number)
{
    const struct errand *errand;
    TAILQ_FOREACH(errand, &self->running, link)
    {
        child_signal(&errand->child, number);
    }
}

static bool oneshot_take(void *state, int64_t now_us, struct adapter_report *ret_report)
{
    struct oneshot *self = state;
    errand_destroy(&self->told);
    if (self->phase == STOPPED)
        return false;
    if (!self->ready) {
        self->ready = true;
        *ret_report = (struct adapter_report){.kind = ADAPTER_READY};
        return true;
    }
    for (int i = 0; i <= TURN_EVENTS; i++) {
        if (self->talking && report_said(self->talking, ret_report))
            return true;
        self->talking = NULL;
        if (take_ended(self, now_us, ret_report))
            return true;
        if (i == TURN_EVENTS || !take_event(self))
            break;
    }
    if (self->phase != RUNNING && TAILQ_EMPTY(&self->running))
        return report_gone(self, ret_report);
    if (self->phase == STOPPING && now_us >= self->kill_us) {
        signal_all(self, SIGKILL);
        self->phase = KILLED;
    }
    return false;
}

/* --- the interface --- */

static int oneshot_check(const struct adapter_setup *setup, char ret_why[ADAPTER_WHY])
{
    if (setup->command[0])
        return 0;
    snprintf(ret_why, ADAPTER_WHY, "--per-query: give a command after --");
    return -1;
}

static void oneshot_destroy(void **state)
{
    struct oneshot *self = *state;
    struct errand *errand;
    *state = NULL;
    if (!self)
        return;
    TAILQ_CONCAT(&self->ended, &self->running, link);
    while ((errand = TAILQ_FIRST(&self->ended))) {
        TAILQ_REMOVE(&self->ended, errand, link);
        errand_destroy(&errand);
    }
    errand_destroy(&self->told);
    child_close_end(&self->epoll);
    buffer_done(&self->reason);
    free(self);
}

/* Nothing is started yet; that it could not be is better said now than with each query. Each child
 * costs us up to four descriptors. */
static int oneshot_start(void *state)
{
    struct oneshot *self = state;
    const rlim_t files = self->limits.files.rlim_max;
    const struct rlimit most = {files, files};
    int code = child_find(self->command[0]);
    if (code != 0)
        return code;
    setrlimit(RLIMIT_NOFILE, &most);
    self->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (self->epoll < 0)
        return -errno;
    self->ready = false;
    self->phase = RUNNING;
    return 0;
}

static void oneshot_offer(void *state, struct span token, struct span query)
{
    struct oneshot *self = state;
    if (self->phase != RUNNING)
        return;
    struct errand *errand = errand_new(token, query);
    errand->error = errand_start(errand, self->command, &self->limits, self->epoll);
    if (errand->error == 0)
        TAILQ_INSERT_TAIL(&self->running, errand, link);
    else
        TAILQ_INSERT_TAIL(&self->ended, errand, link);
}

static struct errand *find(struct errands *runs, struct span token)
{
    struct errand *errand;
    TAILQ_FOREACH(errand, runs, link)
    {
        if (!errand->dropped && span_equal(buffer_span(&errand->token), token))
            return errand;
    }
    return NULL;
}

static bool oneshot_drop(void *state, struct span token, int64_t now_us)
{
    struct oneshot *self = state;
    struct errand *errand = find(&self->running, token);
    (void)now_us;
    if (!errand)
        errand = find(&self->ended, token);
    if (errand)
        errand_drop(errand);
    return true;
}

static size_t oneshot_descriptors(const void *state, struct pollfd ret_poll[ADAPTER_DESCRIPTORS])
{
    const struct oneshot *self = state;
    if (self->epoll < 0)
        return 0;
    ret_poll[0] = (struct pollfd){self->epoll, POLLIN, 0};
    return 1;
}

static int64_t oneshot_due(const void *state)
{
    const struct oneshot *self = state;
    return self->phase == STOPPING ? self->kill_us : INT64_MAX;
}

static void oneshot_stop(void *state, int64_t now_us, bool at_once)
{
    struct oneshot *self = state;
    if (self->phase == STOPPED || self->phase == KILLED)
        return;
    if (at_once) {
        signal_all(self, SIGKILL);
        self->phase = KILLED;
    } else if (self->phase == RUNNING) {
        signal_all(self, SIGTERM);
        self->phase = STOPPING;
        self->kill_us = now_us + GRACE_US;
    }
}

static const struct adapter_option further[] = {
    {"memory", ADAPTER_NUMBER, offsetof(struct adapter_setup, memory_mib), "MIB",
     "with --per-query: address space that each process may have (default: no limit)", 1,
     MEMORY_MAX},
    {.name = NULL},
};

const struct adapter adapter_per_query = {
    .name = "per-query",
    .about = "start CMD for each query: the question on its standard input, and what it writes "
             "until it ends is the answer",
    .options = further,
    .takes_command = true,
    .check = oneshot_check,
    .make = oneshot_make,
    .destroy = oneshot_destroy,
    .start = oneshot_start,
    .offer = oneshot_offer,
    .drop = oneshot_drop,
    .descriptors = oneshot_descriptors,
    .take = oneshot_take,
    .due = oneshot_due,
    .stop = oneshot_stop,
};
