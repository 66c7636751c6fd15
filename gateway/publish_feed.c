/* Rows, what becomes of queries and workers, and marks, as events. */
#include "gateway/publish.h"
#include "proto/jtext.h"

#define MEMBERS 12 /* that an event has at most */

void publish_start(struct publish *self, int64_t since, int64_t highest)
{
    feed_start(&self->feed, since, highest);
}

/* Somebody takes rows: then it matters which row is of which kind. */
bool publish_wants_rows(const struct publish *self)
{
    return events_wanted(self->events, TOPIC_QUERY) ||
           events_wanted(self->events, TOPIC_RESPONSE) ||
           events_wanted(self->events, TOPIC_MESSAGE);
}

void publish_passed(struct publish *self, int64_t id)
{
    feed_pass(&self->feed, id);
}

void publish_row(struct publish *self, int64_t now_us, int64_t utc_us, const struct tail_row *row)
{
    struct event_live live = {.utc_us = utc_us};
    enum topic_kind kind;

    if (!publish_wants_rows(self)) {
        publish_passed(self, row->id);
        return;
    }
    kind = row_event_read(&self->row, row);
    live.prev = feed_row(&self->feed, kind, row->id);
    if (!events_wanted(self->events, kind))
        return;
    live.seq = feed_number(&self->feed, now_us);
    row_event_make(&self->row, self->redact, row, self->bodies);
    event_row(&self->row.event, &live, &self->json);
    publish_send(self, kind, row->conversation_id, live.seq);
}

/* One more of what is called NAME. */
static uint64_t count_one(struct publish *self, const char *name)
{
    for (size_t i = 0; i < PUBLISH_WORDS; i++) {
        if (!self->told[i].name)
            self->told[i].name = name;
        if (strcmp(self->told[i].name, name) == 0)
            return ++self->told[i].count;
    }
    return 0; /* more names than there are */
}

void publish_other(struct publish *self, int64_t now_us, int64_t utc_us, enum topic_kind kind,
                   struct span about, const char *name, const struct event_member *member,
                   size_t count)
{
    uint64_t told = count_one(self, name);
    struct event_member all[MEMBERS + 1];
    struct buffer text[MEMBERS];
    uint64_t seq;

    if (!events_wanted(self->events, kind) || count > MEMBERS)
        return;
    for (size_t i = 0; i < count; i++) {
        buffer_init(&text[i]);
        all[i] = member[i];
        if (member[i].type == EVENT_TEXT)
            all[i].text = publish_name(self, member[i].text, &text[i]);
    }
    all[count] = (struct event_member){.name = "count", EVENT_NUMBER, .number = (int64_t)told};
    seq = feed_number(&self->feed, now_us);
    event_other(name, seq, utc_us, all, count + 1, &self->json);
    publish_send(self, kind, about, seq);
    for (size_t i = 0; i < count; i++)
        buffer_done(&text[i]);
}

static void send_mark(struct publish *self, int64_t now_us, int64_t utc_us)
{
    struct event_mark mark = feed_mark(&self->feed);
    uint64_t seq = feed_mark_number(&self->feed, now_us);
    struct buffer counters;

    buffer_init(&counters);
    buffer_byte(&counters, '{');
    for (int i = 0; i < STATS; i++)
        if (self->stats->count[i])
            jtext_member_integer(&counters, stats_name((enum counter)i),
                                 (int64_t)self->stats->count[i]);
    buffer_byte(&counters, '}');
    event_mark(&mark, false, seq, utc_us, buffer_span(&counters), &self->json);
    publish_send(self, TOPIC_GATEWAY, span_str("mark"), seq);
    buffer_done(&counters);
}

/* The frame that a new observer gets first: not before what it speaks of has left. */
static void set_welcome(struct publish *self, int64_t utc_us)
{
    struct publish_out *out = &self->out;
    struct event_mark mark = feed_mark(&self->feed);

    if (out->welcome.size == 0 && feed_welcome(&self->feed)) {
        buffer_text(&out->welcome, "gateway/welcome ");
        event_mark(&mark, true, self->feed.seq, utc_us, span_str(""), &out->welcome);
        out->before = out->count;
    }
    if (out->welcome.size == 0 || out->before > 0)
        return;
    if (events_welcome(self->events, buffer_span(&out->welcome)) < 0)
        self->stats->count[STAT_EVENTS_LOST]++;
    buffer_reset(&out->welcome);
}

void publish_run(struct publish *self, int64_t now_us, int64_t utc_us)
{
    uint64_t begun = events_begun(self->events);

    if (events_doors(self->events) == 0)
        return;
    if (begun != self->begun)
        feed_joined(&self->feed, now_us);
    self->begun = begun;
    if (feed_is_due(&self->feed, now_us, events_wanted(self->events, TOPIC_GATEWAY)))
        send_mark(self, now_us, utc_us);
    publish_some(self);
    publish_batch(self, now_us);
    set_welcome(self, utc_us);
}

int64_t publish_due(const struct publish *self)
{
    int64_t batch_us = publish_batch_due(self);

    if (self->out.count > 0)
        return INT64_MIN;
    return batch_us < self->feed.mark_us ? batch_us : self->feed.mark_us;
}
