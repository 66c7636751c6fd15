/* A semaphore cannot be polled for: a thread waits for it and rings a descriptor. It does nothing
 * else, and touches nothing but the semaphore and the descriptor. */
#ifndef TAILGATE_ADAPTERS_WORKER_AWAITER_H
#define TAILGATE_ADAPTERS_WORKER_AWAITER_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>

struct awaiter {
    sem_t *semaphore; /* NULL: there is no thread */
    int descriptor;   /* readable when it was posted */
    pthread_t thread;
    _Atomic bool ending;
};

/* Begins to wait for SEMAPHORE, which is borrowed until awaiter_stop(). Returns 0 or -errno. */
int awaiter_start(struct awaiter *self, sem_t *semaphore);
/* Whether the semaphore was posted since the last call. */
bool awaiter_rung(struct awaiter *self);
/* Ends the thread; may be called twice, and without a start. It waits for no longer than that
 * takes. */
void awaiter_stop(struct awaiter *self);

#endif
