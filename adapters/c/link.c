#include "adapters/c/link.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "adapters/c/letterbox.h"
#include "adapters/c/outbox.h"
#include "adapters/zmq/frameset.h"
#include "proto/buffer.h"
#include "proto/mdp.h"

#define BEATS_MISSED 3
#define TURN 100 /* messages read in one call at most */

struct link {
    struct link_setup setup;
    struct dial dial;
    bool wanted;        /* link_join() was called last */
    bool leaving;       /* link_leave() was called and DISCONNECT not yet said */
    int64_t watched_us; /* when the monitor had nothing to say; not asked again for that instant */
    bool registered;    /* READY was said on this connection, and nothing ended it since */
    int64_t beat_us;    /* registered: when our next heartbeat is due */
    int64_t silence_us; /* registered: when the gateway counts as gone */
    struct outbox answers;
    struct letterbox partials;
    struct frameset received;
    struct span batch; /* what of a batch in it was not looked at yet */
    bool batches;      /* the gateway has sent one on this connection: it takes them, too */
};

static int64_t interval_us(const struct link *self)
{
    return (int64_t)self->setup.options.interval_ms * 1000;
}

struct link *link_new(const struct link_setup *setup)
{
    struct link *self = memory_zero(1, sizeof *self);
    assert(setup->options.interval_ms > 0);
    self->setup = *setup;
    dial_init(&self->dial, setup->context, setup->endpoint, 0);
    dial_secure(&self->dial, setup->curve);
    outbox_init(&self->answers, setup->keep);
    letterbox_init(&self->partials, LINK_PARTIALS);
    frameset_init(&self->received);
    return self;
}

static int send_command(struct link *self, const struct mdp_message *message)
{
    struct span frame[MDP_FRAMES_MAX];
    return frameset_send(self->dial.socket, frame, mdp_write(MDP_02, message, frame));
}

static void say(struct link *self, enum mdp_command command)
{
    struct mdp_message message = {.command = command};
    /* A full queue means that the gateway takes nothing: its silence will end the link. */
    (void)send_command(self, &message);
}

static void say_disconnect(struct link *self)
{
    if (self->dial.state == DIAL_UP && self->registered)
        say(self, MDP_DISCONNECT);
    self->registered = false;
    self->leaving = false;
}

void link_destroy(struct link **self)
{
    struct link *link = *self;
    *self = NULL;
    if (!link)
        return;
    say_disconnect(link);
    dial_done(&link->dial);
    frameset_done(&link->received);
    letterbox_done(&link->partials);
    outbox_done(&link->answers);
    free(link);
}

/* The connection has ended. The answers that it may have taken with it are sent again. */
static void unregister(struct link *self, int64_t now_us)
{
    outbox_recall(&self->answers, now_us);
    while (self->partials.count > 0)
        letterbox_drop(&self->partials);
    self->registered = false;
    self->leaving = false;
    self->batch = span_of(NULL, 0);
    self->batches = false;
}

static struct link_news news(enum link_news_kind kind, const char *text)
{
    return (struct link_news){.kind = kind, .text = span_str(text)};
}

static struct link_news lose(struct link *self, int64_t now_us, enum link_news_kind kind,
                             const char *reason)
{
    if (self->registered)
        say(self, MDP_DISCONNECT); /* so that it does not hold us for a second worker */
    dial_drop(&self->dial, now_us);
    unregister(self, now_us);
    return news(kind, reason);
}

/* What became of the connection. */
static struct link_news watch(struct link *self, int64_t now_us)
{
    int error = 0;
    if (now_us == self->watched_us && self->dial.state == DIAL_UP)
        return news(LINK_NOTHING, NULL);
    enum dial_event event = dial_next(&self->dial, now_us, &error);
    switch (event) {
    case DIAL_LOST:
    case DIAL_FAILED:
        unregister(self, now_us);
        return news(LINK_LOST, dial_words(event, error));
    case DIAL_REFUSED:
        unregister(self, now_us);
        return news(LINK_REFUSED, dial_words(event, error));
    case DIAL_WAITING:
        return news(LINK_WAITING, dial_words(event, error));
    case DIAL_OPEN:
    case DIAL_NOTHING:
        break;
    }
    self->watched_us = now_us;
    return news(LINK_NOTHING, NULL);
}

/* True when answers may go out: invariant 2. */
static bool sending(const struct link *self)
{
    return self->dial.state == DIAL_UP && (!self->wanted || self->registered);
}

static struct mdp_message message_of(enum mdp_command command, const struct letter *letter)
{
    return (struct mdp_message){
        .command = command, .address = letter->token, .body = &letter->text, .body_count = 1};
}

/* How many of the answers that wait can go together, the first of them among those. */
static size_t fit_together(const struct link *self)
{
    size_t count = 0, bytes = 0, waiting = outbox_waiting(&self->answers);
    while (self->batches && count < waiting && count < LIMIT_SLOTS && bytes < MDP_BATCH_SIZE) {
        struct mdp_message message = message_of(MDP_FINAL, outbox_at(&self->answers, count));
        if (!mdp_batch_suits(&message))
            break;
        bytes += message.body[0].size;
        count++;
    }
    return count;
}

/* Sends the first COUNT answers in one message. Returns how many; 0 when ZeroMQ takes no more. */
static size_t send_answers(struct link *self, size_t count)
{
    struct buffer body;
    buffer_init(&body);
    for (size_t i = 0; i < count; i++) {
        struct mdp_message message = message_of(MDP_FINAL, outbox_at(&self->answers, i));
        mdp_batch_add(&message, &body);
    }
    struct span span = buffer_span(&body);
    struct mdp_message batch = {.command = MDP_BATCH, .body = &span, .body_count = 1};
    if (send_command(self, &batch) != 0)
        count = 0;
    buffer_done(&body);
    return count;
}

/* Hands over what is kept, oldest first and the parts before the answers; stops when ZeroMQ takes
 * no more. */
static void flush(struct link *self, int64_t now_us)
{
    const struct letter *letter;
    while (self->dial.state == DIAL_UP && (letter = letterbox_first(&self->partials))) {
        struct mdp_message part = message_of(MDP_PARTIAL, letter);
        if (send_command(self, &part) != 0)
            return;
        letterbox_drop(&self->partials);
    }
    while (sending(self) && outbox_waiting(&self->answers) > 0) {
        struct mdp_message final = message_of(MDP_FINAL, outbox_at(&self->answers, 0));
        size_t together = fit_together(self);
        size_t handed =
            together > 1 ? send_answers(self, together) : send_command(self, &final) == 0;
        if (handed == 0)
            return;
        while (handed-- > 0)
            outbox_handed(&self->answers, now_us);
    }
}

/* What is worked on comes first: only so many are taken up again as the worker has slots, and the
 * answers follow at once. */
static size_t write_options(const struct link *self, struct buffer *ret_json)
{
    struct worker_options options = self->setup.options;
    struct span token[LIMIT_SLOTS];
    struct buffer holding;
    size_t count = self->setup.holding(self->setup.holder, token, LIMIT_SLOTS);
    count += outbox_tokens(&self->answers, token + count, LIMIT_SLOTS - count);
    buffer_init(&holding);
    size_t named = options_hold(token, count, &holding);
    if (named > 0)
        options.holding = buffer_span(&holding);
    options_write(&options, ret_json);
    buffer_done(&holding);
    return named;
}

static struct link_news say_ready(struct link *self, int64_t now_us)
{
    struct buffer options;
    buffer_init(&options);
    size_t count = write_options(self, &options);
    struct mdp_message message = {.command = MDP_READY,
                                  .service = span_str(self->setup.service),
                                  .options = buffer_span(&options)};
    int code = send_command(self, &message);
    buffer_done(&options);
    if (code != 0)
        return lose(self, now_us, LINK_LOST, zmq_strerror(-code));
    self->registered = true;
    self->beat_us = now_us + interval_us(self);
    self->silence_us = now_us + BEATS_MISSED * interval_us(self);
    return (struct link_news){.kind = LINK_READY, .count = count};
}

static struct link_news take_query(struct link *self, const struct mdp_message *message)
{
    if (!self->registered)
        return news(LINK_ODD, "a query although this worker is not registered");
    if (message->body_count != 1 || message->address.size > LINK_TOKEN_MAX)
        return news(LINK_ODD, "a query of several frames, or with an address that is too long");
    return (struct link_news){
        .kind = LINK_QUERY, .token = message->address, .text = message->body[0]};
}

/* The next query of a batch. */
static struct link_news take_batched(struct link *self)
{
    struct span frame[MDP_FRAMES_MAX];
    struct mdp_message message;
    if (mdp_batch_take(&self->batch, frame, &message) == 1 && message.command == MDP_REQUEST)
        return take_query(self, &message);
    self->batch = span_of(NULL, 0);
    return news(LINK_ODD, "a malformed batch");
}

/* Reads one message. Returns LINK_NOTHING with *ret_any false when none waits. */
static struct link_news receive(struct link *self, int64_t now_us, bool *ret_any)
{
    struct mdp_message message;
    if (self->batch.size > 0)
        return take_batched(self);
    int got = frameset_receive(&self->received, self->dial.socket);
    *ret_any = got == 1 || got == -E2BIG;
    if (!*ret_any)
        return news(LINK_NOTHING, NULL);
    const struct frameset *set = &self->received;
    if (got != 1 || set->count < 2 || !span_is(set->frame[0], MDP_WORKER_02) ||
        mdp_read(MDP_02, &set->frame[1], set->count - 1, &message) != 0)
        return news(LINK_ODD, "frames that are not MDP/0.2");
    if (message.command == MDP_DISCONNECT && self->registered)
        return lose(self, now_us, LINK_DISMISSED, "the gateway said DISCONNECT");
    self->silence_us = now_us + BEATS_MISSED * interval_us(self);
    dial_settle(&self->dial);
    if (message.command == MDP_REQUEST)
        return take_query(self, &message);
    if (message.command == MDP_BATCH) {
        self->batches = true;
        self->batch = message.body[0];
        return news(LINK_NOTHING, NULL);
    }
    if (message.command == MDP_HEARTBEAT || message.command == MDP_DISCONNECT)
        return news(LINK_NOTHING, NULL);
    return news(LINK_ODD, "a command that only workers send");
}

static void beat(struct link *self, int64_t now_us)
{
    if (!self->registered || now_us < self->beat_us)
        return;
    say(self, MDP_HEARTBEAT);
    outbox_forget(&self->answers, now_us);
    self->beat_us = now_us + interval_us(self);
}

struct link_news link_next(struct link *self, int64_t now_us)
{
    struct link_news some = watch(self, now_us);
    if (some.kind != LINK_NOTHING || self->dial.state != DIAL_UP)
        return some;
    if (self->leaving) {
        flush(self, now_us);
        say_disconnect(self);
    }
    if (self->wanted && !self->registered)
        return say_ready(self, now_us);
    flush(self, now_us);
    beat(self, now_us);
    bool any = true;
    for (int i = 0; i < TURN && any && some.kind == LINK_NOTHING; i++)
        some = receive(self, now_us, &any);
    /* Only what was not waiting to be read counts as silence: we may have been stopped. */
    if (!any && self->registered && now_us >= self->silence_us)
        return lose(self, now_us, LINK_LOST, "the gateway gives no sign of life");
    return some;
}

void link_join(struct link *self)
{
    self->wanted = true;
}

void link_leave(struct link *self)
{
    self->wanted = false;
    self->leaving = true;
}

int link_final(struct link *self, struct span token, struct span body)
{
    size_t lost = outbox_put(&self->answers, token, body);
    if (lost > 0)
        return -ENOBUFS;
    return sending(self) ? 0 : 1;
}

int link_partial(struct link *self, struct span token, struct span body)
{
    if (self->dial.state != DIAL_UP)
        return 1; /* what it would renew is renewed by our beats, too */
    if (self->partials.count == self->partials.room)
        return -ENOBUFS;
    letterbox_put(&self->partials, token, body);
    return 0;
}

size_t link_kept(const struct link *self)
{
    return outbox_waiting(&self->answers);
}

size_t link_items(const struct link *self, zmq_pollitem_t ret_item[LINK_ITEMS])
{
    bool blocked = self->partials.count > 0 || link_kept(self) > 0;
    return dial_items(&self->dial, blocked, ret_item);
}

int64_t link_due(const struct link *self)
{
    if (self->dial.state != DIAL_UP || !self->registered)
        return dial_due(&self->dial);
    return self->beat_us < self->silence_us ? self->beat_us : self->silence_us;
}
