#include <errno.h>
#include <stdio.h>

#include "gateway/log.h"
#include "gateway/server.h"
#include "proto/frames.h"
#include "proto/jtext.h"
#include "proto/mdp.h"
#include "proto/utf8.h"

#define MESSAGES_AT_ONCE 200 /* from one door in one turn of the loop */

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

static void tell_disconnect(struct server *self, const struct peer *peer,
                            const struct envelope *envelope)
{
    const struct mdp_message message = {.command = MDP_DISCONNECT};
    struct span frame[MDP_FRAMES_MAX];

    carry_send(self, peer, envelope, frame, mdp_write(&message, frame));
}

/* Answers. */

/* One span for a body of several frames, repaired to text that can be committed. False: it is too
 * large. */
static bool body_text(const struct span *frame, size_t count, struct buffer *storage,
                      struct span *ret_body)
{
    struct buffer joined;
    struct span body = frame[0];
    size_t size = 0;

    for (size_t i = 0; i < count; i++)
        size += frame[i].size;
    if (size > LIMIT_FRAME_SIZE)
        return false;
    buffer_init(&joined);
    for (size_t i = 0; count > 1 && i < count; i++)
        buffer_add(&joined, frame[i]);
    if (count > 1)
        body = buffer_span(&joined);
    if (count > 1 || !utf8_valid(body) || memchr(body.data, 0, body.size)) {
        utf8_repair(storage, body);
        body = buffer_span(storage);
    }
    buffer_done(&joined);
    *ret_body = body;
    return true;
}

void door_expel(struct server *self, int64_t now_us, const struct peer *peer,
                const struct envelope *envelope, const char *reason)
{
    const struct worker *worker = dispatch_worker(self->dispatch, peer);
    bool bare = worker && worker->protocol == WORKER_REQ;
    struct event event = {.kind = EVENT_DISCONNECT};

    self->stats.count[STAT_BAD_FRAMES]++;
    event.disconnect.peer = peer;
    event.disconnect.reason = reason;
    if (worker)
        carry_event(self, now_us, &event);
    if (bare)
        door_tell(self, peer, envelope, reason);
    else
        tell_disconnect(self, peer, envelope);
}

/* Feeds an answer or partial for row MESSAGE_ID to the core. TOKEN NULL: that of WORKER's only
 * lease. Returns false when the row cannot be read just now. */
static bool feed_answer(struct server *self, int64_t now_us, const struct peer *peer,
                        const struct worker *worker, const struct token *token,
                        const struct answer *answer, bool partial)
{
    int64_t id = token ? token->message_id : worker->leases->id;
    uint32_t attempt = token ? token->attempt : worker->leases->attempt;
    struct event event = {.kind = partial ? EVENT_PARTIAL : EVENT_ANSWER};
    struct answer_in_hand *hand = &self->in_hand;
    struct buffer reason;
    int error = tail_load(self->tail, id, &hand->row);

    if (!intake_could_read(self, error))
        return false;
    buffer_init(&reason);
    event.answer.peer = peer;
    event.answer.row.found = error == BRIDGE_OK;
    hand->answer = answer;
    if (event.answer.row.found) {
        hand->loaded = true;
        message_read(&hand->row.columns, &hand->query);
        event.answer.row.read = hand->row.read;
        token_digest(hand->row.conversation_id, hand->row.columns.text, &event.answer.row.digest);
        event.answer.row.service = intake_service(&hand->row, &hand->query);
        event.answer.row.conversation_id = hand->row.conversation_id;
    }
    if (token)
        event.answer.token = *token;
    else
        token_sign(&self->key, id, attempt, &event.answer.row.digest, &event.answer.token);
    event.answer.error = answer->kind == ANSWER_ERROR && !partial;
    event.answer.returned = answer->kind == ANSWER_RETURN && !partial;
    event.answer.retry = answer->retry;
    if (event.answer.error || event.answer.returned)
        answer_reason(answer, &self->redactor, &reason);
    event.answer.reason = buffer_span(&reason);
    carry_event(self, now_us, &event);
    carry_let_go(self);
    buffer_done(&reason);
    return true;
}

/* MDP. */

static bool on_mdp_answer(struct server *self, int64_t now_us, const struct peer *peer,
                          const struct envelope *envelope, const struct mdp_message *message)
{
    bool partial = message->command == MDP_PARTIAL;
    struct buffer storage;
    struct answer answer;
    struct token token;
    struct span body;
    bool read = true;

    buffer_init(&storage);
    if (token_parse(message->address, &token) < 0) {
        door_expel(self, now_us, peer, envelope, "the client address of its answer is not a token");
    } else if (!body_text(message->body, message->body_count, &storage, &body)) {
        door_expel(self, now_us, peer, envelope, "its answer is too large");
    } else {
        answer_read(body, &answer);
        read = feed_answer(self, now_us, peer, NULL, &token, &answer, partial);
        if (read && !dispatch_worker(self->dispatch, peer)) {
            self->stats.count[STAT_STRANGERS]++;
            tell_disconnect(self, peer, envelope);
        }
    }
    buffer_done(&storage);
    return read;
}

static bool on_mdp(struct server *self, int64_t now_us, const struct peer *peer,
                   const struct envelope *envelope, const struct span *frame, size_t count)
{
    struct event event = {.kind = EVENT_HEARTBEAT};
    struct mdp_message message;

    if (mdp_read(frame, count, &message) < 0 || message.command == MDP_REQUEST) {
        door_expel(self, now_us, peer, envelope, "it sent a malformed Majordomo command");
        return true;
    }
    switch (message.command) {
    case MDP_READY:
        return ready_feed(self, now_us, peer, WORKER_MDP_02, envelope, message.service,
                          message.options);
    case MDP_PARTIAL:
    case MDP_FINAL:
        return on_mdp_answer(self, now_us, peer, envelope, &message);
    case MDP_HEARTBEAT:
    case MDP_DISCONNECT:
    default:
        break;
    }
    if (!dispatch_worker(self->dispatch, peer)) {
        self->stats.count[STAT_STRANGERS]++;
        if (message.command == MDP_HEARTBEAT)
            tell_disconnect(self, peer, envelope);
        return true;
    }
    event.heartbeat.peer = peer;
    if (message.command == MDP_DISCONNECT) {
        event.kind = EVENT_DISCONNECT;
        event.disconnect.peer = peer;
        event.disconnect.reason = "it said DISCONNECT";
    }
    carry_event(self, now_us, &event);
    return true;
}

/* Bare peers. */

/* What a bare peer says that opens nothing: a REQ worker's answer, or an answer that carries its
 * token. */
static bool on_bare_answer(struct server *self, int64_t now_us, const struct peer *peer,
                           const struct envelope *envelope, const struct span *frame, size_t count)
{
    const struct worker *worker = dispatch_worker(self->dispatch, peer);
    struct buffer storage;
    struct answer answer;
    struct token token;
    struct span body;
    bool named, read = true;

    buffer_init(&storage);
    if (!body_text(frame, count, &storage, &body)) {
        door_expel(self, now_us, peer, envelope, "its answer is too large");
    } else {
        answer_read(body, &answer);
        named = answer.token.size > 0 && token_parse(answer.token, &token) == 0;
        if (named || (worker && worker->leases))
            read = feed_answer(self, now_us, peer, worker, named ? &token : NULL, &answer, false);
        else if (worker)
            door_expel(self, now_us, peer, envelope,
                       "it answered without a query: say READY again");
        if (read && !worker) {
            self->stats.count[STAT_STRANGERS]++;
            door_tell(self, peer, envelope, "not registered here: open with READY or ASK");
        }
    }
    buffer_done(&storage);
    return read;
}

static bool on_bare(struct server *self, int64_t now_us, const struct peer *peer,
                    const struct envelope *envelope, const struct span *frame, size_t count)
{
    const struct worker *worker = dispatch_worker(self->dispatch, peer);
    bool answering = worker && worker->leases; /* whatever word its answer may be */
    struct opening opening;

    if (worker && worker->protocol != WORKER_REQ) {
        door_expel(self, now_us, peer, envelope, "it sent something that is not Majordomo");
        return true;
    }
    opening_read(frame, count, &opening);
    if (opening.kind == OPENING_READY) {
        return ready_feed(self, now_us, peer, WORKER_REQ, envelope, opening.service,
                          opening.options);
    } else if (opening.kind == OPENING_ASK && !answering) {
        control_ask(self, now_us, peer, envelope, opening.service, opening.body);
    } else if (opening.kind == OPENING_QUERY && !worker) {
        self->stats.count[STAT_UNSUPPORTED]++;
        door_tell(self, peer, envelope,
                  "this version takes no queries on the gate: insert them into the bridge");
    } else {
        return on_bare_answer(self, now_us, peer, envelope, frame, count);
    }
    return true;
}

/* Messages. */

/* Protocols that WIRE.md names and this version does not speak. A stock worker of 0.1 would answer
 * a DISCONNECT with another READY at once, for ever: silence makes it try every few seconds. A
 * client hears from the service it asked. FRAME and COUNT: what follows the protocol's header. */
static void refuse_form(struct server *self, const struct peer *peer,
                        const struct envelope *envelope, enum frames_form form,
                        const struct span *frame, size_t count)
{
    static const char error[] =
        "{\"type\":\"error\",\"error\":\"this version takes no requests from "
        "Majordomo clients: insert queries into the bridge\"}";
    size_t at = form == FRAMES_CLIENT_02 ? 1 : 0; /* 0.2 has a command before the service */
    struct span service = at < count ? frame[at] : span_str("");
    const struct span client_01[] = {span_str(MDP_CLIENT_01), service, span_str(error)};
    const struct span client_02[] = {span_str(MDP_CLIENT_02), span_str("\x03"), service,
                                     span_str(error)};

    self->stats.count[STAT_UNSUPPORTED]++;
    log_event(LOG_WARN, "unsupported",
              LOG_STR("protocol", form == FRAMES_WORKER_01   ? MDP_WORKER_01
                                  : form == FRAMES_CLIENT_01 ? MDP_CLIENT_01
                                                             : MDP_CLIENT_02),
              LOG_STR("say", "this version speaks MDPW02 and plain REQ"));
    if (form == FRAMES_CLIENT_01)
        carry_send(self, peer, envelope, client_01, 3);
    else if (form == FRAMES_CLIENT_02)
        carry_send(self, peer, envelope, client_02, 4);
}

static void copy_envelope(struct envelope *envelope, const struct span *frame, size_t count)
{
    envelope->count = (uint8_t)count;
    for (size_t i = 0; i < count; i++) {
        envelope->size[i] = (uint8_t)frame[i].size;
        if (frame[i].size)
            memcpy(envelope->data[i], frame[i].data, frame[i].size);
    }
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
    if (frames.form == FRAMES_WORKER_02)
        return on_mdp(self, now_us, peer, &envelope, frame + frames.body, count - frames.body);
    if (frames.form == FRAMES_BARE)
        return on_bare(self, now_us, peer, &envelope, frame + frames.body, count - frames.body);
    refuse_form(self, peer, &envelope, frames.form, frame + frames.body, count - frames.body);
    return true;
}

/* Tries the message that waits again. */
static void try_held(struct server *self, int64_t now_us)
{
    if (self->held)
        self->held =
            !on_message(self, now_us, &self->held_peer, self->held_frame, self->held_count);
}

/* Returns true when nothing waits at DOOR any more. */
static bool read_door(struct server *self, int64_t now_us, size_t door)
{
    for (int i = 0; i < MESSAGES_AT_ONCE && !self->held && !self->finished; i++) {
        int got = gate_receive(self->gate, door, &self->set, &self->held_frame, &self->held_count,
                               &self->held_peer);
        if (got == -E2BIG || got == -EBADMSG)
            self->stats.count[STAT_BAD_FRAMES]++;
        else if (got == 1)
            self->held =
                !on_message(self, now_us, &self->held_peer, self->held_frame, self->held_count);
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
        }
    }
}

/* Feeds the first COUNT of them. */
static void feed_closed(struct server *self, int64_t now_us, size_t count)
{
    struct event event = {.kind = EVENT_DISCONNECT};

    event.disconnect.reason = "its connection is closed";
    for (size_t i = 0; i < count; i++) {
        event.disconnect.peer = &self->closed[i];
        carry_event(self, now_us, &event);
    }
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
