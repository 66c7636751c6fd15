#include "gateway/bench/bench_board.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <sys/mman.h>
#include <time.h>

#include "adapters/host/clock.h"
#include "gateway/bench/bench_role.h"
#include "gateway/bench/bench_stats.h"
#include "proto/buffer.h"

#define READY_US 30000000

static size_t bytes(uint64_t room)
{
    return sizeof(struct bench_board) + (size_t)room * sizeof(struct bench_trip);
}

struct bench_board *bench_board_new(uint64_t room)
{
    struct bench_board *self =
        mmap(NULL, bytes(room), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (self == MAP_FAILED)
        return NULL;
    self->room = room;
    sem_init(&self->arrived, 1, 0);
    return self;
}

void bench_board_destroy(struct bench_board **self)
{
    if (!*self)
        return;
    sem_destroy(&(*self)->arrived);
    munmap(*self, bytes((*self)->room));
    *self = NULL;
}

void bench_board_received(struct bench_board *self, uint64_t number)
{
    int64_t now_us = clock_mono_us(), never = 0;

    atomic_fetch_add_explicit(&self->received, 1, memory_order_relaxed);
    if (atomic_load_explicit(&self->first_us, memory_order_relaxed) == 0)
        atomic_compare_exchange_strong(&self->first_us, &never, now_us);
    never = 0;
    if (number < self->room)
        atomic_compare_exchange_strong(&self->trip[number].received_us, &never, now_us);
    if (self->rings)
        sem_post(&self->arrived);
}

bool bench_board_wait(struct bench_board *self, int64_t timeout_us)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(timeout_us / 1000000);
    until.tv_nsec += (long)(timeout_us % 1000000) * 1000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    while (sem_clockwait(&self->arrived, CLOCK_MONOTONIC, &until) != 0)
        if (errno != EINTR)
            return false;
    return true;
}

int bench_board_await_ready(const struct bench_board *self, uint64_t count)
{
    int64_t begin_us = clock_mono_us();

    while (atomic_load(&self->ready) < count) {
        if (clock_mono_us() - begin_us > READY_US)
            return bench_fail("%" PRIu64 " of %" PRIu64 " processes were ready after 30 s",
                              atomic_load(&self->ready), count);
        bench_sleep(1000);
    }
    return 0;
}

static int64_t stamp(const struct bench_trip *trip, size_t offset)
{
    return *(const _Atomic int64_t *)((const char *)trip + offset);
}

uint64_t bench_board_delays(const struct bench_board *self, size_t from, size_t to,
                            int64_t **ret_us)
{
    int64_t *delay = memory_new((size_t)self->room * sizeof *delay + 1);
    uint64_t count = 0;

    for (uint64_t i = 0; i < self->room; i++) {
        int64_t begin = stamp(&self->trip[i], from), end = stamp(&self->trip[i], to);
        if (begin && end)
            delay[count++] = end - begin;
    }
    bench_order(delay, count);
    *ret_us = delay;
    return count;
}
