/* Who keeps others from the database, and for how long: looked at before anything here opens it. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "adapters/host/clock.h"
#include "adapters/host/process.h"
#include "gateway/doctor.h"
#include "proto/jtext.h"

#define WATCH_US 1000000 /* somebody who works has let go by then, at least once */
#define LOOK_MS 20
#define MIB (1 << 20)
#define WAL_LARGE                                                                                  \
    (INT64_C(16) * MIB) /* twice what is kept of it when it is started over (db.c)                 \
                         */

static bool is_new(const struct doctor *self, const struct lock *lock)
{
    return !locks_have(self->lock, self->locks, lock->kind, lock->pid);
}

/* Keeps only those that have a lock still. */
static void keep_holders(struct doctor *self, int64_t since_us)
{
    struct lock now[LOCKS_MAX];
    size_t count = locks_look(&self->place, now), kept = 0;
    for (size_t i = 0; i < self->locks; i++) {
        if (!locks_have(now, count, self->lock[i].kind, self->lock[i].pid))
            continue;
        self->held_us[kept] = clock_mono_us() - since_us;
        self->lock[kept++] = self->lock[i];
    }
    self->locks = kept;
}

/* Only as long as somebody of those that held a lock at first has not let go of it. */
static void watch(struct doctor *self)
{
    const struct timespec pause = {0, LOOK_MS * 1000000L};
    int64_t since_us = clock_mono_us();
    struct lock now[LOCKS_MAX];
    size_t count = locks_look(&self->place, now);
    for (size_t i = 0; i < count; i++)
        if (now[i].pid != (long)getpid() && is_new(self, &now[i]))
            self->lock[self->locks++] = now[i];
    while (self->locks > 0 && clock_mono_us() - since_us < WATCH_US) {
        nanosleep(&pause, NULL);
        keep_holders(self, since_us);
    }
}

static bool is_stopped(long pid)
{
    struct process process;
    return process_look(pid, &process) == 0 && (process.state == 'T' || process.state == 't');
}

static void say_holder(struct doctor *self, const struct lock *lock, int64_t held_us,
                       enum doctor_result result, const char *does, const char *so)
{
    struct buffer who;
    buffer_init(&who);
    doctor_process(&who, lock->pid);
    bool stopped = is_stopped(lock->pid);
    doctor_say(self, result, "%s %s for %.0f s at least: %s%s", who.data, does,
               (double)held_us / 1e6, so,
               stopped ? "; it is stopped (SIGSTOP, or a debugger)" : "");
    if (stopped)
        doctor_advise(self, "let it go on: kill -CONT %ld; or end it: kill -9 %ld", lock->pid,
                      lock->pid);
    else
        doctor_advise(self, "have it end its transaction, or end it: kill %ld", lock->pid);
    jtext_member_integer(doctor_more(self), "pid", lock->pid);
    buffer_done(&who);
}

void doctor_check_writers(struct doctor *self)
{
    size_t before = self->count;
    watch(self);
    for (size_t i = 0; i < self->locks; i++)
        if (self->lock[i].kind == LOCKS_WRITE)
            say_holder(self, &self->lock[i], self->held_us[i],
                       is_stopped(self->lock[i].pid) ? DOCTOR_PROBLEM : DOCTOR_WARNING,
                       "has held the write lock", "nobody else can write");
    if (self->count == before)
        doctor_say(self, DOCTOR_OK, "nobody holds the write lock for long");
}

void doctor_check_wal(struct doctor *self)
{
    bool large = self->wal_bytes >= WAL_LARGE;
    size_t before = self->count;
    for (size_t i = 0; i < self->locks; i++)
        if (self->lock[i].kind == LOCKS_READ &&
            !locks_have(self->lock, self->locks, LOCKS_WRITE, self->lock[i].pid))
            say_holder(self, &self->lock[i], self->held_us[i], large ? DOCTOR_WARNING : DOCTOR_NOTE,
                       "has been in a read transaction", "-wal cannot be started over");
    bool pinned = self->count > before;
    doctor_say(self, large ? DOCTOR_WARNING : DOCTOR_OK, "-wal has %.1f MiB%s",
               (double)self->wal_bytes / MIB, large && pinned ? ", as somebody reads" : "");
    if (large)
        doctor_advise(self,
                      pinned ? "end who reads; then it is started over by itself"
                      : self->gateway
                          ? "nothing: the gateway starts it over when nobody reads"
                          : "start a gateway, or any program that closes the database as the last");
    jtext_member_integer(doctor_more(self), "bytes", self->wal_bytes);
}
