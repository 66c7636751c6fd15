#include "adapters/worker/outlet.h"

#include <errno.h>
#include <unistd.h>

#define KEEP_ROOM (1u << 20) /* storage above this is given back once it is empty */

void outlet_init(struct outlet *self)
{
    buffer_init(&self->bytes);
    self->sent = 0;
}

void outlet_done(struct outlet *self)
{
    buffer_done(&self->bytes);
    self->sent = 0;
}

size_t outlet_waiting(const struct outlet *self)
{
    return self->bytes.size - self->sent;
}

/* Lets go of what is sent: all of the storage, or its first half at least, so that bytes which
 * always wait do not make it grow. */
static void compact(struct outlet *self)
{
    size_t waiting = outlet_waiting(self);
    if (waiting > self->sent)
        return;
    if (waiting == 0 && self->bytes.room > KEEP_ROOM) {
        buffer_done(&self->bytes);
    } else if (self->sent > 0) {
        memmove(self->bytes.data, self->bytes.data + self->sent, waiting);
        self->bytes.size = waiting;
    }
    self->sent = 0;
}

int outlet_write(struct outlet *self, int descriptor)
{
    int code = 0;
    while (code == 0 && outlet_waiting(self) > 0) {
        ssize_t put = write(descriptor, self->bytes.data + self->sent, outlet_waiting(self));
        if (put < 0)
            code = -errno;
        else
            self->sent += (size_t)put;
    }
    compact(self);
    return code == -EAGAIN ? 0 : code;
}
