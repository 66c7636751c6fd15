#include "adapters/zmq/monitor.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

void *monitor_open(void *context, void *socket)
{
    void *monitor = zmq_socket(context, ZMQ_PAIR);
    const int linger = 0;
    char name[64];

    snprintf(name, sizeof name, "inproc://monitor-%p", socket); /* of its own while SOCKET lives */
    if (monitor)
        zmq_setsockopt(monitor, ZMQ_LINGER, &linger, sizeof linger);
    if (!monitor ||
        zmq_socket_monitor(socket, name, ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED) < 0 ||
        zmq_connect(monitor, name) < 0)
        monitor_close(socket, &monitor);
    return monitor;
}

void monitor_close(void *socket, void **monitor)
{
    int error = errno;

    zmq_socket_monitor(socket, NULL, 0);
    if (*monitor)
        zmq_close(*monitor);
    *monitor = NULL;
    errno = error;
}

/* Reads one event: number and descriptor, then the address. False when none waits. */
static bool read_event(void *monitor, uint16_t *ret_event, int32_t *ret_descriptor)
{
    zmq_msg_t frame;
    int more = 1;

    *ret_event = 0;
    for (int part = 0; more; part++) {
        zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, monitor, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&frame);
            return false;
        }
        more = zmq_msg_more(&frame);
        if (part == 0 && zmq_msg_size(&frame) == sizeof *ret_event + sizeof *ret_descriptor) {
            memcpy(ret_event, zmq_msg_data(&frame), sizeof *ret_event);
            memcpy(ret_descriptor, (const char *)zmq_msg_data(&frame) + sizeof *ret_event,
                   sizeof *ret_descriptor);
        }
        zmq_msg_close(&frame);
    }
    return true;
}

bool monitor_next(void *monitor, int *ret_descriptor, bool *ret_open)
{
    int32_t descriptor = -1;
    uint16_t event;

    while (read_event(monitor, &event, &descriptor)) {
        if (!event || descriptor < 0 || descriptor >= MONITOR_DESCRIPTORS)
            continue;
        *ret_descriptor = descriptor;
        *ret_open = event == ZMQ_EVENT_ACCEPTED;
        return true;
    }
    return false;
}
