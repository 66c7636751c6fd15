#include "adapters/zmq/frameset.h"

#include <errno.h>

void frameset_init(struct frameset *self)
{
    self->count = 0;
}

void frameset_done(struct frameset *self)
{
    for (size_t i = 0; i < self->count; i++)
        zmq_msg_close(&self->message[i]);
    self->count = 0;
}

/* Takes and drops the rest of a message that has too many frames. */
static void skip_rest(void *socket)
{
    zmq_msg_t frame;
    int more = 1;

    while (more) {
        zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) < 0)
            more = 0;
        else
            more = zmq_msg_more(&frame);
        zmq_msg_close(&frame);
    }
}

int frameset_receive(struct frameset *self, void *socket)
{
    const size_t room = sizeof self->message / sizeof self->message[0];

    frameset_done(self);
    for (;;) {
        zmq_msg_t *frame = &self->message[self->count];
        zmq_msg_init(frame);
        if (zmq_msg_recv(frame, socket, ZMQ_DONTWAIT) < 0) {
            int error = errno;
            zmq_msg_close(frame);
            return error == EAGAIN ? 0 : -error;
        }
        self->frame[self->count] = span_of(zmq_msg_data(frame), zmq_msg_size(frame));
        self->count++;
        if (!zmq_msg_more(frame))
            return 1;
        if (self->count == room) {
            skip_rest(socket);
            frameset_done(self);
            return -E2BIG;
        }
    }
}

int frameset_send(void *socket, const struct span *frame, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int flags = ZMQ_DONTWAIT | (i + 1 < count ? ZMQ_SNDMORE : 0);
        if (zmq_send(socket, frame[i].data, frame[i].size, flags) < 0)
            return -errno;
    }
    return 0;
}
