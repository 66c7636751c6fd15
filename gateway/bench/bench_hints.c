#include "gateway/bench/bench_hints.h"

#include <poll.h>
#include <string.h>
#include <time.h>

#include "adapters/host/clock.h"

int bench_hints_open(const struct bench_site *site, struct bench_hints *ret_hints)
{
    struct place place;

    if (place_find(site->db, &place) != 0 || watch_new(&place, &ret_hints->watch) != 0)
        return bench_fail("%s: cannot be watched", site->db);
    wake_init(&ret_hints->wake, clock_mono_us());
    return 0;
}

void bench_hints_close(struct bench_hints *self)
{
    watch_destroy(&self->watch);
}

void bench_hints_skip(struct bench_hints *self)
{
    watch_drain(self->watch);
    wake_init(&self->wake, clock_mono_us());
    wake_hint(&self->wake, clock_mono_us()); /* what was skipped may be what is waited for */
}

static void take_hints(struct bench_hints *self, int64_t now_us)
{
    unsigned flags = watch_drain(self->watch);

    if (flags & WATCH_CLOSED)
        wake_glance(&self->wake);
    if (flags & (WATCH_HINT | WATCH_LOST))
        wake_hint(&self->wake, now_us);
}

static void wait_for_hint(const struct bench_hints *self)
{
    struct pollfd item = {.fd = watch_fd(self->watch), .events = POLLIN};
    int64_t pause_us = wake_next(&self->wake) - clock_mono_us();
    struct timespec pause = {.tv_sec = (time_t)(pause_us / 1000000),
                             .tv_nsec = (long)(pause_us % 1000000) * 1000};

    if (pause_us > 0)
        ppoll(&item, 1, &pause, NULL);
}

int64_t bench_hints_await(struct bench_hints *self)
{
    for (;;) {
        int64_t now_us = clock_mono_us();

        take_hints(self, now_us);
        if (wake_due(&self->wake, now_us))
            return now_us;
        wait_for_hint(self);
    }
}
