/* Frames of workers ──▶ events for the core. */
#include "gateway/log.h"
#include "gateway/sender.h"
#include "proto/mdp.h"
#include "proto/utf8.h"

/* What a worker says of a query: a FINAL or PARTIAL, or a bare worker's answer. All is borrowed. */
struct saying {
    const struct token *token; /* NULL: that of its only lease */
    const struct span *frame;
    size_t count;
    bool raw;              /* its address says that it was handed a client's own frames */
    const struct via *via; /* who worked, where a relay passes it on; else NULL */
    bool partial;
    const struct answer *answer; /* where it was read already; else NULL */
};

bool hear_fits(const struct span *frame, size_t count)
{
    size_t size = 0;

    for (size_t i = 0; i < count; i++)
        size += frame[i].size;
    return size <= LIMIT_FRAME_SIZE;
}

/* One span for a body of several frames that fit, repaired to text that can be committed. */
static struct span body_text(const struct span *frame, size_t count, struct buffer *storage)
{
    struct buffer joined;
    struct span body = frame[0];

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
    return body;
}

void hear_expel(struct server *self, int64_t now_us, const struct peer *peer,
                const struct envelope *envelope, enum mdp_version version, const char *reason)
{
    const struct worker *worker = dispatch_worker(self->dispatch, peer);
    struct event event = {.kind = EVENT_DISCONNECT};
    bool bare = worker && !worker_is_majordomo(worker->protocol);

    self->stats.count[STAT_BAD_FRAMES]++;
    event.disconnect.peer = peer;
    event.disconnect.reason = reason;
    if (worker)
        carry_event(self, now_us, &event);
    if (bare)
        door_tell(self, peer, envelope, reason);
    else
        door_disconnect(self, peer, envelope, version);
}

/* Takes the row that is loaded, and what was said of it, in hand. STORAGE and READ are the
 * caller's, for the time that they are needed. */
static void take_in_hand(struct server *self, const struct saying *saying, struct buffer *storage,
                         struct answer *read)
{
    struct answer_in_hand *hand = &self->in_hand;

    hand->frame = saying->frame;
    hand->count = saying->count;
    hand->via = saying->via;
    hand->raw = saying->raw && hand->own_frames;
    hand->answer = saying->answer ? saying->answer : read;
    if (hand->raw || saying->partial)
        *read = (struct answer){.kind = ANSWER_TEXT, .body = saying->frame[0]};
    else if (!saying->answer)
        answer_read(body_text(saying->frame, saying->count, storage), read);
}

/* What is known of row ID, if SAYING may be judged by that. An answer may where its query is in a
 * worker's hands: then it is neither answered nor ended, as far as we are asked. */
static const struct handed_row *find_handed(const struct server *self, int64_t now_us, int64_t id,
                                            const struct saying *saying)
{
    const struct handed_row *known;

    if (saying->partial)
        return handed_part(&self->handed, now_us, id);
    known = handed_answer(&self->handed, id);
    return known && dispatch_where(self->dispatch, id, NULL) == PLACE_LEASED ? known : NULL;
}

/* Loads row ID, which SAYING is about, and fills in *RET_ROW, which borrows from it. One that is
 * known (handed.h) is not loaded. Returns false when it cannot be read just now. */
static bool find_row(struct server *self, int64_t now_us, int64_t id, const struct saying *saying,
                     struct answered_row *ret_row)
{
    struct answer_in_hand *hand = &self->in_hand;
    int error = BRIDGE_OK;

    hand->own_frames = false;
    hand->known = find_handed(self, now_us, id, saying);
    if (hand->known) {
        handed_show(hand->known, &hand->row, &hand->query);
    } else {
        error = carry_load(self, id, &hand->row);
        if (!intake_could_read(self, error))
            return false;
    }
    ret_row->found = error == BRIDGE_OK;
    if (!ret_row->found)
        return true;
    if (hand->known) {
        ret_row->digest = hand->known->digest;
    } else {
        hand->loaded = true;
        message_read(&hand->row.columns, &hand->query);
        token_digest(hand->row.conversation_id, hand->row.columns.text, &ret_row->digest);
        ret_row->read = hand->row.read;
        ret_row->service = intake_service(&hand->row, &hand->query);
    }
    hand->own_frames = hand->query.request && hand->query.majordomo;
    ret_row->conversation_id = hand->row.conversation_id;
    if (saying->partial && !hand->known)
        handed_keep(&self->handed, now_us, self->others, &hand->row, &hand->query,
                    &ret_row->digest);
    return true;
}

/* Feeds SAYING of PEER to the core. WORKER: what is registered there, or NULL. Returns false when
 * the row cannot be read just now. */
static bool feed(struct server *self, int64_t now_us, const struct peer *peer,
                 const struct worker *worker, const struct saying *saying)
{
    int64_t id = saying->token ? saying->token->message_id : worker->leases->id;
    uint32_t attempt = saying->token ? saying->token->attempt : worker->leases->attempt;
    struct event event = {.kind = saying->partial ? EVENT_PARTIAL : EVENT_ANSWER};
    struct answer_in_hand *hand = &self->in_hand;
    struct buffer reason, storage;
    struct answer read;

    if (!find_row(self, now_us, id, saying, &event.answer.row))
        return false;
    buffer_init(&reason);
    buffer_init(&storage);
    sender_identify(self, peer, &hand->sender);
    event.answer.peer = peer;
    take_in_hand(self, saying, &storage, &read);
    if (saying->token)
        event.answer.token = *saying->token;
    else
        token_sign(&self->key, id, attempt, &event.answer.row.digest, &event.answer.token);
    event.answer.error = hand->answer->kind == ANSWER_ERROR && !saying->partial;
    event.answer.returned = hand->answer->kind == ANSWER_RETURN && !saying->partial;
    event.answer.retry = hand->answer->retry;
    if (event.answer.error || event.answer.returned)
        answer_reason(hand->answer, &self->redactor, &reason);
    event.answer.reason = buffer_span(&reason);
    carry_event(self, now_us, &event);
    carry_let_go(self);
    buffer_done(&reason);
    buffer_done(&storage);
    return true;
}

/* Majordomo. */

/* Takes the frame that a relay puts in front of an answer. Returns 0 or -1. */
static int take_via(struct saying *saying, struct via *via)
{
    if (saying->count < 2 || via_read(saying->frame[0], via) < 0)
        return -1;
    saying->frame++;
    saying->count--;
    saying->via = via;
    return 0;
}

/* Says DISCONNECT to PEER, which was heard as a worker, unless it is one. */
static void tell_stranger(struct server *self, const struct peer *peer,
                          const struct envelope *envelope, enum mdp_version version)
{
    if (dispatch_worker(self->dispatch, peer))
        return;
    self->stats.count[STAT_STRANGERS]++;
    door_disconnect(self, peer, envelope, version);
}

/* What became of a PARTIAL or FINAL: it is to wait for its row, was broken, or judged. */
enum heard { HEARD_LATER, HEARD_EXPELLED, HEARD_JUDGED };

static enum heard judge(struct server *self, int64_t now_us, const struct peer *peer,
                        const struct envelope *envelope, enum mdp_version version,
                        const struct mdp_message *message)
{
    struct saying saying = {.frame = message->body,
                            .count = message->body_count,
                            .partial = message->command == MDP_PARTIAL};
    struct token_address address;
    struct via via;

    if (token_read_address(message->address, &address) < 0) {
        hear_expel(self, now_us, peer, envelope, version,
                   "the client address of its answer is not a token");
        return HEARD_EXPELLED;
    }
    if (address.via && take_via(&saying, &via) < 0) {
        hear_expel(self, now_us, peer, envelope, version,
                   "what a relay says of its worker is not as WIRE.md says");
        return HEARD_EXPELLED;
    }
    if (saying.count > LIMIT_BODY_FRAMES || !hear_fits(saying.frame, saying.count)) {
        hear_expel(self, now_us, peer, envelope, version, "its answer is too large");
        return HEARD_EXPELLED;
    }
    saying.raw = address.raw;
    saying.token = &address.token;
    return feed(self, now_us, peer, NULL, &saying) ? HEARD_JUDGED : HEARD_LATER;
}

static bool on_mdp_answer(struct server *self, int64_t now_us, const struct peer *peer,
                          const struct envelope *envelope, enum mdp_version version,
                          const struct mdp_message *message)
{
    enum heard heard = judge(self, now_us, peer, envelope, version, message);

    if (heard == HEARD_JUDGED)
        tell_stranger(self, peer, envelope, version);
    return heard != HEARD_LATER;
}

/* Each message of a batch, as if it had come by itself. What cannot be judged just now waits, with
 * all that follows it. */
static bool on_batch(struct server *self, int64_t now_us, const struct peer *peer,
                     const struct envelope *envelope, struct span body)
{
    struct span rest = self->batch_heard ? self->batch : body, frame[MDP_FRAMES_MAX];
    struct mdp_message message;
    int got;

    while ((got = mdp_batch_take(&rest, frame, &message)) == 1 && message.command != MDP_REQUEST &&
           self->batch_heard < LIMIT_SLOTS) {
        if (judge(self, now_us, peer, envelope, MDP_02, &message) == HEARD_LATER)
            return false;
        self->batch_heard++;
        self->batch = rest;
    }
    if (got != 0)
        hear_expel(self, now_us, peer, envelope, MDP_02, "it sent a malformed batch");
    else
        tell_stranger(self, peer, envelope, MDP_02);
    return true;
}

bool hear_majordomo(struct server *self, int64_t now_us, const struct peer *peer,
                    const struct envelope *envelope, enum mdp_version version,
                    const struct span *frame, size_t count)
{
    struct event event = {.kind = EVENT_HEARTBEAT};
    struct mdp_message message;
    const char *why;

    if (mdp_read(version, frame, count, &message) < 0 || message.command == MDP_REQUEST) {
        hear_expel(self, now_us, peer, envelope, version, "it sent a malformed Majordomo command");
        return true;
    }
    why = door_object_worker(self, now_us, peer, message.command == MDP_READY, message.service);
    if (why) {
        hear_expel(self, now_us, peer, envelope, version, why);
        return true;
    }
    switch (message.command) {
    case MDP_READY:
        return ready_feed(self, now_us, peer, version == MDP_01 ? WORKER_MDP_01 : WORKER_MDP_02,
                          envelope, message.service, message.options);
    case MDP_PARTIAL:
    case MDP_FINAL:
        return on_mdp_answer(self, now_us, peer, envelope, version, &message);
    case MDP_BATCH:
        return on_batch(self, now_us, peer, envelope, message.body[0]);
    case MDP_REQUEST:
    case MDP_HEARTBEAT:
    case MDP_DISCONNECT:
        break;
    }
    if (!dispatch_worker(self->dispatch, peer)) {
        self->stats.count[STAT_STRANGERS]++;
        if (message.command == MDP_HEARTBEAT)
            door_disconnect(self, peer, envelope, version);
        return true;
    }
    event.heartbeat.peer = peer;
    event.heartbeat.resized = message.command == MDP_HEARTBEAT && message.options.size > 0;
    if (event.heartbeat.resized &&
        options_read_slots(message.options, &event.heartbeat.slots) < 0) {
        hear_expel(self, now_us, peer, envelope, version, "it sent a malformed heartbeat");
        return true;
    }
    if (message.command == MDP_DISCONNECT) {
        event.kind = EVENT_DISCONNECT;
        event.disconnect.peer = peer;
        event.disconnect.reason = "it said DISCONNECT";
    }
    carry_event(self, now_us, &event);
    return true;
}

/* Bare workers. */

bool hear_answer(struct server *self, int64_t now_us, const struct peer *peer,
                 const struct envelope *envelope, const struct span *frame, size_t count)
{
    const struct worker *worker = dispatch_worker(self->dispatch, peer);
    struct saying saying = {.frame = frame, .count = count};
    struct buffer storage;
    struct answer answer;
    struct token token;
    bool read = true;

    if (!hear_fits(frame, count)) {
        hear_expel(self, now_us, peer, envelope, MDP_02, "its answer is too large");
        return true;
    }
    buffer_init(&storage);
    answer_read(body_text(frame, count, &storage), &answer);
    saying.answer = &answer;
    if (answer.token.size > 0 && token_parse(answer.token, &token) == 0)
        saying.token = &token;
    if (saying.token || (worker && worker->leases && worker->leases->sent))
        read = feed(self, now_us, peer, worker, &saying);
    else if (worker)
        hear_expel(self, now_us, peer, envelope, MDP_02,
                   "it answered without a query: say READY again");
    if (read && !worker) {
        self->stats.count[STAT_STRANGERS]++;
        door_tell(self, peer, envelope, "not registered here: open with READY or ASK");
    }
    buffer_done(&storage);
    return read;
}

bool hear_rep(struct server *self, int64_t now_us, const struct peer *peer,
              const struct token *token, const struct span *frame, size_t count)
{
    const struct saying saying = {.token = token, .frame = frame, .count = count};

    return feed(self, now_us, peer, NULL, &saying);
}
