#include <errno.h>
#include <stdio.h>

#include "gateway/log.h"
#include "gateway/server.h"
#include "proto/frames.h"
#include "proto/jtext.h"
#include "proto/mdp.h"
#include "proto/utf8.h"

#define MESSAGES_AT_ONCE 200          /* from one door in one turn of the loop */
#define SAY_AGAIN_US INT64_C(1000000) /* between log lines about refused messages */

void door_tell(struct server *self, const struct peer *peer, const struct envelope *envelope,
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
    carry_send(self, peer, envelope, &frame, 1);
    buffer_done(&json);
}

enum mdp_version door_version(enum worker_protocol protocol)
{
    return protocol == WORKER_MDP_01 ? MDP_01 : MDP_02;
}

void door_disconnect(struct server *self, const struct peer *peer, const struct envelope *envelope,
                     enum mdp_version version)
{
    const struct mdp_message message = {.command = MDP_DISCONNECT};
    struct span frame[MDP_FRAMES_MAX];

    carry_send(self, peer, envelope, frame, mdp_write(version, &message, frame));
}

/* Rate-limited: whoever has a key may send as fast as it likes. */
static void tell_refused(struct server *self, int64_t now_us, const struct gate_sender *sender,
                         const struct allow_entry *entry, const char *why)
{
    uint64_t refused = self->stats.count[STAT_REFUSED_ROLES];

    if (self->told_roles_us && now_us - self->told_roles_us < SAY_AGAIN_US)
        return;
    log_event(LOG_WARN, "refused-role", LOG_STR("key", sender->fingerprint),
              LOG_STR("name", entry ? entry->name : ""), LOG_STR("address", sender->address),
              LOG_INT("times", refused - self->told_roles), LOG_STR("say", why));
    self->told_roles_us = now_us;
    self->told_roles = refused;
}

const char *door_object(struct server *self, int64_t now_us, const struct peer *peer,
                        enum right right, struct span service)
{
    const struct allow_entry *entry;
    struct gate_sender sender;
    const char *why;

    if (peer->door >= DIAL_DOOR_FIRST || !gate_is_curve(self->gate, peer->door))
        return NULL;
    gate_sender(self->gate, peer->door, &self->set, &sender);
    entry = sender.fingerprint[0] ? allow_find(self->allow, sender.fingerprint) : NULL;
    why = rights_object(entry, right, service);
    if (why) {
        self->stats.count[STAT_REFUSED_ROLES]++;
        tell_refused(self, now_us, &sender, entry, why);
    }
    return why;
}

const char *door_object_worker(struct server *self, int64_t now_us, const struct peer *peer,
                               bool ready, struct span service)
{
    struct span all = span_str(SERVICE_ALL), any = span_str("");

    return door_object(self, now_us, peer, RIGHT_WORK, !ready ? any : service.size ? service : all);
}

static void refuse_bare(struct server *self, int64_t now_us, const struct peer *peer,
                        const struct envelope *envelope, const struct worker *worker,
                        const char *why)
{
    if (worker)
        hear_expel(self, now_us, peer, envelope, MDP_02, why);
    else
        door_tell(self, peer, envelope, why);
}

/* What a bare peer says: an opening, or a worker's answer. */
static bool on_bare(struct server *self, int64_t now_us, const struct peer *peer,
                    const struct envelope *envelope, const struct span *frame, size_t count)
{
    const struct worker *worker = dispatch_worker(self->dispatch, peer);
    bool answering = worker && worker->leases; /* whatever word its answer may be */
    struct opening opening;
    const char *why;

    if (worker && worker_is_majordomo(worker->protocol)) {
        hear_expel(self, now_us, peer, envelope, door_version(worker->protocol),
                   "it sent something that is not Majordomo");
        return true;
    }
    opening_read(frame, count, &opening);
    if (opening.kind == OPENING_ASK && !answering)
        return hear_ask(self, now_us, peer, envelope, &opening);
    if (opening.kind == OPENING_QUERY && !worker)
        return hear_query(self, now_us, peer, envelope, opening.body);
    why = door_object_worker(self, now_us, peer, opening.kind == OPENING_READY, opening.service);
    if (why) {
        refuse_bare(self, now_us, peer, envelope, worker, why);
        return true;
    }
    if (opening.kind == OPENING_READY)
        return ready_feed(self, now_us, peer, WORKER_REQ, envelope, opening.service,
                          opening.options);
    return hear_answer(self, now_us, peer, envelope, frame, count);
}

/* Messages. */

static void copy_envelope(struct envelope *envelope, const struct span *frame, size_t count)
{
    envelope->count = (uint8_t)count;
    for (size_t i = 0; i < count; i++) {
        envelope->size[i] = (uint8_t)frame[i].size;
        if (frame[i].size)
            memcpy(envelope->data[i], frame[i].data, frame[i].size);
    }
}

/* The framing of libmajordomo's head is not that of the RFCs: nothing that is sent back would be
 * understood. */
static void refuse_zproto(struct server *self)
{
    self->stats.count[STAT_UNSUPPORTED]++;
    log_event(LOG_WARN, "unsupported", LOG_STR("protocol", "zproto"),
              LOG_STR("say",
                      "a peer packs its commands as libmajordomo's own codec does; this gate "
                      "speaks Majordomo as RFC 7 and RFC 18 frame it"));
}

/* One message. Returns false when it must wait for its row. */
static bool on_message(struct server *self, int64_t now_us, const struct peer *peer,
                       const struct span *frame, size_t count)
{
    struct envelope envelope;
    struct frames frames;

    if (frames_read(frame, count, &frames) < 0) {
        self->stats.count[STAT_BAD_FRAMES]++;
        return true;
    }
    copy_envelope(&envelope, frame, frames.envelope);
    frame += frames.body;
    count -= frames.body;
    switch (frames.form) {
    case FRAMES_WORKER_02:
        return hear_majordomo(self, now_us, peer, &envelope, MDP_02, frame, count);
    case FRAMES_WORKER_01:
        return hear_majordomo(self, now_us, peer, &envelope, MDP_01, frame, count);
    case FRAMES_CLIENT_02:
        return hear_majordomo_client(self, now_us, peer, &envelope, MDP_02, frame, count);
    case FRAMES_CLIENT_01:
        return hear_majordomo_client(self, now_us, peer, &envelope, MDP_01, frame, count);
    case FRAMES_ZPROTO:
        refuse_zproto(self);
        return true;
    case FRAMES_BARE:
        break;
    }
    return on_bare(self, now_us, peer, &envelope, frame, count);
}

/* Tries the message that waits again. */
static void try_held(struct server *self, int64_t now_us)
{
    if (self->held)
        self->held =
            !on_message(self, now_us, &self->held_peer, self->held_frame, self->held_count);
}

/* Tries a message that has come. Returns for how many it counts beyond one. */
static int begin(struct server *self, int64_t now_us)
{
    self->held = true;
    self->batch_heard = 0;
    try_held(self, now_us);
    return self->batch_heard > 1 ? (int)self->batch_heard - 1 : 0;
}

static void feed_closed_peer(struct server *self, int64_t now_us, const struct peer *peer)
{
    struct event event = {.kind = EVENT_DISCONNECT};

    event.disconnect.reason = "its connection is closed";
    event.disconnect.peer = peer;
    carry_event(self, now_us, &event);
    clients_closed(self->clients, peer);
}

/* A peer that sets its own routing id has connected afresh under it: what the earlier connection
 * was ends before anything of this one is looked at. */
static void end_earlier(struct server *self, int64_t now_us, const struct peer *peer)
{
    bool earlier = gate_overtaken(self->gate, peer);

    for (size_t i = 0; i < self->closed_count && !earlier; i++) {
        if (!peer_equal(&self->closed[i], peer))
            continue;
        self->closed[i] = self->closed[--self->closed_count];
        earlier = true;
    }
    if (earlier)
        feed_closed_peer(self, now_us, peer);
}

/* Returns true when nothing waits at DOOR any more. */
static bool read_door(struct server *self, int64_t now_us, size_t door)
{
    for (int i = 0; i < MESSAGES_AT_ONCE && !self->held && !self->finished; i++) {
        bool first = false;
        int got = gate_receive(self->gate, door, &self->set, &self->held_frame, &self->held_count,
                               &self->held_peer, &first);
        if (got == 1 && first)
            end_earlier(self, now_us, &self->held_peer);
        if (got == -E2BIG || got == -EBADMSG)
            self->stats.count[STAT_BAD_FRAMES]++;
        else if (got == 1)
            i += begin(self, now_us);
        else
            return true;
    }
    return false;
}

/* Notes which connections have closed. What their peers said before that is read first. */
static void note_closed(struct server *self)
{
    struct peer peer;

    for (size_t door = 0; door < gate_doors(self->gate); door++) {
        while (gate_closed(self->gate, door, &peer)) {
            if (self->closed_count == self->closed_room) {
                self->closed_room = self->closed_room ? self->closed_room * 2 : 16;
                self->closed = memory_grow(self->closed, self->closed_room * sizeof peer);
            }
            self->closed[self->closed_count++] = peer;
            clients_closed(self->clients, &peer); /* what it still says makes it known anew */
        }
    }
}

/* Feeds the first COUNT of them. */
static void feed_closed(struct server *self, int64_t now_us, size_t count)
{
    count = count < self->closed_count ? count : self->closed_count;
    for (size_t i = 0; i < count; i++)
        feed_closed_peer(self, now_us, &self->closed[i]);
    self->closed_count -= count;
    if (count > 0)
        memmove(self->closed, self->closed + count, self->closed_count * sizeof self->closed[0]);
}

bool door_run(struct server *self, int64_t now_us)
{
    size_t doors = gate_doors(self->gate);
    size_t closed_before;
    bool empty = true;

    note_closed(self);
    closed_before = self->closed_count;
    try_held(self, now_us);
    for (size_t i = 0; i < doors; i++)
        empty = read_door(self, now_us, (self->first_door + i) % doors) && empty;
    self->first_door = (self->first_door + 1) % doors;
    if (empty)
        feed_closed(self, now_us, closed_before);
    note_closed(self); /* some are found closed by what was read of them just now */
    return empty;
}
