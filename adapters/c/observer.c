#include <errno.h>
#include <stdio.h>

#include "adapters/c/bell.h"
#include "adapters/c/observer_inside.h"
#include "proto/buffer.h"
#include "proto/event_batch.h"

#define TURN 100                /* messages read in one turn at most */
#define WELCOME_US 1000000      /* a gateway that has one sends it at once */
#define ANSWER_MS 60000         /* a page may wait for others' replays */
#define BACKOFF_FIRST_US 500000 /* after a page that came to nothing */
#define BACKOFF_MAX_US 30000000

/* --- under the lock --- */

void observer_announce(struct tailgate_observer *self)
{
    bool some = self->box.count > 0;
    if (some && !self->ringing)
        bell_ring(self->bell);
    if (!some && self->ringing)
        bell_hush(self->bell);
    self->ringing = some;
    if (some)
        pthread_cond_broadcast(&self->news);
}

static void put(struct tailgate_observer *self, struct gift *gift)
{
    gift->position = follow_position(&self->follow);
    giftbox_put(&self->box, gift);
}

/* The position moves also when nothing was to be given. */
static void move_position(struct tailgate_observer *self)
{
    int64_t position = follow_position(&self->follow);
    if (self->box.last)
        self->box.last->position = position;
    else
        self->position = position;
}

/* UP and AWAY: while the box is full only the last of them is kept, and none that says again what
 * was said last. */
static void tell_state(struct tailgate_observer *self, enum tailgate_observed_kind kind,
                       const char *text)
{
    bool again = kind == self->state && !(kind == TAILGATE_OBSERVED_AWAY || text[0]);
    gift_free(&self->state_kept);
    if (again)
        return;
    struct gift *gift = gift_new(kind, text);
    if (giftbox_has_room(&self->box, 1)) {
        put(self, gift);
        self->state = kind;
    } else {
        self->state_kept = gift;
    }
}

static void tell_kept_state(struct tailgate_observer *self)
{
    if (!self->state_kept || !giftbox_has_room(&self->box, 1))
        return;
    self->state = self->state_kept->observed.kind;
    put(self, self->state_kept);
    self->state_kept = NULL;
}

/* What follow gives. */
void observer_take(void *context, const struct follow_gift *gift)
{
    struct tailgate_observer *self = context;
    if (gift->kind == TAILGATE_OBSERVED_UP) {
        self->welcome_us = INT64_MAX;
        tell_state(self, TAILGATE_OBSERVED_UP, gift->text);
        return;
    }
    bool event = gift->kind == TAILGATE_OBSERVED_EVENT;
    struct gift *made =
        event ? gift_of_event(gift->topic, gift->json) : gift_new(gift->kind, gift->text);
    made->observed.id = gift->id;
    made->observed.replayed = gift->replayed;
    made->observed.count = gift->count;
    put(self, made);
}

/* --- the thread's part: events --- */

static bool watch(struct tailgate_observer *self, int64_t now_us)
{
    int error = 0;
    enum dial_event event = dial_next(&self->dial, now_us, &error);
    switch (event) {
    case DIAL_NOTHING:
        return false;
    case DIAL_OPEN:
        self->welcome_us = now_us + WELCOME_US;
        break;
    case DIAL_LOST:
    case DIAL_WAITING:
    case DIAL_REFUSED:
    case DIAL_FAILED:
        self->welcome_us = INT64_MAX;
        tell_state(self, TAILGATE_OBSERVED_AWAY, dial_words(event, error));
        break;
    }
    return true;
}

static bool is_reading(const struct tailgate_observer *self)
{
    return self->dial.socket && giftbox_has_room(&self->box, 1) && !follow_is_busy(&self->follow);
}

/* Takes one event of the batch that came last. Who sends what is none sends what is no event. */
static void unpack(struct tailgate_observer *self)
{
    struct span frame[EVENT_BATCH_FRAMES];
    if (event_batch_take(&self->batch, frame) == 0)
        follow_hear(&self->follow, frame, EVENT_BATCH_FRAMES);
    else
        self->batch = span_of(NULL, 0);
}

/* Returns false when nothing waits to be read. */
static bool receive(struct tailgate_observer *self)
{
    if (self->batch.size > 0) {
        unpack(self);
        return true;
    }
    int got = frameset_receive(&self->received, self->dial.socket);
    if (got != 1 && got != -E2BIG)
        return false;
    if (got == 1 && event_batch_is(self->received.frame, self->received.count))
        self->batch = self->received.frame[1];
    else if (got == 1)
        follow_hear(&self->follow, self->received.frame, self->received.count);
    dial_settle(&self->dial);
    return true;
}

/* It is connected, and no welcome has come: what speaks there is older, or the welcome stands
 * behind what was not read yet. */
static void miss_welcome(struct tailgate_observer *self, int64_t now_us)
{
    if (now_us < self->welcome_us || !is_reading(self))
        return;
    self->welcome_us = INT64_MAX;
    tell_state(self, TAILGATE_OBSERVED_UP, "");
    follow_begin(&self->follow);
}

/* --- the thread's part: replays --- */

static void say_cannot_replay(struct tailgate_observer *self, const char *why)
{
    char text[400];
    if (self->dial.state != DIAL_UP)
        return; /* that the gateway is away was said */
    snprintf(text, sizeof text, "cannot replay: %s", why);
    self->cannot_replay = true;
    tell_state(self, TAILGATE_OBSERVED_AWAY, text);
}

static void fail(struct tailgate_observer *self, int64_t now_us, const char *why)
{
    say_cannot_replay(self, why);
    self->retry_us = now_us + self->backoff_us;
    self->backoff_us =
        2 * self->backoff_us < BACKOFF_MAX_US ? 2 * self->backoff_us : BACKOFF_MAX_US;
}

static void take_final(struct tailgate_observer *self, const struct tailgate_reply *reply,
                       int64_t now_us)
{
    size_t size = 0;
    const char *json = tailgate_reply_frame(reply, 0, &size);
    if (tailgate_reply_is_error(reply)) {
        fail(self, now_us, tailgate_reply_text(reply, NULL));
        return;
    }
    if (follow_end(&self->follow, span_of(json, size)) != 0) {
        fail(self, now_us, "the gateway's answer does not say what was covered");
        return;
    }
    self->backoff_us = BACKOFF_FIRST_US;
    self->retry_us = 0;
    if (self->cannot_replay && self->dial.state == DIAL_UP)
        tell_state(self, TAILGATE_OBSERVED_UP, "");
    self->cannot_replay = false;
}

static void take_parts(struct tailgate_observer *self, const struct tailgate_reply *reply)
{
    size_t size = 0;
    for (size_t i = 0; i < tailgate_reply_frames(reply); i++) {
        const char *json = tailgate_reply_frame(reply, i, &size);
        follow_part(&self->follow, span_of(json, size));
    }
}

/* Returns false when the client has nothing to tell. */
static bool hear_gate(struct tailgate_observer *self, int64_t now_us)
{
    struct tailgate_event event;
    if (!self->client || tailgate_client_next(self->client, 0, &event) != TAILGATE_OK)
        return false;
    if (event.kind == TAILGATE_EVENT_PARTIAL)
        take_parts(self, event.reply);
    if (event.kind == TAILGATE_EVENT_REPLY)
        take_final(self, event.reply, now_us);
    if (event.kind == TAILGATE_EVENT_EXPIRED)
        fail(self, now_us, "no answer came");
    if (event.kind == TAILGATE_EVENT_REPLY || event.kind == TAILGATE_EVENT_EXPIRED)
        tailgate_request_destroy(&self->request);
    if (self->request &&
        (event.kind == TAILGATE_EVENT_LOST || event.kind == TAILGATE_EVENT_ABSENT ||
         event.kind == TAILGATE_EVENT_REFUSED))
        say_cannot_replay(self, event.text);
    tailgate_reply_destroy(&event.reply);
    return true;
}

static bool is_to_be_asked(const struct tailgate_observer *self)
{
    return follow_is_busy(&self->follow) && !self->request && giftbox_has_room(&self->box, 2);
}

static void ask(struct tailgate_observer *self, int64_t now_us)
{
    struct buffer json;
    if (!is_to_be_asked(self) || now_us < self->retry_us)
        return;
    buffer_init(&json);
    follow_request(&self->follow, &json);
    const struct tailgate_frame frame = {json.data, json.size};
    int code =
        tailgate_client_send(self->client, "tailgate.replay", &frame, 1, ANSWER_MS, &self->request);
    if (code != TAILGATE_OK)
        fail(self, now_us, tailgate_error_text(code));
    buffer_done(&json);
}

/* --- the thread's part: its turn --- */

static void run(void *member, int64_t now_us)
{
    struct tailgate_observer *self = member;
    pthread_mutex_lock(&self->lock);
    int turn = 0;
    tell_kept_state(self);
    while (turn < TURN && watch(self, now_us))
        turn++;
    while (turn < TURN && hear_gate(self, now_us))
        turn++;
    while (turn < TURN && is_reading(self) && receive(self))
        turn++;
    miss_welcome(self, now_us);
    ask(self, now_us);
    move_position(self);
    self->busy = turn == TURN;
    observer_announce(self);
    pthread_mutex_unlock(&self->lock);
}

static size_t items(void *member, zmq_pollitem_t ret_item[LOOP_ITEMS])
{
    struct tailgate_observer *self = member;
    size_t count = 0;
    pthread_mutex_lock(&self->lock);
    if (self->dial.socket)
        ret_item[count++] =
            (zmq_pollitem_t){.socket = self->dial.monitor.events, .events = ZMQ_POLLIN};
    if (is_reading(self))
        ret_item[count++] = (zmq_pollitem_t){.socket = self->dial.socket, .events = ZMQ_POLLIN};
    if (self->client)
        ret_item[count++] =
            (zmq_pollitem_t){.fd = tailgate_client_fd(self->client), .events = ZMQ_POLLIN};
    pthread_mutex_unlock(&self->lock);
    return count;
}

static int64_t due(void *member)
{
    struct tailgate_observer *self = member;
    pthread_mutex_lock(&self->lock);
    int64_t due_us = self->busy ? 0 : dial_due(&self->dial);
    if (is_reading(self) && self->welcome_us < due_us)
        due_us = self->welcome_us;
    if (is_to_be_asked(self) && self->retry_us < due_us)
        due_us = self->retry_us;
    pthread_mutex_unlock(&self->lock);
    return due_us;
}

static void close_dial(void *member)
{
    struct tailgate_observer *self = member;
    pthread_mutex_lock(&self->lock);
    dial_done(&self->dial);
    frameset_done(&self->received);
    self->batch = span_of(NULL, 0);
    pthread_mutex_unlock(&self->lock);
}

static const struct loop_calls calls = {
    .items = items, .due = due, .run = run, .close = close_dial};

void observer_start(struct tailgate_observer *self)
{
    self->welcome_us = INT64_MAX;
    self->backoff_us = BACKOFF_FIRST_US;
    giftbox_init(&self->box);
    frameset_init(&self->received);
    dial_init(&self->dial, loop_context(self->loop), self->endpoint, 0);
    dial_secure(&self->dial, &self->curve);
    dial_listen(&self->dial, (const char *const *)self->topic, self->topics);
    self->seat = (struct loop_seat){.calls = &calls, .member = self};
    loop_add(self->loop, &self->seat);
}
