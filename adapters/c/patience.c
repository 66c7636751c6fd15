#include "adapters/c/patience.h"

#include <time.h>

#include "adapters/host/clock.h"

void patience_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

int64_t patience_end(int timeout_ms)
{
    return timeout_ms < 0 ? INT64_MAX : clock_mono_us() + timeout_ms * INT64_C(1000);
}

bool patience_wait(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t end_us)
{
    if (end_us == INT64_MAX)
        return pthread_cond_wait(condition, lock) == 0;
    if (clock_mono_us() >= end_us)
        return false;
    struct timespec end = {.tv_sec = end_us / 1000000, .tv_nsec = end_us % 1000000 * 1000};
    pthread_cond_timedwait(condition, lock, &end);
    return true; /* whoever waits looks once more before the time counts as over */
}
