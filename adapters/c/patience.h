/* Waiting for a condition no longer than a caller said. */
#ifndef TAILGATE_ADAPTERS_C_PATIENCE_H
#define TAILGATE_ADAPTERS_C_PATIENCE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* A condition that patience_wait() can wait for. */
void patience_init(pthread_cond_t *condition);
/* The end of a time-out as callers give it: milliseconds from now, below 0 for ever. Microseconds
 * of the monotonic clock; INT64_MAX: never. */
int64_t patience_end(int timeout_ms);
/* Waits for CONDITION under LOCK until END_US; false when that has passed. */
bool patience_wait(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t end_us);

#endif
