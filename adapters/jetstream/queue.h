/* Messages that wait, oldest first: a ring of a fixed size. Its user guards it. */
#ifndef TAILGATE_ADAPTERS_JETSTREAM_QUEUE_H
#define TAILGATE_ADAPTERS_JETSTREAM_QUEUE_H

#include <nats/nats.h>
#include <stdbool.h>
#include <stddef.h>

struct queue {
    natsMsg **item;
    size_t room, first, count;
};

void queue_init(struct queue *self, size_t room);
/* Destroys what still waits. */
void queue_done(struct queue *self);
/* False when it is full; then MESSAGE is still the caller's. */
bool queue_put(struct queue *self, natsMsg *message_take);
/* NULL when nothing waits. */
natsMsg *queue_take(struct queue *self);

#endif
