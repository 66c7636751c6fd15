#include "adapters/worker/crew.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "adapters/host/clock.h"
#include "adapters/worker/worker.h"
#include "gateway/log.h"
#include "proto/buffer.h"

int crew_signals(void)
{
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGHUP);
    sigaddset(&ours, SIGCHLD);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL); /* a parent that ignored it would have our children vanish unread */
    if (sigprocmask(SIG_BLOCK, &ours, NULL) != 0)
        return -errno;
    int descriptor = signalfd(-1, &ours, SFD_NONBLOCK | SFD_CLOEXEC);
    return descriptor >= 0 ? descriptor : -errno;
}

/* What to poll: the signals, then each worker's items, which start at FIRST[worker]. */
struct crew {
    struct worker *const *worker;
    size_t count;
    struct pollfd *item;
    size_t *first; /* count + 1 of them */
    bool children; /* some child has changed state since the last turn */
};

static void read_signals(struct crew *self, int signals, int64_t now_us)
{
    struct signalfd_siginfo info;
    while (read(signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGCHLD) {
            self->children = true;
            continue;
        }
        log_event(LOG_INFO, "stopping", LOG_INT("signal", info.ssi_signo));
        for (size_t i = 0; i < self->count; i++)
            worker_stop(self->worker[i], now_us);
    }
}

static int wait_ms(int64_t due_us, int64_t now_us)
{
    if (due_us <= now_us)
        return 0;
    int64_t ms = (due_us - now_us - 1) / 1000 + 1; /* rounded up: too early would spin */
    return due_us == INT64_MAX ? -1 : ms < INT_MAX ? (int)ms : INT_MAX;
}

/* Collects what to poll and waits. Returns 0 or -errno. */
static int wait_for(struct crew *self, int signals)
{
    int64_t due_us = log_due();
    size_t items = 1;
    self->item[0] = (struct pollfd){.fd = signals, .events = POLLIN};
    for (size_t i = 0; i < self->count; i++) {
        int64_t its_due_us = worker_due(self->worker[i]);
        due_us = its_due_us < due_us ? its_due_us : due_us;
        self->first[i] = items;
        items += worker_items(self->worker[i], &self->item[items]);
    }
    self->first[self->count] = items;
    if (poll(self->item, items, wait_ms(due_us, clock_mono_us())) >= 0)
        return 0;
    if (errno != EINTR)
        return -errno;
    for (size_t i = 0; i < items; i++)
        self->item[i].revents = 0;
    return 0;
}

static bool ready(const struct crew *self, size_t index)
{
    for (size_t i = self->first[index]; i < self->first[index + 1]; i++) {
        if (self->item[i].revents != 0)
            return true;
    }
    return false;
}

static bool all_done(const struct crew *self)
{
    for (size_t i = 0; i < self->count; i++) {
        if (!worker_done(self->worker[i]))
            return false;
    }
    return true;
}

int crew_run(struct worker *const *worker, size_t count, int signals)
{
    struct crew self = {.worker = worker, .count = count};
    self.item = memory_zero(1 + count * WORKER_ITEMS, sizeof *self.item);
    self.first = memory_zero(count + 1, sizeof *self.first);
    int code = 0;
    while (code == 0 && !all_done(&self)) {
        code = wait_for(&self, signals);
        int64_t now_us = clock_mono_us();
        self.children = false;
        if (self.item[0].revents != 0)
            read_signals(&self, signals, now_us);
        log_run(now_us);
        for (size_t i = 0; code == 0 && i < count; i++) {
            if (self.children || ready(&self, i) || worker_due(worker[i]) <= now_us)
                worker_run(worker[i], now_us);
        }
    }
    free(self.first);
    free(self.item);
    return code;
}
