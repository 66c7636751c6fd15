/* A lock cannot be polled for together with a signal: a thread waits for it in fcntl(2) and rings.
 * When a signal comes first the process is about to end, and the thread with it: what it uses is
 * its own and stays. */
#include "gateway/standby.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "gateway/log.h"
#include "gateway/manager.h"
#include "proto/buffer.h"

struct wait {
    struct place place;
    int event_fd;
    int lock; /* the result, set before the ring */
};

static void *run(void *context)
{
    struct wait *wait = context;
    const uint64_t one = 1;
    ssize_t written;

    wait->lock = place_lock_wait(&wait->place);
    written = write(wait->event_fd, &one, sizeof one);
    (void)written; /* an eventfd takes its first ring always */
    return NULL;
}

/* True when a signal asks us to end. */
static bool is_asked_to_end(int signal_fd, const struct vitals *vitals)
{
    struct signalfd_siginfo info;
    bool end = false;

    while (read(signal_fd, &info, sizeof info) == sizeof info) {
        end |= info.ssi_signo != SIGHUP;
        if (info.ssi_signo != SIGHUP)
            continue;
        manager_reloading(vitals);
        log_event(LOG_INFO, "reload",
                  LOG_STR("say", "the settings are read again when this gateway takes over"));
        manager_reloaded(vitals);
    }
    return end;
}

/* Waits for the ring; false when a signal that ends us comes first. */
static bool rings(const struct wait *wait, int signal_fd, struct vitals *vitals)
{
    struct pollfd item[2] = {{.fd = signal_fd, .events = POLLIN},
                             {.fd = wait->event_fd, .events = POLLIN}};

    for (;;) {
        if (poll(item, 2, manager_wait(vitals, -1)) <= 0)
            continue;
        if (item[1].revents)
            return true;
        if (item[0].revents && is_asked_to_end(signal_fd, vitals))
            return false;
    }
}

int standby_wait(const struct place *place, int signal_fd, struct vitals *vitals)
{
    struct wait *wait = memory_zero(1, sizeof *wait);
    pthread_t thread;
    int result;

    manager_ready(vitals, "standby: another gateway serves");
    wait->place = *place;
    wait->event_fd = eventfd(0, EFD_CLOEXEC);
    result = wait->event_fd < 0 ? -errno : -pthread_create(&thread, NULL, run, wait);
    if (result == 0 && !rings(wait, signal_fd, vitals)) {
        pthread_detach(thread);
        return -EINTR;
    }
    if (result == 0) {
        pthread_join(thread, NULL);
        result = wait->lock;
    }
    if (wait->event_fd >= 0)
        close(wait->event_fd);
    free(wait);
    return result;
}
