/* Deliveries, put off until the frames that wait at the doors are read: what leaves in one go wakes
 * ZeroMQ's thread, and each worker, once and not for each query. None is put off longer than the
 * turn. Meanwhile its worker may be lost, or the query answered: then it comes to nothing. */
#include "gateway/server.h"

void deliveries_add(struct server *self, const struct action *action)
{
    struct deliveries *put_off = &self->deliveries;

    if (put_off->count == put_off->room) {
        put_off->room = put_off->room ? put_off->room * 2 : 16;
        put_off->action = memory_grow(put_off->action, put_off->room * sizeof *put_off->action);
    }
    put_off->action[put_off->count++] = *action;
}

void deliveries_run(struct server *self, int64_t now_us)
{
    struct deliveries *put_off = &self->deliveries;

    while (put_off->count > 0) {
        for (size_t i = 0; i < put_off->count; i++)
            if (dispatch_awaits(self->dispatch, &put_off->action[i]))
                carry_deliver(self, now_us, &put_off->action[i]);
        put_off->count = 0;
        carry_actions(self, now_us); /* may put off others */
    }
}
