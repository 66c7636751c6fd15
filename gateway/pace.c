#include "gateway/pace.h"

/* Of what is known, the part that a new measurement takes the place of. One group that was put to
 * sleep by the system, or found its pages gone, is not what jobs cost: no measurement counts for
 * more than twice what was known. Of many jobs one learns more than of a lone one. */
#define NEWS 4

static int64_t at_most_twice(int64_t known, int64_t seen)
{
    return known > 0 && seen > 2 * known ? 2 * known : seen;
}

static int64_t job_ns(const struct pace *self)
{
    return self->jobs > 0 ? self->wrote_ns / self->jobs : 0;
}

void pace_wrote(struct pace *self, size_t jobs, int64_t wrote_us, int64_t commit_us)
{
    int64_t count = (int64_t)jobs;

    self->wrote_ns += at_most_twice(job_ns(self) * count, wrote_us * 1000) - self->wrote_ns / NEWS;
    self->jobs += count - self->jobs / NEWS;
    if (self->commit_us == 0)
        self->commit_us = commit_us;
    self->commit_us += (at_most_twice(self->commit_us, commit_us) - self->commit_us) / NEWS;
}

void pace_guest(struct pace *self, int64_t now_us)
{
    self->guest_us = now_us;
}

bool pace_has_guests(const struct pace *self, int64_t now_us)
{
    return self->guest_us > 0 && now_us - self->guest_us < PACE_GUEST_US;
}

static int64_t write_us(const struct pace *self, int64_t now_us)
{
    int64_t us = pace_has_guests(self, now_us) ? PACE_GUEST_WRITE_US : PACE_WRITE_US;

    if (us < self->commit_us)
        us = self->commit_us;
    return us < PACE_WRITE_MOST_US ? us : PACE_WRITE_MOST_US;
}

size_t pace_group(const struct pace *self, int64_t now_us, size_t most)
{
    int64_t each_ns = job_ns(self);
    size_t jobs = each_ns > 0 ? (size_t)(1000 * write_us(self, now_us) / each_ns) : PACE_FIRST;

    if (jobs < PACE_LEAST)
        jobs = PACE_LEAST;
    return jobs < most ? jobs : most;
}

int64_t pace_rest_us(const struct pace *self, int64_t now_us, int64_t held_us, size_t jobs,
                     unsigned duty)
{
    int64_t rest_us = held_us * (100 - (int64_t)duty) / duty;

    if (!pace_has_guests(self, now_us))
        return rest_us;
    return rest_us * (jobs == 1 ? PACE_LONE_REST : PACE_GUEST_REST);
}
