#include "proto/event.h"

#include "proto/escape.h"
#include "proto/jtext.h"
#include "proto/stamp.h"

/* Appends a member whose text came from others. */
static void put_text(struct buffer *ret_json, const char *name, struct span text)
{
    jtext_member_raw(ret_json, name, span_str(""));
    escape_json(ret_json, text);
}

/* As "name":1.250. */
static void put_seconds(struct buffer *ret_json, const char *name, int64_t us)
{
    jtext_member_raw(ret_json, name, span_str(""));
    buffer_decimal(ret_json, us / 1000, 3);
}

static void begin(struct buffer *ret_json, const char *name, uint64_t seq, int64_t utc_us)
{
    char stamp[STAMP_SIZE];

    stamp_format(utc_us, stamp);
    buffer_byte(ret_json, '{');
    jtext_member(ret_json, "event", span_str(name));
    jtext_member_integer(ret_json, "seq", (int64_t)seq);
    jtext_member(ret_json, "time", span_str(stamp));
}

static void put_head(struct buffer *ret_json, const char *kind, const struct event_head *head)
{
    begin(ret_json, kind, head->seq, head->utc_us);
    jtext_member_integer(ret_json, "message_id", head->message_id);
    put_text(ret_json, "conversation_id", head->conversation_id);
    put_text(ret_json, "service", head->service);
}

void event_partial(const struct event_head *head, struct span worker,
                   const struct identity *verified, uint32_t attempt, uint64_t index,
                   struct span text, struct buffer *ret_json)
{
    put_head(ret_json, "partial", head);
    put_text(ret_json, "worker", worker);
    jtext_member_integer(ret_json, "attempt", attempt);
    if (verified)
        identity_member(ret_json, "verified", span_str(verified->principal),
                        span_str(verified->name));
    jtext_member_integer(ret_json, "index", (int64_t)index);
    put_text(ret_json, "text", text);
    buffer_byte(ret_json, '}');
}

static void put_member(const struct event_member *member, struct buffer *ret_json)
{
    switch (member->type) {
    case EVENT_TEXT:
        put_text(ret_json, member->name, member->text);
        break;
    case EVENT_NUMBER:
        jtext_member_integer(ret_json, member->name, member->number);
        break;
    case EVENT_FLAG:
        jtext_member_raw(ret_json, member->name, span_str(member->number ? "true" : "false"));
        break;
    case EVENT_SECONDS:
        put_seconds(ret_json, member->name, member->number);
        break;
    case EVENT_JSON:
        if (member->text.size)
            jtext_member_raw(ret_json, member->name, member->text);
        break;
    }
}

void event_other(const char *name, uint64_t seq, int64_t utc_us, const struct event_member *member,
                 size_t count, struct buffer *ret_json)
{
    begin(ret_json, name, seq, utc_us);
    for (size_t i = 0; i < count; i++)
        put_member(&member[i], ret_json);
    buffer_byte(ret_json, '}');
}

/* As put_text(), but null for nothing. */
static void put_text_or_null(struct buffer *ret_json, const char *name, struct span text)
{
    if (text.size)
        put_text(ret_json, name, text);
    else
        jtext_member_raw(ret_json, name, span_str("null"));
}

static void put_reply(const struct event_row *row, struct buffer *ret_json)
{
    if (row->in_reply_to >= 0)
        jtext_member_integer(ret_json, "in_reply_to", row->in_reply_to);
    if (row->took_us >= 0)
        put_seconds(ret_json, "seconds", row->took_us);
    if (row->worker.size)
        put_text(ret_json, "worker", row->worker);
    if (row->attempt >= 0)
        jtext_member_integer(ret_json, "attempt", row->attempt);
    if (row->dead)
        jtext_member_raw(ret_json, "dead", span_str("true"));
}

static void put_bodies(const struct event_row *row, struct buffer *ret_json)
{
    put_text(ret_json, "text", row->text);
    if (row->truncated)
        jtext_member_raw(ret_json, "truncated", span_str("true"));
    if (row->metadata.size == 0) {
        jtext_member_raw(ret_json, "metadata", span_str("null"));
        return;
    }
    buffer_text(ret_json, ",\"metadata\":");
    escape_in_json(ret_json, row->metadata);
}

void event_row(const struct event_row *row, const struct event_live *live, struct buffer *ret_json)
{
    if (live) {
        begin(ret_json, topic_name(row->kind), live->seq, live->utc_us);
    } else {
        buffer_byte(ret_json, '{');
        jtext_member(ret_json, "event", span_str(topic_name(row->kind)));
    }
    jtext_member_integer(ret_json, "id", row->id);
    if (live)
        jtext_member_integer(ret_json, "prev", live->prev);
    put_text(ret_json, "conversation_id", row->conversation_id);
    put_text(ret_json, "from", row->from);
    put_text(ret_json, "to", row->to);
    put_text(ret_json, "timestamp", row->timestamp);
    jtext_member(ret_json, "form", span_str(row->form));
    put_text_or_null(ret_json, "service", row->service);
    put_reply(row, ret_json);
    if (row->kind != TOPIC_MESSAGE)
        identity_member(ret_json, row->kind == TOPIC_QUERY ? "sender" : "verified", row->principal,
                        row->name);
    jtext_member_integer(ret_json, "size", row->size);
    put_text_or_null(ret_json, "hash", span_str(row->hash));
    if (row->bodies)
        put_bodies(row, ret_json);
    buffer_byte(ret_json, '}');
}

void event_mark(const struct event_mark *mark, bool welcome, uint64_t seq, int64_t utc_us,
                struct span counters, struct buffer *ret_json)
{
    begin(ret_json, welcome ? "gateway/welcome" : "gateway/mark", seq, utc_us);
    jtext_member(ret_json, "epoch", span_str(mark->epoch));
    jtext_member_integer(ret_json, "since", mark->since);
    jtext_member_integer(ret_json, "id", mark->id);
    jtext_member_integer(ret_json, "highest", mark->highest);
    buffer_text(ret_json, ",\"last\":{");
    for (int kind = 0; kind < EVENT_DURABLE; kind++)
        jtext_member_integer(ret_json, topic_name((enum topic_kind)kind), mark->last[kind]);
    buffer_byte(ret_json, '}');
    if (counters.size)
        jtext_member_raw(ret_json, "counters", counters);
    buffer_byte(ret_json, '}');
}
