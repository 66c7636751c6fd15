/* Where the loop waits. What has nothing to say is not asked in that turn: a turn for one answer
 * would cost more in such questions than in work. */
#include <assert.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "adapters/zmq/ready.h"
#include "gateway/server.h"

#define ITEMS (2 * GATE_DOORS + 2 * EVENTS_DOORS + REPS_ITEMS + 7)
static_assert(ITEMS <= READY_ITEMS, "all that the loop waits for is asked at once");

/* Arms the timer, whose resolution poll()'s milliseconds do not have. Returns the poll's time-out.
 */
static long arm(struct server *self, int64_t due_us, int64_t now_us)
{
    struct itimerspec when = {{0, 0}, {due_us / 1000000, due_us % 1000000 * 1000}};

    if (due_us <= now_us)
        return 0;
    if (due_us != self->timer_us) {
        timerfd_settime(self->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
        self->timer_us = due_us;
    }
    return -1;
}

static void disarm(struct server *self)
{
    uint64_t expirations;

    if (read(self->timer_fd, &expirations, sizeof expirations) == sizeof expirations)
        self->timer_us = INT64_MAX;
}

/* The items of one turn. */
struct items {
    zmq_pollitem_t item[ITEMS];
    size_t count;
};

/* Returns the item's number. */
static size_t add(struct items *self, void *socket, int descriptor)
{
    self->item[self->count] = (zmq_pollitem_t){socket, descriptor, ZMQ_POLLIN, 0};
    return self->count++;
}

/* What is only ever read, and to its end: see ready_descriptor(). */
static size_t add_monitor(struct items *self, void *monitor)
{
    return add(self, NULL, ready_descriptor(monitor));
}

/* Each door's socket and its monitor, from item `gate` and `events` on. While a message is held,
 * the gate is not polled. */
static void add_doors(struct server *self, struct items *items)
{
    for (size_t i = 0; i < gate_doors(self->gate) && !self->held; i++) {
        add(items, gate_socket(self->gate, i), 0);
        add_monitor(items, gate_monitor(self->gate, i));
    }
    for (size_t i = 0; i < events_doors(self->events); i++) {
        add(items, events_socket(self->events, i), 0);
        add_monitor(items, events_monitor(self->events, i));
    }
}

/* ITEM is where add_doors() began. */
static void tell_doors(struct server *self, const zmq_pollitem_t *item)
{
    for (size_t i = 0; i < gate_doors(self->gate); i++) {
        gate_still(self->gate, i, !self->held && item[1].revents == 0);
        item += self->held ? 0 : 2;
    }
    for (size_t i = 0; i < events_doors(self->events); i++, item += 2)
        events_still(self->events, i, item[0].revents == 0 && item[1].revents == 0);
}

static void add_keys(struct server *self, struct items *items)
{
    if (!self->keys)
        return;
    add(items, keys_socket(self->keys), 0);
    if (keys_hint(self->keys) >= 0)
        add(items, NULL, keys_hint(self->keys));
}

void loop_wait(struct server *self, bool on, int64_t due_us, int64_t now_us)
{
    struct items items = {.count = 0};
    size_t signal = add(&items, NULL, self->signal_fd);
    size_t timer = add(&items, NULL, self->timer_fd);
    /* An item that is not there counts as -1, which poll() passes over. */
    bool watched = !committer_holds(self->committer); /* L3 */
    size_t watch = add(&items, NULL, watched ? watch_fd(self->watch) : -1);
    size_t helper = add(&items, NULL, helpers_fd(self->helpers));
    size_t doors;
    int ready;

    assert(tail_is_quiet(self->tail)); /* an un-reset statement would pin the WAL */
    add(&items, NULL, committer_fd(self->committer));
    doors = items.count;
    add_doors(self, &items);
    add_keys(self, &items);
    items.count += reps_items(self->reps, items.item + items.count);
    ready = (on ? ready_wait_on : ready_wait)(items.item, items.count, arm(self, due_us, now_us));
    self->came.signal = items.item[signal].revents != 0;
    self->came.time = items.item[timer].revents != 0;
    self->came.watch = items.item[watch].revents != 0;
    self->came.helper = items.item[helper].revents != 0;
    self->came.only_time = self->came.time && ready == 1;
    self->came.change = false;
    tell_doors(self, items.item + doors);
    if (self->came.time)
        disarm(self);
}
