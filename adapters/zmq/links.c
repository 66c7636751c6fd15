#include "adapters/zmq/links.h"

#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

#include "proto/buffer.h"

#define DESCRIPTORS_MAX (1 << 20) /* Linux has no more for a process by default */

struct link {
    struct peer peer; /* the owner (K2); size 0: nobody was heard here */
    bool open;        /* as the monitor says */
};

struct links {
    void *socket;      /* the ROUTER */
    void *monitor;     /* a PAIR */
    struct link *link; /* by descriptor */
    size_t room;
    struct peer *gone; /* overtaken ones, to be reported */
    size_t gone_count, gone_room;
};

struct links *links_new(void *context, void *socket, size_t door)
{
    struct links *self = memory_zero(1, sizeof *self);
    const int linger = 0;
    char endpoint[64];

    snprintf(endpoint, sizeof endpoint, "inproc://links-%zu", door);
    self->socket = socket;
    self->monitor = zmq_socket(context, ZMQ_PAIR);
    if (self->monitor)
        zmq_setsockopt(self->monitor, ZMQ_LINGER, &linger, sizeof linger);
    if (!self->monitor ||
        zmq_socket_monitor(socket, endpoint, ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED) < 0 ||
        zmq_connect(self->monitor, endpoint) < 0)
        links_destroy(&self);
    return self;
}

void links_destroy(struct links **self)
{
    if (!*self)
        return;
    zmq_socket_monitor((*self)->socket, NULL, 0);
    if ((*self)->monitor)
        zmq_close((*self)->monitor);
    free((*self)->link);
    free((*self)->gone);
    free(*self);
    *self = NULL;
}

void *links_socket(const struct links *self)
{
    return self->monitor;
}

static struct link *link_at(struct links *self, int descriptor)
{
    size_t at = (size_t)descriptor;

    if (descriptor < 0 || descriptor >= DESCRIPTORS_MAX)
        return NULL;
    if (at >= self->room) {
        size_t room = at * 2 + 64;
        self->link = memory_grow(self->link, room * sizeof *self->link);
        memset(self->link + self->room, 0, (room - self->room) * sizeof *self->link);
        self->room = room;
    }
    return &self->link[at];
}

static void report(struct links *self, const struct peer *peer)
{
    if (self->gone_count == self->gone_room) {
        self->gone_room = self->gone_room ? self->gone_room * 2 : 16;
        self->gone = memory_grow(self->gone, self->gone_room * sizeof *self->gone);
    }
    self->gone[self->gone_count++] = *peer;
}

/* Reads one event of the monitor (zmq_socket_monitor(3)): number and descriptor, then the address.
 * False when none waits. */
static bool read_event(struct links *self, uint16_t *ret_event, int32_t *ret_descriptor)
{
    zmq_msg_t frame;
    int more = 1;

    *ret_event = 0;
    for (int part = 0; more; part++) {
        zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, self->monitor, ZMQ_DONTWAIT) < 0) {
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

static void read_monitor(struct links *self)
{
    int32_t descriptor = -1;
    uint16_t event;

    while (read_event(self, &event, &descriptor)) {
        struct link *link = event ? link_at(self, descriptor) : NULL;

        if (!link)
            continue;
        link->open = event == ZMQ_EVENT_ACCEPTED;
        if (link->peer.size)
            report(self, &link->peer);
        link->peer.size = 0;
    }
}

bool links_heard(struct links *self, int descriptor, const struct peer *peer)
{
    struct link *link = link_at(self, descriptor);

    if (!link || (link->peer.size && peer_equal(&link->peer, peer)))
        return false;
    read_monitor(self);
    link = link_at(self, descriptor); /* it may have moved */
    if (!link->open) {
        report(self, peer); /* K1 */
        return false;
    }
    if (link->peer.size)
        report(self, &link->peer);
    link->peer = *peer;
    return true;
}

bool links_overtaken(struct links *self, const struct peer *peer)
{
    for (size_t i = 0; i < self->gone_count; i++) {
        if (!peer_equal(&self->gone[i], peer))
            continue;
        self->gone[i] = self->gone[--self->gone_count];
        return true;
    }
    return false;
}

bool links_closed(struct links *self, struct peer *ret_peer)
{
    read_monitor(self);
    if (self->gone_count == 0)
        return false;
    *ret_peer = self->gone[--self->gone_count];
    return true;
}
