#include "proto/event.h"

#include "proto/escape.h"
#include "proto/jtext.h"
#include "proto/stamp.h"

/* Appends a member whose text came from others. */
static void put_text(struct buffer *ret_json, const char *name, struct span text)
{
    buffer_format(ret_json, ",\"%s\":", name);
    escape_json(ret_json, text);
}

static void put_head(struct buffer *ret_json, const char *kind, const struct event_head *head)
{
    char stamp[STAMP_SIZE];

    stamp_format(head->utc_us, stamp);
    buffer_byte(ret_json, '{');
    jtext_member(ret_json, "event", span_str(kind));
    jtext_member_integer(ret_json, "seq", (int64_t)head->seq);
    jtext_member(ret_json, "time", span_str(stamp));
    jtext_member_integer(ret_json, "message_id", head->message_id);
    put_text(ret_json, "conversation_id", head->conversation_id);
    put_text(ret_json, "service", head->service);
}

void event_partial(const struct event_head *head, struct span worker, uint32_t attempt,
                   uint64_t index, struct span text, struct buffer *ret_json)
{
    put_head(ret_json, "partial", head);
    put_text(ret_json, "worker", worker);
    jtext_member_integer(ret_json, "attempt", attempt);
    jtext_member_integer(ret_json, "index", (int64_t)index);
    put_text(ret_json, "text", text);
    buffer_byte(ret_json, '}');
}

void event_undelivered(const struct event_head *head, struct span principal, struct span why,
                       struct buffer *ret_json)
{
    put_head(ret_json, "gateway/undelivered", head);
    put_text(ret_json, "principal", principal);
    put_text(ret_json, "why", why);
    buffer_byte(ret_json, '}');
}
