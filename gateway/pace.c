#include "gateway/pace.h"

#include <stdbool.h>

/* Of a new measurement. One group that was put to sleep by the system, or found its pages gone, is
 * not what jobs cost: no measurement counts for more than twice what was known. */
#define WEIGHT 4

void pace_wrote(struct pace *self, int64_t lasted_us, size_t jobs)
{
    int64_t job_ns = lasted_us * 1000 / (int64_t)jobs;

    if (self->job_ns > 0 && job_ns > 2 * self->job_ns)
        job_ns = 2 * self->job_ns;
    if (self->job_ns == 0)
        self->job_ns = job_ns;
    else
        self->job_ns += (job_ns - self->job_ns) / WEIGHT;
}

void pace_guest(struct pace *self, int64_t now_us)
{
    self->guest_us = now_us;
}

size_t pace_group(const struct pace *self, size_t most)
{
    size_t jobs = self->job_ns > 0 ? (size_t)(INT64_C(1000) * PACE_WRITE_US / self->job_ns) : most;

    if (jobs < PACE_LEAST)
        jobs = PACE_LEAST;
    return jobs < most ? jobs : most;
}

int64_t pace_rest_us(const struct pace *self, int64_t now_us, int64_t held_us, unsigned duty)
{
    int64_t rest_us = held_us * (100 - (int64_t)duty) / duty;
    bool guests = self->guest_us > 0 && now_us - self->guest_us < PACE_GUEST_US;

    return guests ? rest_us * 2 : rest_us;
}
