/* Deliveries, put off until the frames that wait at the doors are read: what leaves in one go wakes
 * ZeroMQ's thread, and each worker, once and not for each query. None is put off longer than the
 * turn. Meanwhile its worker may be lost, or the query answered: then it comes to nothing. */
#include <stdlib.h>

#include "gateway/server.h"

#define ROOM_KEPT 1024 /* deliveries; an action is large */

void deliveries_add(struct server *self, const struct action *action)
{
    struct deliveries *put_off = &self->deliveries;

    if (put_off->count == put_off->room) {
        put_off->room = put_off->room ? put_off->room * 2 : 16;
        put_off->action = memory_grow(put_off->action, put_off->room * sizeof *put_off->action);
    }
    put_off->action[put_off->count++] = *action;
}

/* Tells the core when the committer's queue is full, or is so no more. Not only answers fill it:
 * the ends that are found before a delivery are recorded one by one, and nothing runs ahead of that
 * by more than what was put off at once (I7). */
static void tell_if_full(struct server *self, int64_t now_us)
{
    struct event event = {.kind = EVENT_FULL};

    event.full.on = committer_queued(self->committer) >= (size_t)self->config.commit_queue;
    if (event.full.on == self->full)
        return;
    self->full = event.full.on;
    self->stats.count[STAT_HELD_BACK] += event.full.on;
    carry_event(self, now_us, &event);
}

void deliveries_run(struct server *self, int64_t now_us)
{
    struct deliveries *put_off = &self->deliveries;

    tell_if_full(self, now_us);
    while (put_off->count > 0) {
        for (size_t i = 0; i < put_off->count; i++)
            if (dispatch_awaits(self->dispatch, &put_off->action[i]))
                carry_deliver(self, now_us, &put_off->action[i]);
        batches_send(self, now_us);
        put_off->count = 0;
        tell_if_full(self, now_us);
        carry_actions(self, now_us); /* may put off others */
    }
    if (put_off->room > ROOM_KEPT) {
        free(put_off->action);
        *put_off = (struct deliveries){0};
    }
}
