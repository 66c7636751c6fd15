#include "adapters/zmq/link_monitor.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#define WATCHED                                                                                    \
    (ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |                             \
     ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CONNECT_RETRIED)

int link_monitor_open(struct link_monitor *self, void *context, void *socket)
{
    static atomic_uint
        serial; /* names within a context are unique; monitors may be on any thread */
    char name[48];
    snprintf(name, sizeof name, "inproc://link-monitor-%u", atomic_fetch_add(&serial, 1));
    if (zmq_socket_monitor(socket, name, WATCHED) != 0)
        return -errno;
    int code = 0, linger = 0;
    void *events = zmq_socket(context, ZMQ_PAIR);
    if (!events || zmq_setsockopt(events, ZMQ_LINGER, &linger, sizeof linger) != 0 ||
        zmq_connect(events, name) != 0)
        code = -errno;
    if (code != 0) {
        if (events)
            zmq_close(events);
        zmq_socket_monitor(socket, NULL, 0);
        return code;
    }
    self->watched = socket;
    self->events = events;
    return 0;
}

static enum link_monitor_event translate(uint16_t number)
{
    switch (number) {
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        return LINK_MONITOR_UP;
    case ZMQ_EVENT_DISCONNECTED:
        return LINK_MONITOR_LOST;
    case ZMQ_EVENT_CONNECT_RETRIED:
        return LINK_MONITOR_RETRY;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
        return LINK_MONITOR_REFUSED;
    default:
        return LINK_MONITOR_NONE;
    }
}

/* One event is two frames: a number with a value (6 bytes), and the endpoint. Returns false when
 * none waits. */
static bool receive(struct link_monitor *self, enum link_monitor_event *ret_event)
{
    unsigned char head[6] = {0};
    uint16_t number;
    uint32_t value;
    int more = 1;
    for (int frame = 0; more; frame++) {
        zmq_msg_t part;
        zmq_msg_init(&part);
        if (zmq_msg_recv(&part, self->events, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&part);
            return false;
        }
        if (frame == 0 && zmq_msg_size(&part) >= sizeof head)
            memcpy(head, zmq_msg_data(&part), sizeof head);
        more = zmq_msg_more(&part);
        zmq_msg_close(&part);
    }
    memcpy(&number, head, sizeof number);
    memcpy(&value, head + sizeof number, sizeof value);
    if (number == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
        self->refusal = LINK_MONITOR_KEY;
    else if (number == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL)
        self->refusal = value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH ? LINK_MONITOR_SECURITY
                                                                            : LINK_MONITOR_STRANGE;
    *ret_event = translate(number);
    return true;
}

enum link_monitor_event link_monitor_next(struct link_monitor *self)
{
    enum link_monitor_event event = LINK_MONITOR_NONE;
    while (event == LINK_MONITOR_NONE && self->events && receive(self, &event))
        continue;
    return event;
}

void link_monitor_close(struct link_monitor *self)
{
    if (self->watched)
        zmq_socket_monitor(self->watched, NULL, 0);
    if (self->events)
        zmq_close(self->events);
    self->watched = NULL;
    self->events = NULL;
}
