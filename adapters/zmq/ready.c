#include "adapters/zmq/ready.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>

int ready_descriptor(void *socket)
{
    int descriptor = -1;
    size_t size = sizeof descriptor;

    zmq_getsockopt(socket, ZMQ_FD, &descriptor, &size);
    return descriptor;
}

/* What SOCKET is ready for now; looks at what its descriptor tells of. */
static short events_of(void *socket)
{
    int events = 0;
    size_t size = sizeof events;

    zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size);
    return (short)events;
}

/* Fills in what to ask the kernel. Returns true when a socket is ready without that; none is asked
 * when all are known to be SILENT. */
static bool ask_sockets(zmq_pollitem_t *item, size_t count, bool silent, struct pollfd *ret_ask)
{
    bool any = false;

    for (size_t i = 0; i < count; i++) {
        ret_ask[i] = (struct pollfd){.fd = item[i].fd, .events = POLLIN};
        item[i].revents = 0;
        if (item[i].socket) {
            ret_ask[i].fd = ready_descriptor(item[i].socket);
            if (!silent)
                item[i].revents = (short)(events_of(item[i].socket) & item[i].events);
        }
        any |= item[i].revents != 0;
    }
    return any;
}

static int wait_for(zmq_pollitem_t *item, size_t count, bool silent, long timeout_ms)
{
    struct pollfd ask[READY_ITEMS];
    int ready = 0;

    assert(count <= READY_ITEMS);
    if (ask_sockets(item, count, silent, ask))
        timeout_ms = 0;
    if (poll(ask, count, (int)timeout_ms) < 0) {
        if (errno != EINTR)
            return -errno;
        for (size_t i = 0; i < count; i++)
            ask[i].revents = 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (ask[i].revents)
            item[i].revents |= ZMQ_POLLIN;
        ready += item[i].revents != 0;
    }
    return ready;
}

int ready_wait(zmq_pollitem_t *item, size_t count, long timeout_ms)
{
    return wait_for(item, count, false, timeout_ms);
}

int ready_wait_on(zmq_pollitem_t *item, size_t count, long timeout_ms)
{
    return wait_for(item, count, true, timeout_ms);
}
