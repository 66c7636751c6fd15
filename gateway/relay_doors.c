/* The doors of a relay's gate: what is read there, what is sent, and connections that close. */
#include <errno.h>
#include <stdlib.h>

#include "gateway/relay_inside.h"
#include "proto/jtext.h"

#define MESSAGES_AT_ONCE 200 /* from one door in one turn */

int relay_send(struct relay *self, const struct peer *peer, const struct envelope *envelope,
               const struct span *frame, size_t count)
{
    struct span all[2 + MDP_FRAMES_MAX];
    size_t n = 0;

    for (size_t i = 0; envelope && i < envelope->count; i++)
        all[n++] = span_of(envelope->data[i], envelope->size[i]);
    for (size_t i = 0; i < count; i++)
        all[n++] = frame[i];
    return gate_send(self->gate, peer, all, n);
}

void relay_tell_error(struct relay *self, const struct peer *peer, const struct envelope *envelope,
                      const char *error)
{
    struct buffer json;
    struct span frame;

    buffer_init(&json);
    buffer_text(&json, "{");
    jtext_member(&json, "type", span_str("error"));
    jtext_member(&json, "error", span_str(error));
    buffer_text(&json, "}");
    frame = buffer_span(&json);
    relay_send(self, peer, envelope, &frame, 1);
    buffer_done(&json);
}

void relay_dismiss(struct relay *self, const struct peer *peer, const struct envelope *envelope,
                   enum mdp_version version)
{
    const struct mdp_message message = {.command = MDP_DISCONNECT};
    struct span frame[MDP_FRAMES_MAX];

    relay_send(self, peer, envelope, frame, mdp_write(version, &message, frame));
}

/* Connections that have closed. What their peers said before that is read first. */

static void end_peer(struct relay *self, int64_t now_us, const struct peer *peer)
{
    struct worker *worker = workers_find(self->workers, peer);

    if (worker)
        relay_work_lose(self, now_us, worker, "its connection is closed");
}

static void note_closed(struct relay *self)
{
    struct peer peer;

    for (size_t door = 0; door < gate_doors(self->gate); door++) {
        while (gate_closed(self->gate, door, &peer)) {
            if (self->closed_count == self->closed_room) {
                self->closed_room = self->closed_room ? self->closed_room * 2 : 16;
                self->closed = memory_grow(self->closed, self->closed_room * sizeof peer);
            }
            self->closed[self->closed_count++] = peer;
        }
    }
}

/* A peer that sets its own routing id has connected afresh under it. */
static void end_earlier(struct relay *self, int64_t now_us, const struct peer *peer)
{
    bool earlier = gate_overtaken(self->gate, peer);

    for (size_t i = 0; i < self->closed_count && !earlier; i++) {
        if (!peer_equal(&self->closed[i], peer))
            continue;
        self->closed[i] = self->closed[--self->closed_count];
        earlier = true;
    }
    if (earlier)
        end_peer(self, now_us, peer);
}

/* Returns true when nothing waits at DOOR any more. */
static bool read_door(struct relay *self, int64_t now_us, size_t door)
{
    for (int i = 0; i < MESSAGES_AT_ONCE; i++) {
        struct span *frame;
        struct peer peer;
        size_t count;
        bool first = false;
        int got = gate_receive(self->gate, door, &self->set, &frame, &count, &peer, &first);
        if (got == 1 && first)
            end_earlier(self, now_us, &peer);
        if (got == 1)
            relay_hear(self, now_us, &peer, frame, count);
        else if (got == -E2BIG || got == -EBADMSG)
            self->count[RELAY_BAD_FRAMES]++;
        else
            return true;
    }
    return false;
}

bool relay_doors_run(struct relay *self, int64_t now_us)
{
    size_t before, left;
    bool empty = true;

    note_closed(self);
    before = self->closed_count;
    for (size_t door = 0; door < gate_doors(self->gate); door++)
        empty = read_door(self, now_us, door) && empty;
    if (!empty)
        return false;
    before = before < self->closed_count ? before : self->closed_count;
    for (size_t i = 0; i < before; i++)
        end_peer(self, now_us, &self->closed[i]);
    left = self->closed_count - before;
    if (before > 0 && left > 0)
        memmove(self->closed, self->closed + before, left * sizeof *self->closed);
    self->closed_count = left;
    note_closed(self); /* some are found closed by what was read of them just now */
    return self->closed_count == 0;
}
