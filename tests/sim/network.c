/* Connections: first in, first out each way. Frames are late, or lost with their connection, whose
 * end the gate notices, finds out when it sends, or never hears of. */
#include "tests/sim/sim.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/buffer.h"

struct peer network_peer(int connection)
{
    struct peer peer = {.door = 0, .size = sizeof connection};

    memcpy(peer.id, &connection, sizeof connection);
    return peer;
}

int network_connection(const struct peer *peer)
{
    int connection;

    memcpy(&connection, peer->id, sizeof connection);
    return connection;
}

int network_open(struct sim *self, int worker)
{
    struct connection *made;

    if (self->connections == CONNECTIONS_MAX)
        return NOBODY;
    made = &self->connection[self->connections];
    *made = (struct connection){.worker = worker, .up = true, .open = true};
    return (int)self->connections++;
}

static uint32_t keep(struct sim *self, const struct frame *frame)
{
    uint32_t at = self->frame_free;

    if (at == UINT32_MAX) {
        if (self->frames == self->frame_room) {
            self->frame_room = self->frame_room ? self->frame_room * 2 : 64;
            self->frame = memory_grow(self->frame, self->frame_room * sizeof *self->frame);
        }
        at = self->frames++;
    } else {
        self->frame_free = self->frame[at].next_free;
    }
    self->frame[at] = *frame;
    return at;
}

static void post(struct sim *self, int connection, const struct frame *frame, int64_t *last_us,
                 enum what what)
{
    int64_t at_us = self->now_us + between(self, 50, 2 * MS);

    if (strikes(self, FAULT_FRAME_DELAYED, 40))
        at_us += between(self, 10 * MS, 6 * SECOND);
    if (at_us <= *last_us)
        at_us = *last_us + 1;
    *last_us = at_us;
    run_at(self, at_us, what, (unsigned)connection, keep(self, frame), 0);
}

void network_cut(struct sim *self, int connection, bool noticed)
{
    struct connection *cut = &self->connection[connection];
    const struct frame close = {.kind = FRAME_CLOSE};

    if (!cut->up)
        return;
    cut->up = false;
    cut->drops = strikes(self, FAULT_FRAME_LOST, 2);
    trace(self, noticed ? "connection closed" : "connection lost, unnoticed", 0, connection,
          cut->worker);
    if (noticed && self->dispatch)
        post(self, connection, &close, &cut->to_gate_us, WHAT_GATE_FRAME);
}

void network_to_gate(struct sim *self, int connection, const struct frame *frame)
{
    struct connection *used = &self->connection[connection];

    if (used->up && self->dispatch)
        post(self, connection, frame, &used->to_gate_us, WHAT_GATE_FRAME);
}

int network_to_worker(struct sim *self, int connection, const struct frame *frame)
{
    struct connection *used = &self->connection[connection];

    if (used->open && !used->up && below(self, 3) == 0)
        used->open = false; /* the operating system has told the socket by now */
    if (!used->open)
        return -EHOSTUNREACH;
    if (frame->kind == FRAME_REQUEST && strikes(self, FAULT_PEER_FULL, 20))
        return -EAGAIN;
    if (used->up)
        post(self, connection, frame, &used->to_worker_us, WHAT_WORKER_FRAME);
    return 0;
}

void network_arrive(struct sim *self, const struct item *item)
{
    struct frame frame = self->frame[item->b];
    struct connection *used = &self->connection[item->a];
    int worker = used->worker;

    self->frame[item->b].next_free = self->frame_free;
    self->frame_free = item->b;
    if (used->drops && frame.kind != FRAME_CLOSE) {
        trace(self, "frame lost", 0, item->a, (int)frame.kind);
        return;
    }
    if (item->what == WHAT_GATE_FRAME) {
        if (used->open && self->dispatch)
            gate_frame(self, (int)item->a, &frame);
    } else if (self->worker[worker].alive && self->worker[worker].connection == (int)item->a) {
        worker_frame(self, worker, &frame);
    }
}
