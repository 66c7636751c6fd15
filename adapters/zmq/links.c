#include "adapters/zmq/links.h"

#include <stdlib.h>

#include "adapters/zmq/doorkeeper.h"
#include "adapters/zmq/monitor.h"
#include "proto/buffer.h"

#define YOUNG 6 /* calls of links_free_names(), one a second: a handshake has ended by then */

struct link {
    struct peer peer;                /* the owner (K2); size 0: nobody was heard here */
    bool open;                       /* as the monitor says */
    uint64_t since;                  /* that call of links_free_names() */
    char key[CERT_FINGERPRINT_SIZE]; /* of a CURVE door: the fingerprint of its key */
};

struct links {
    void *socket;      /* the ROUTER */
    void *monitor;     /* a PAIR */
    bool still;        /* the monitor has nothing to say */
    struct link *link; /* by descriptor */
    size_t room;
    struct peer *gone; /* overtaken ones, to be reported */
    size_t gone_count, gone_room;
    uint64_t calls; /* of links_free_names() */
    uint64_t freed; /* during which of these a peer with a routing id of its own has gone */
    bool name_free; /* that was so, and not all who may wait for the name have been cut */
};

struct links *links_new(void *context, void *socket)
{
    struct links *self = memory_zero(1, sizeof *self);

    self->socket = socket;
    self->monitor = monitor_open(context, socket);
    if (!self->monitor)
        links_destroy(&self);
    return self;
}

void links_destroy(struct links **self)
{
    if (!*self)
        return;
    monitor_close((*self)->socket, &(*self)->monitor);
    free((*self)->link);
    free((*self)->gone);
    free(*self);
    *self = NULL;
}

void *links_socket(const struct links *self)
{
    return self->monitor;
}

void links_still(struct links *self, bool still)
{
    self->still = still;
}

static struct link *link_at(struct links *self, int descriptor)
{
    size_t at = (size_t)descriptor;

    if (descriptor < 0 || descriptor >= MONITOR_DESCRIPTORS)
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

/* A routing id that ZeroMQ has chosen begins with a zero byte, and is nobody else's. */
static bool is_named(const struct peer *peer)
{
    return peer->id[0] != 0;
}

static void read_monitor(struct links *self)
{
    int descriptor;
    bool open;

    while (monitor_next(self->monitor, &descriptor, &open)) {
        struct link *link = link_at(self, descriptor);

        link->open = open;
        link->since = self->calls;
        if (link->peer.size) {
            if (is_named(&link->peer)) {
                self->name_free = true;
                self->freed = self->calls;
            }
            report(self, &link->peer);
        }
        link->peer.size = 0;
        link->key[0] = '\0';
    }
}

void links_key(struct links *self, int descriptor, const char *fingerprint)
{
    struct link *link = link_at(self, descriptor);

    if (link)
        memcpy(link->key, fingerprint, sizeof link->key);
}

void links_cut_keys(struct links *self, const char *endpoint, curve_allowed_fn *allowed,
                    void *context)
{
    read_monitor(self);
    for (size_t i = 0; i < self->room; i++) {
        const struct link *link = &self->link[i];
        if (link->open && !(link->key[0] && allowed(context, link->key)))
            doorkeeper_cut((int)i, endpoint);
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

void links_free_names(struct links *self, const char *endpoint)
{
    read_monitor(self);
    self->calls++;
    if (!self->name_free)
        return;
    self->name_free = false;
    for (size_t i = 0; i < self->room; i++) {
        const struct link *link = &self->link[i];
        if (!link->open || link->peer.size || link->since > self->freed)
            continue;
        if (self->calls - link->since <= YOUNG)
            self->name_free = true; /* for a later call */
        else
            doorkeeper_cut((int)i, endpoint);
    }
}

bool links_is_open(struct links *self, const struct peer *peer)
{
    if (!is_named(peer))
        return true;
    read_monitor(self);
    for (size_t i = 0; i < self->room; i++)
        if (self->link[i].open && peer_equal(&self->link[i].peer, peer))
            return true;
    return false;
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
    if (!self->still)
        read_monitor(self);
    if (self->gone_count == 0)
        return false;
    *ret_peer = self->gone[--self->gone_count];
    return true;
}
