/* Events from above, passed on as they are: `seq`, `prev` and the epoch mean the same here, so that
 * an observer sees what it missed, and has it repaired, as if it were there. */
#include <errno.h>

#include "gateway/log.h"
#include "gateway/relay_inside.h"
#include "proto/jtext.h"

#define EVENTS_AT_ONCE 1000
#define WELCOME "gateway/welcome"

void relay_feed_init(struct relay *self)
{
    static const char *const all[] = {""};

    frameset_init(&self->feed_set);
    if (!self->setup->from_events)
        return;
    dial_init(&self->feed_dial, gate_context(self->gate), self->setup->from_events,
              relay_zmtp_beat_ms(self));
    dial_listen(&self->feed_dial, all, 1);
    dial_secure(&self->feed_dial, self->setup->client);
}

void relay_feed_done(struct relay *self)
{
    if (self->setup->from_events)
        dial_done(&self->feed_dial);
    frameset_done(&self->feed_set);
}

size_t relay_feed_items(const struct relay *self, zmq_pollitem_t ret_item[DIAL_ITEMS])
{
    return self->setup->from_events ? dial_items(&self->feed_dial, false, ret_item) : 0;
}

int64_t relay_feed_due(const struct relay *self)
{
    return self->setup->from_events ? dial_due(&self->feed_dial) : INT64_MAX;
}

/* A mark tells all that a welcome does: who comes from now on is told so far. */
static void welcome_of_mark(struct relay *self, struct span json)
{
    static const char *const own[] = {"event", NULL};
    struct buffer frame;

    if (jtext_check(json) != JTEXT_OBJECT)
        return;
    buffer_init(&frame);
    buffer_text(&frame, WELCOME " {");
    jtext_member(&frame, "event", span_str(WELCOME));
    jtext_members_except(&frame, json, own);
    buffer_byte(&frame, '}');
    events_welcome(self->events, buffer_span(&frame));
    buffer_done(&frame);
}

/* Passes on what is an event by its form. */
static void pass_on(struct relay *self)
{
    const struct frameset *set = &self->feed_set;
    const size_t size = strlen(WELCOME);

    if (set->count == 1) {
        if (set->frame[0].size <= size || memcmp(set->frame[0].data, WELCOME, size) != 0)
            return;
        events_welcome(self->events, set->frame[0]);
    } else if (set->count != 3 || set->frame[0].size > LIMIT_TOPIC || set->frame[1].size > 20) {
        return;
    } else if (span_is(set->frame[0], "gateway/mark")) {
        welcome_of_mark(self, set->frame[2]);
    }
    self->count[RELAY_EVENTS]++;
    events_pass(self->events, set->frame, set->count);
}

static void watch(struct relay *self, int64_t now_us)
{
    int error = 0;
    enum dial_event event = dial_next(&self->feed_dial, now_us, &error);

    if (event == DIAL_OPEN)
        log_event(LOG_INFO, "events-up", LOG_STR("from", self->setup->from_events));
    else if (event != DIAL_NOTHING)
        log_event(LOG_WARN, "events-lost", LOG_STR("from", self->setup->from_events),
                  LOG_STR("why", dial_words(event, error)));
}

void relay_feed_run(struct relay *self, int64_t now_us)
{
    if (!self->setup->from_events)
        return;
    watch(self, now_us);
    for (int i = 0; i < EVENTS_AT_ONCE && self->feed_dial.socket; i++) {
        int got = frameset_receive(&self->feed_set, self->feed_dial.socket);
        if (got == 1)
            pass_on(self);
        else if (got != -E2BIG)
            return;
    }
}
