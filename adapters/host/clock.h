/* The one place that reads a clock. */
#ifndef TAILGATE_ADAPTERS_HOST_CLOCK_H
#define TAILGATE_ADAPTERS_HOST_CLOCK_H

#include <stdint.h>

/* Microseconds of CLOCK_MONOTONIC: for leases, back-off, durations. Never steps back. */
int64_t clock_mono_us(void);
/* Microseconds since 1970-01-01 UTC: for stamps and the expiry of conversations. May step. */
int64_t clock_utc_us(void);

#endif
