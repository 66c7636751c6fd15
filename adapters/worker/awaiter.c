#include "adapters/worker/awaiter.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void *run(void *context)
{
    struct awaiter *self = context;
    const uint64_t one = 1;
    while (!atomic_load(&self->ending)) {
        if (sem_wait(self->semaphore) != 0 && errno != EINTR)
            break;
        ssize_t written = write(self->descriptor, &one, sizeof one);
        (void)written; /* one that is full rings already */
    }
    return NULL;
}

int awaiter_start(struct awaiter *self, sem_t *semaphore)
{
    sigset_t all, before;
    self->descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (self->descriptor < 0)
        return -errno;
    self->semaphore = semaphore;
    atomic_store(&self->ending, false);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&self->thread, NULL, run, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code != 0) {
        close(self->descriptor);
        self->semaphore = NULL;
    }
    return -code;
}

bool awaiter_rung(struct awaiter *self)
{
    uint64_t count;
    return read(self->descriptor, &count, sizeof count) == sizeof count;
}

void awaiter_stop(struct awaiter *self)
{
    if (!self->semaphore)
        return;
    atomic_store(&self->ending, true);
    sem_post(self->semaphore); /* or it is full, and the thread does not sleep */
    pthread_join(self->thread, NULL);
    close(self->descriptor);
    self->semaphore = NULL;
}
