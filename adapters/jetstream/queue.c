#include "adapters/jetstream/queue.h"

#include <stdlib.h>

#include "proto/buffer.h"

void queue_init(struct queue *self, size_t room)
{
    *self = (struct queue){.item = memory_zero(room, sizeof *self->item), .room = room};
}

void queue_done(struct queue *self)
{
    for (natsMsg *message; (message = queue_take(self));)
        natsMsg_Destroy(message);
    free(self->item);
    *self = (struct queue){.item = NULL};
}

bool queue_put(struct queue *self, natsMsg *message_take)
{
    if (self->count == self->room)
        return false;
    self->item[(self->first + self->count++) % self->room] = message_take;
    return true;
}

natsMsg *queue_take(struct queue *self)
{
    if (self->count == 0)
        return NULL;
    natsMsg *message = self->item[self->first];
    self->first = (self->first + 1) % self->room;
    self->count--;
    return message;
}
