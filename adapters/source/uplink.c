#include "adapters/source/uplink.h"

#include <stdlib.h>

#include "adapters/source/uplink_inside.h"
#include "proto/buffer.h"
#include "proto/mdp.h"

#define TURN 100  /* messages read in one call at most */
#define KEEP 1000 /* answers kept at most */
#define PARTS 1000
#define QUEUE 100 /* messages in the socket, of any size: what waits for it is counted in bytes */
/* All that DISCONNECT in answer to READY can mean. */
#define REFUSED                                                                                    \
    "they refuse us, and say why in their log: a loop of relays, or what our key may not do there"

struct uplink *uplink_new(const struct uplink_setup *setup, struct span service)
{
    struct uplink *self = memory_zero(1, sizeof *self);
    self->setup = *setup;
    memcpy(self->service, service.data, service.size);
    dial_init(&self->dial, setup->context, setup->endpoint, 0);
    dial_queue(&self->dial, QUEUE);
    dial_secure(&self->dial, setup->curve);
    outbox_init(&self->answers, KEEP);
    letterbox_init(&self->parts, PARTS);
    letterbox_init(&self->ends, UPLINK_ENDS);
    frameset_init(&self->received);
    return self;
}

void uplink_destroy(struct uplink **self)
{
    struct uplink *link = *self;
    *self = NULL;
    if (!link)
        return;
    if (link->dial.state == DIAL_UP)
        uplink_flush(link, 0);
    uplink_say_disconnect(link);
    dial_done(&link->dial);
    frameset_done(&link->received);
    letterbox_done(&link->parts);
    letterbox_done(&link->ends);
    outbox_done(&link->answers);
    outs_done(&link->outs);
    free(link);
}

const char *uplink_service(const struct uplink *self)
{
    return self->service;
}

void uplink_slots(struct uplink *self, uint32_t slots, int64_t now_us)
{
    if (slots == 0 && self->slots > 0)
        self->idle_us = now_us;
    self->slots = slots < LIMIT_SLOTS ? slots : LIMIT_SLOTS;
}

bool uplink_has(const struct uplink *self, struct span token)
{
    return outs_find(&self->outs, token) != NULL;
}

void uplink_hold(struct uplink *self, struct span token)
{
    self->again = true;
    outs_add(&self->outs, token, INT64_MAX);
}

void uplink_relays(struct uplink *self)
{
    self->relays = true;
}

bool uplink_registered(const struct uplink *self)
{
    return self->registered;
}

bool uplink_wanted(const struct uplink *self)
{
    return self->slots > 0;
}

bool uplink_is_idle(const struct uplink *self)
{
    return self->slots == 0 && self->outs.count == 0 && self->answers.count == 0 &&
           self->parts.count == 0 && self->ends.count == 0;
}

size_t uplink_kept(const struct uplink *self)
{
    return outbox_waiting(&self->answers);
}

size_t uplink_part_bytes(const struct uplink *self)
{
    return self->part_bytes;
}

size_t uplink_bytes(const struct uplink *self)
{
    return self->answers.bytes;
}

bool uplink_shed(struct uplink *self)
{
    return outbox_shed(&self->answers);
}

/* The connection. */

/* It has ended. The answers that it may have taken with it are sent again. */
static void unregister(struct uplink *self, int64_t now_us)
{
    outbox_recall(&self->answers, now_us);
    while (self->parts.count > 0)
        letterbox_drop(&self->parts);
    self->part_bytes = 0;
    while (self->ends.count > 0)
        letterbox_drop(&self->ends);
    self->registered = false;
}

static struct uplink_news news(enum uplink_news_kind kind, const char *text)
{
    return (struct uplink_news){.kind = kind, .text = span_str(text)};
}

static struct uplink_news lose(struct uplink *self, int64_t now_us, enum uplink_news_kind kind,
                               const char *reason)
{
    uplink_say_disconnect(self); /* so that it does not hold us for a second one */
    dial_drop(&self->dial, now_us);
    unregister(self, now_us);
    return news(kind, reason);
}

static struct uplink_news watch(struct uplink *self, int64_t now_us)
{
    int error = 0;
    enum dial_event event = dial_next(&self->dial, now_us, &error);
    switch (event) {
    case DIAL_LOST:
    case DIAL_FAILED:
        unregister(self, now_us);
        return news(UPLINK_LOST, dial_words(event, error));
    case DIAL_REFUSED:
        unregister(self, now_us);
        return news(UPLINK_REFUSED, dial_words(event, error));
    case DIAL_WAITING:
        return news(UPLINK_WAITING, dial_words(event, error));
    case DIAL_OPEN:
    case DIAL_NOTHING:
        break;
    }
    return news(UPLINK_NOTHING, NULL);
}

static struct uplink_news take_query(struct uplink *self, const struct mdp_message *message,
                                     int64_t now_us, int64_t utc_us)
{
    struct uplink_news query = {.kind = UPLINK_QUERY};
    if (!self->registered || message->address.size >= TOKEN_SIZE || message->address.size == 0)
        return news(UPLINK_NOTHING, NULL);
    if (!uplink_has(self, message->address))
        outs_add(&self->outs, message->address, out_deadline(message->body[0], now_us, utc_us));
    query.token = message->address;
    query.json = message->body[0];
    query.frame = message->body + 1;
    query.frames = message->body_count - 1;
    return query;
}

/* The gateway has ended our registration. An attempt whose time has passed is over; of any other it
 * does not know, or will take it up again. */
static struct uplink_news dismissed(struct uplink *self, int64_t now_us)
{
    bool heard = self->heard;
    for (size_t i = 0; i < self->outs.count; i++)
        self->outs.out[i].ended = self->outs.out[i].over_us <= now_us;
    self->doubt = !heard;
    if (!heard)
        return lose(self, now_us, UPLINK_REFUSED, REFUSED);
    return lose(self, now_us, UPLINK_DISMISSED, "the gateway said DISCONNECT");
}

static struct uplink_news receive(struct uplink *self, int64_t now_us, int64_t utc_us,
                                  bool *ret_any)
{
    struct mdp_message message;
    int got = frameset_receive(&self->received, self->dial.socket);
    const struct frameset *set = &self->received;
    *ret_any = got == 1 || got == -E2BIG;
    if (got != 1 || set->count < 2 || !span_is(set->frame[0], MDP_WORKER_02) ||
        mdp_read(MDP_02, &set->frame[1], set->count - 1, &message) != 0)
        return news(UPLINK_NOTHING, NULL);
    if (message.command == MDP_DISCONNECT && self->registered)
        return dismissed(self, now_us);
    self->heard = true;
    self->ready = self->registered && self->doubt;
    self->doubt = false;
    self->silence_us = now_us + UPLINK_BEATS_MISSED * uplink_interval_us(self);
    dial_settle(&self->dial);
    return message.command == MDP_REQUEST ? take_query(self, &message, now_us, utc_us)
                                          : news(UPLINK_NOTHING, NULL);
}

static struct uplink_news tell_ended(struct uplink *self)
{
    for (size_t i = 0; i < self->outs.count; i++) {
        if (self->outs.out[i].ended) {
            self->over = self->outs.out[i];
            outs_remove(&self->outs, out_token(&self->over)); /* READY names it no more */
            return (struct uplink_news){.kind = UPLINK_END, .token = out_token(&self->over)};
        }
    }
    return news(UPLINK_NOTHING, NULL);
}

static struct uplink_news tell_taken(struct uplink *self)
{
    bool taken = self->ready;
    self->ready = false;
    return news(taken ? UPLINK_READY : UPLINK_NOTHING, NULL);
}

/* Nobody here serves any more, and nothing is under way: the gateway need not believe so. */
static void leave_when_idle(struct uplink *self, int64_t now_us)
{
    int64_t idle_us = UPLINK_BEATS_MISSED * uplink_interval_us(self);
    if (self->registered && uplink_is_idle(self) && now_us - self->idle_us > idle_us)
        uplink_say_disconnect(self);
}

static struct uplink_news register_there(struct uplink *self, int64_t now_us)
{
    int error = uplink_say_ready(self, now_us);
    if (error)
        return lose(self, now_us, UPLINK_LOST, zmq_strerror(-error));
    return news(self->doubt ? UPLINK_NOTHING : UPLINK_READY, NULL);
}

struct uplink_news uplink_next(struct uplink *self, int64_t now_us, int64_t utc_us)
{
    struct uplink_news some = tell_taken(self);
    bool any = true;
    if (some.kind == UPLINK_NOTHING)
        some = tell_ended(self);
    if (some.kind != UPLINK_NOTHING)
        return some;
    if (self->slots == 0 && !self->registered && uplink_kept(self) == 0 &&
        self->dial.state == DIAL_DOWN)
        return some; /* nothing to connect for */
    some = watch(self, now_us);
    if (some.kind != UPLINK_NOTHING || self->dial.state != DIAL_UP)
        return some;
    if (self->slots > 0 && (!self->registered || self->again))
        return register_there(self, now_us);
    uplink_flush(self, now_us);
    uplink_beat(self, now_us);
    leave_when_idle(self, now_us);
    for (int i = 0; i < TURN && any && some.kind == UPLINK_NOTHING; i++)
        some = receive(self, now_us, utc_us, &any);
    /* Only what was not waiting to be read counts as silence: we may have been stopped. */
    if (!any && self->registered && now_us >= self->silence_us)
        return lose(self, now_us, UPLINK_LOST, "the gateway gives no sign of life");
    return some;
}

size_t uplink_items(const struct uplink *self, zmq_pollitem_t ret_item[UPLINK_ITEMS])
{
    bool blocked = self->parts.count > 0 || self->ends.count > 0 ||
                   (uplink_sending(self) && uplink_kept(self) > 0);
    return dial_items(&self->dial, blocked, ret_item);
}

int64_t uplink_due(const struct uplink *self)
{
    if (self->slots == 0 && !self->registered && uplink_kept(self) == 0 &&
        self->dial.state == DIAL_DOWN)
        return INT64_MAX;
    if (self->dial.state != DIAL_UP)
        return dial_due(&self->dial);
    if (self->ready || (self->slots > 0 && (!self->registered || self->again)))
        return 0;
    if (self->registered && (self->said != self->slots || self->relays))
        return 0;
    if (!self->registered)
        return INT64_MAX;
    return self->beat_us < self->silence_us ? self->beat_us : self->silence_us;
}
