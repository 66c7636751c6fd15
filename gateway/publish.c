#include "gateway/publish.h"

#include <stdlib.h>

#include "proto/utf8.h"

/* An attempt whose partials have come; or one that is not followed any more. */
struct stream {
    struct table_node node;
    int64_t id;
    uint32_t attempt;
    bool lost;      /* P1 */
    uint64_t index; /* of the last event, composed or not */
    struct redact_stream text;
};

void publish_init(struct publish *self, struct events *events, struct redact *redact,
                  struct stats *stats, uint64_t seed, int64_t now_us)
{
    memset(self, 0, sizeof *self);
    self->events = events;
    self->redact = redact;
    self->stats = stats;
    self->since_us = now_us;
    self->bodies = true;
    feed_init(&self->feed, seed);
    row_event_init(&self->row);
    table_init(&self->streams, seed);
}

static struct stream *find(const struct publish *self, int64_t id)
{
    struct table_node *node =
        table_first(&self->streams, table_hash(&self->streams, &id, sizeof id));

    for (; node; node = table_next(node)) {
        struct stream *stream = table_owner(node, struct stream, node);
        if (stream->id == id)
            return stream;
    }
    return NULL;
}

static void drop(struct publish *self, struct stream *stream)
{
    self->held -= redact_stream_held(&stream->text);
    table_remove(&self->streams, &stream->node);
    redact_stream_done(&stream->text);
    free(stream);
}

void publish_done(struct publish *self)
{
    struct table_node *node;

    while ((node = table_walk(&self->streams, NULL)))
        drop(self, table_owner(node, struct stream, node));
    table_done(&self->streams);
    row_event_done(&self->row);
    buffer_done(&self->text);
    buffer_done(&self->service);
    buffer_done(&self->name);
    buffer_done(&self->json);
    buffer_done(&self->out.frames);
    buffer_done(&self->out.welcome);
}

void publish_forget(struct publish *self, int64_t id)
{
    struct stream *stream = self->streams.count ? find(self, id) : NULL;

    if (stream)
        drop(self, stream);
}

uint64_t publish_partials(const struct publish *self, int64_t id, uint32_t attempt)
{
    const struct stream *stream = self->streams.count ? find(self, id) : NULL;

    return stream && stream->attempt == attempt ? stream->index : 0;
}

/* A stream for ATTEMPT of query ID, or NULL when there is no room: from then on no attempt that has
 * begun by now gets one, or its first partials would be missed (P1). */
static struct stream *add(struct publish *self, int64_t now_us, int64_t id, uint32_t attempt)
{
    struct stream *stream;

    publish_forget(self, id);
    if (self->streams.count >= PUBLISH_STREAMS) {
        self->since_us = now_us + 1;
        return NULL;
    }
    stream = memory_zero(1, sizeof *stream);
    stream->id = id;
    stream->attempt = attempt;
    redact_stream_init(&stream->text);
    table_add(&self->streams, &stream->node, table_hash(&self->streams, &id, sizeof id));
    return stream;
}

void publish_interrupted(struct publish *self, int64_t now_us, int64_t id, uint32_t attempt,
                         int64_t leased_us)
{
    struct stream *stream;

    publish_forget(self, id);
    if (leased_us < self->since_us)
        return; /* it is not followed anyway */
    stream = add(self, now_us, id, attempt);
    if (stream)
        stream->lost = true;
}

/* The stream that PARTIAL goes on, or begins; NULL when its attempt is not followed. */
static struct stream *stream_of(struct publish *self, int64_t now_us,
                                const struct publish_partial *partial)
{
    struct stream *stream = find(self, partial->id);

    if (!stream || stream->attempt != partial->attempt)
        stream = partial->leased_us < self->since_us
                     ? NULL
                     : add(self, now_us, partial->id, partial->attempt);
    return stream && !stream->lost ? stream : NULL;
}

/* What STREAM lets go now that PARTIAL has come: our buffer TEXT. */
static void take_text(struct publish *self, struct stream *stream,
                      const struct publish_partial *partial)
{
    if (self->text.room > PUBLISH_KEPT_ROOM)
        buffer_done(&self->text);
    buffer_reset(&self->text);
    self->held -= redact_stream_held(&stream->text);
    for (size_t i = 0; i < partial->frames; i++)
        redact_stream_add(&stream->text, self->redact, partial->frame[i], &self->text);
    if (self->held + redact_stream_held(&stream->text) > PUBLISH_HELD)
        redact_stream_fail(&stream->text, self->redact, &self->text);
    self->held += redact_stream_held(&stream->text);
}

struct span publish_name(struct publish *self, struct span name, struct buffer *storage)
{
    buffer_reset(storage);
    return redact_text(self->redact, name, storage) > 0 ? buffer_span(storage) : name;
}

/* One event of TEXT, which has at most LIMIT_EVENT_TEXT bytes. */
static void send_text(struct publish *self, int64_t now_us, const struct stream *stream,
                      struct event_head *head, struct span worker, const struct identity *verified,
                      struct span text)
{
    head->seq = feed_number(&self->feed, now_us);
    event_partial(head, worker, verified, stream->attempt, stream->index, text, &self->json);
    publish_send(self, TOPIC_PARTIAL, head->conversation_id, head->seq);
}

struct span publish_partial(struct publish *self, int64_t now_us, int64_t utc_us,
                            const struct publish_partial *partial)
{
    struct stream *stream = stream_of(self, now_us, partial);
    struct event_head head = {.utc_us = utc_us, .message_id = partial->id};
    bool heard = !partial->silent && events_wanted(self->events, TOPIC_PARTIAL);
    struct span rest, worker;

    if (!stream) {
        self->stats->count[STAT_UNFOLLOWED]++;
        return span_str("");
    }
    take_text(self, stream, partial);
    head.conversation_id = partial->conversation_id;
    head.service = publish_name(self, partial->service, &self->service);
    worker = publish_name(self, partial->worker, &self->name);
    rest = buffer_span(&self->text);
    while (rest.size > 0) {
        struct span piece = utf8_cut(rest, LIMIT_EVENT_TEXT);
        stream->index++;
        if (heard)
            send_text(self, now_us, stream, &head, worker, partial->verified, piece);
        rest = span_of(rest.data + piece.size, rest.size - piece.size);
    }
    return buffer_span(&self->text);
}
