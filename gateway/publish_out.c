/* Events on their way out (P6). */
#include "gateway/publish.h"

/* Where the queue's bytes begin; those before it have left. */
static const char *bytes_of(const struct publish_out *out)
{
    return out->frames.data + out->gone;
}

static void forget(struct publish_out *out)
{
    out->first = out->gone = 0;
    if (out->frames.room > PUBLISH_KEPT_ROOM)
        buffer_done(&out->frames);
    buffer_reset(&out->frames);
}

static void send_first(struct publish *self)
{
    struct publish_out *out = &self->out;
    const struct publish_event *event = &out->event[out->first];
    struct span topic = span_of(bytes_of(out), event->topic);
    struct span json = span_of(topic.data + topic.size, event->json);

    if (events_publish(self->events, topic, event->seq, json) < 0)
        self->stats->count[STAT_EVENTS_LOST]++;
    out->gone += topic.size + json.size;
    out->first++;
    out->before -= out->before > 0;
    if (--out->count == 0)
        forget(out);
}

static void flush_batch(struct publish *self)
{
    if (events_flush(self->events) < 0)
        self->stats->count[STAT_EVENTS_LOST]++;
}

void publish_flush(struct publish *self)
{
    while (self->out.count > 0)
        send_first(self);
    flush_batch(self);
}

/* Room for one batch is left, which may be due at the end of the turn. */
void publish_some(struct publish *self)
{
    size_t next = events_next_copies(self->events);
    uint64_t begun = events_copies(self->events);
    bool first = true;

    while (self->out.count > 0 &&
           (first || events_copies(self->events) - begun + next <= PUBLISH_COPIES)) {
        send_first(self);
        first = false;
    }
}

int64_t publish_batch_due(const struct publish *self)
{
    return events_waiting(self->events) > 0 ? self->batch_us + PUBLISH_BATCH_US : INT64_MAX;
}

void publish_batch(struct publish *self, int64_t now_us)
{
    if (now_us < publish_batch_due(self))
        return;
    flush_batch(self);
    self->batch_us = now_us;
}

/* Makes room behind the queue for one more event. */
static void make_room(struct publish *self)
{
    struct publish_out *out = &self->out;
    size_t waiting = out->frames.size - out->gone;

    while (out->count == PUBLISH_OUT || (out->count > 0 && waiting > PUBLISH_OUT_BYTES)) {
        publish_some(self);
        waiting = out->frames.size - out->gone;
    }
    if (out->first + out->count < PUBLISH_OUT_ROOM && out->gone <= PUBLISH_OUT_BYTES)
        return;
    memmove(out->event, out->event + out->first, out->count * sizeof out->event[0]);
    memmove(out->frames.data, bytes_of(out), waiting);
    out->frames.size = waiting;
    out->first = out->gone = 0;
}

void publish_send(struct publish *self, enum topic_kind kind, struct span about, uint64_t seq)
{
    struct publish_out *out = &self->out;
    struct publish_event *event;
    char topic[TOPIC_SIZE];
    size_t size = topic_make(kind, about, topic);

    make_room(self);
    buffer_add(&out->frames, span_of(topic, size));
    buffer_add(&out->frames, buffer_span(&self->json));
    event = &out->event[out->first + out->count++];
    *event = (struct publish_event){.seq = seq, .topic = size, .json = self->json.size};
    buffer_reset(&self->json);
}
