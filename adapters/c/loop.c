#include "adapters/c/loop.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "adapters/c/bell.h"
#include "adapters/host/clock.h"
#include "adapters/zmq/ready.h"
#include "proto/buffer.h"

struct tailgate_loop {
    void *context; /* ZeroMQ's */
    int bell;
    pthread_t thread;
    pthread_mutex_t lock; /* guards the list of seats, and `ended` */
    pthread_cond_t left;  /* a seat was taken away */
    struct loop_seat *seat;
    size_t seats;
    bool ended;
    zmq_pollitem_t *item; /* the thread's */
    size_t room;          /* of it, in items */
};

void *loop_context(const struct tailgate_loop *self)
{
    return self->context;
}

void loop_wake(struct tailgate_loop *self)
{
    bell_ring(self->bell);
}

void loop_add(struct tailgate_loop *self, struct loop_seat *seat)
{
    pthread_mutex_lock(&self->lock);
    struct loop_seat **end = &self->seat;
    while (*end)
        end = &(*end)->next;
    seat->next = NULL;
    seat->leaving = false;
    *end = seat;
    self->seats++;
    pthread_mutex_unlock(&self->lock);
    loop_wake(self);
}

static bool is_seated(const struct tailgate_loop *self, const struct loop_seat *seat)
{
    const struct loop_seat *some = self->seat;
    while (some && some != seat)
        some = some->next;
    return some != NULL;
}

void loop_remove(struct tailgate_loop *self, struct loop_seat *seat)
{
    pthread_mutex_lock(&self->lock);
    seat->leaving = true;
    loop_wake(self);
    while (is_seated(self, seat))
        pthread_cond_wait(&self->left, &self->lock);
    pthread_mutex_unlock(&self->lock);
}

/* Closes and takes away those that are leaving. Returns false when the loop is to end. */
static bool tidy(struct tailgate_loop *self)
{
    pthread_mutex_lock(&self->lock);
    struct loop_seat **at = &self->seat;
    while (*at) {
        struct loop_seat *seat = *at;
        if (!seat->leaving) {
            at = &seat->next;
            continue;
        }
        seat->calls->close(seat->member);
        *at = seat->next;
        self->seats--;
        pthread_cond_broadcast(&self->left);
    }
    size_t room = 1 + self->seats * LOOP_ITEMS;
    bool on = !self->ended;
    pthread_mutex_unlock(&self->lock);
    if (room > self->room) {
        self->item = memory_grow(self->item, room * sizeof *self->item);
        self->room = room;
    }
    return on;
}

/* The seat after SEAT, or the first; those that were added since tidy() have no room yet. */
static struct loop_seat *next_seat(struct tailgate_loop *self, const struct loop_seat *seat)
{
    pthread_mutex_lock(&self->lock);
    struct loop_seat *next = seat ? seat->next : self->seat;
    pthread_mutex_unlock(&self->lock);
    return next;
}

static long wait_ms(int64_t due_us, int64_t now_us)
{
    if (due_us <= now_us)
        return 0;
    int64_t ms = (due_us - now_us - 1) / 1000 + 1; /* rounded up: too early would spin */
    return due_us == INT64_MAX ? -1 : ms < INT_MAX ? (long)ms : INT_MAX;
}

/* The quick way, unless there are too many members for it. Returns as zmq_poll(). */
static int wait_items(zmq_pollitem_t *item, size_t count, long timeout_ms)
{
    return count <= READY_ITEMS ? ready_wait(item, count, timeout_ms)
                                : zmq_poll(item, (int)count, timeout_ms);
}

/* Collects what to poll and waits. Returns the last seat that was looked at. */
static const struct loop_seat *wait_for(struct tailgate_loop *self)
{
    int64_t due_us = INT64_MAX;
    size_t items = 1;
    const struct loop_seat *last = NULL;
    self->item[0] = (zmq_pollitem_t){.fd = self->bell, .events = ZMQ_POLLIN};
    for (struct loop_seat *seat = next_seat(self, NULL); seat && items + LOOP_ITEMS <= self->room;
         seat = next_seat(self, seat)) {
        int64_t its_due_us = seat->calls->due(seat->member);
        due_us = its_due_us < due_us ? its_due_us : due_us;
        seat->first = items;
        seat->count = seat->calls->items(seat->member, &self->item[items]);
        items += seat->count;
        last = seat;
    }
    if (wait_items(self->item, items, wait_ms(due_us, clock_mono_us())) < 0) {
        for (size_t i = 0; i < items; i++)
            self->item[i].revents = 0;
    }
    return last;
}

static bool is_ready(const struct tailgate_loop *self, const struct loop_seat *seat)
{
    for (size_t i = 0; i < seat->count; i++) {
        if (self->item[seat->first + i].revents != 0)
            return true;
    }
    return false;
}

static void *run(void *argument)
{
    struct tailgate_loop *self = argument;
    while (tidy(self)) {
        const struct loop_seat *last = wait_for(self);
        if (self->item[0].revents != 0)
            bell_hush(self->bell);
        int64_t now_us = clock_mono_us();
        struct loop_seat *seat = NULL;
        while (seat != last) {
            seat = next_seat(self, seat);
            if (is_ready(self, seat) || seat->calls->due(seat->member) <= now_us)
                seat->calls->run(seat->member, now_us);
        }
    }
    return NULL;
}

/* The program's signals are not for this thread, nor for those that ZeroMQ starts from it. */
static int start_thread(struct tailgate_loop *self)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&self->thread, NULL, run, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

int tailgate_loop_new(struct tailgate_loop **ret_loop)
{
    struct tailgate_loop *self = memory_zero(1, sizeof *self);
    self->bell = bell_new();
    self->context = self->bell >= 0 ? zmq_ctx_new() : NULL;
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->left, NULL);
    if (self->context && start_thread(self) == 0) {
        *ret_loop = self;
        return TAILGATE_OK;
    }
    if (self->context)
        zmq_ctx_term(self->context);
    if (self->bell >= 0)
        close(self->bell);
    pthread_cond_destroy(&self->left);
    pthread_mutex_destroy(&self->lock);
    free(self);
    return TAILGATE_NO_RESOURCES;
}

void tailgate_loop_destroy(struct tailgate_loop **self)
{
    struct tailgate_loop *loop = *self;
    *self = NULL;
    if (!loop)
        return;
    pthread_mutex_lock(&loop->lock);
    loop->ended = true;
    pthread_mutex_unlock(&loop->lock);
    loop_wake(loop);
    pthread_join(loop->thread, NULL);
    zmq_ctx_term(loop->context); /* what was handed over is sent for the sockets' linger at most */
    close(loop->bell);
    pthread_cond_destroy(&loop->left);
    pthread_mutex_destroy(&loop->lock);
    free(loop->item);
    free(loop);
}
