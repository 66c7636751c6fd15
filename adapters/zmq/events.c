#include "adapters/zmq/events.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "adapters/zmq/bind.h"
#include "adapters/zmq/frameset.h"
#include "proto/buffer.h"

#define SUBSCRIPTION_MAX 256        /* bytes of one, the first says whether it begins or ends */
#define MESSAGE_MAX 4096            /* bytes of what an observer may send; more cuts it off */
#define SUBSCRIPTIONS_AT_ONCE 10000 /* read in one turn */

struct door {
    void *socket; /* the XPUB */
    char endpoint[BIND_ENDPOINT_SIZE];
    size_t subscriptions;
    bool inside; /* of a message of several frames: what follows the first one is no subscription */
};

struct events {
    void *context;
    struct door door[EVENTS_DOORS];
    size_t doors;
};

struct events *events_new(void *context)
{
    struct events *self = memory_zero(1, sizeof *self);

    self->context = context;
    return self;
}

void events_destroy(struct events **self, int linger_ms)
{
    if (!*self)
        return;
    for (size_t i = 0; i < (*self)->doors; i++) {
        zmq_setsockopt((*self)->door[i].socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
        zmq_close((*self)->door[i].socket);
    }
    free(*self);
    *self = NULL;
}

int events_bind(struct events *self, const char *endpoint, bool group)
{
    struct door *door = &self->door[self->doors];
    int error;

    if (self->doors == EVENTS_DOORS)
        return -E2BIG;
    door->socket = bind_open(self->context, ZMQ_XPUB, endpoint, MESSAGE_MAX);
    if (!door->socket)
        return -errno;
    bind_set(door->socket, ZMQ_XPUB_NODROP, 0);
    error = bind_socket(door->socket, endpoint, group, door->endpoint);
    if (error) {
        zmq_close(door->socket);
        return error;
    }
    return (int)self->doors++;
}

size_t events_doors(const struct events *self)
{
    return self->doors;
}

void *events_socket(const struct events *self, size_t door)
{
    return self->door[door].socket;
}

const char *events_endpoint(const struct events *self, size_t door)
{
    return self->door[door].endpoint;
}

/* One frame that came: XPUB passes the first subscription to a topic on, and the end of the last
 * one (of a connection that closes, too). An observer may send other things, which mean nothing. */
static void note_subscription(struct door *door, const zmq_msg_t *frame)
{
    size_t size = zmq_msg_size(frame);
    const char *data = zmq_msg_data((zmq_msg_t *)frame); /* changes nothing */

    if (size == 0 || size > SUBSCRIPTION_MAX)
        return;
    if (data[0] == 1)
        door->subscriptions++;
    else if (data[0] == 0 && door->subscriptions > 0)
        door->subscriptions--;
}

static void drain_door(struct door *door)
{
    zmq_msg_t frame;
    int left = SUBSCRIPTIONS_AT_ONCE;

    zmq_msg_init(&frame);
    while (left-- > 0 && zmq_msg_recv(&frame, door->socket, ZMQ_DONTWAIT) >= 0) {
        if (!door->inside)
            note_subscription(door, &frame);
        door->inside = zmq_msg_more(&frame);
    }
    zmq_msg_close(&frame);
}

void events_drain(struct events *self)
{
    for (size_t i = 0; i < self->doors; i++)
        drain_door(&self->door[i]);
}

size_t events_subscriptions(const struct events *self)
{
    size_t count = 0;

    for (size_t i = 0; i < self->doors; i++)
        count += self->door[i].subscriptions;
    return count;
}

int events_publish(struct events *self, struct span topic, uint64_t seq, struct span json)
{
    char number[21];
    int size = snprintf(number, sizeof number, "%llu", (unsigned long long)seq);
    const struct span frame[] = {topic, span_of(number, (size_t)size), json};
    int result = 0;

    for (size_t i = 0; i < self->doors; i++) {
        int error = self->door[i].subscriptions ? frameset_send(self->door[i].socket, frame, 3) : 0;
        if (error)
            result = error;
    }
    return result;
}

bool events_over_tcp(const struct events *self)
{
    for (size_t i = 0; i < self->doors; i++)
        if (strncmp(self->door[i].endpoint, "tcp://", 6) == 0)
            return true;
    return false;
}

bool events_wanted(const struct events *self, enum topic_kind kind)
{
    (void)kind;
    return events_subscriptions(self) > 0;
}

int events_welcome(struct events *self, struct span frame)
{
    for (size_t i = 0; i < self->doors; i++)
        if (zmq_setsockopt(self->door[i].socket, ZMQ_XPUB_WELCOME_MSG, frame.data, frame.size) < 0)
            return -errno;
    return 0;
}
