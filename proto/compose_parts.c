#include "proto/compose_parts.h"

#include "proto/jtext.h"
#include "proto/utf8.h"

#define METADATA_USUAL 250 /* of metadata, without names and histories */

struct span parts_redact_text(const struct rewriter *redactor, struct span text,
                              struct buffer *store, int *count)
{
    struct buffer repaired;
    struct span clean = text;

    if (!redactor)
        return text;
    buffer_init(&repaired);
    if (!utf8_valid(text)) {
        utf8_repair(&repaired, text);
        clean = buffer_span(&repaired);
    }
    int replaced = redactor->run(redactor->context, span_of(NULL, 0), clean, store);
    buffer_done(&repaired);
    *count += replaced;
    return replaced > 0 ? buffer_span(store) : text;
}

struct span parts_redact_json(const struct rewriter *redactor, struct span json,
                              struct buffer *store, int *count)
{
    int replaced = redactor ? jrewrite(json, redactor, store) : 0;

    *count += replaced;
    return replaced > 0 ? buffer_span(store) : json;
}

void parts_seconds(struct buffer *ret_text, int64_t took_us)
{
    int64_t took_ms = took_us > 0 ? took_us / 1000 + (took_us % 1000 >= 500) : 0;
    buffer_decimal(ret_text, took_ms, 3);
}

void parts_metadata(struct buffer *ret_metadata, const struct reply_facts *facts)
{
    buffer_reserve(ret_metadata, facts->service.size + facts->worker.size + facts->through.size +
                                     facts->failed.size + METADATA_USUAL);
    buffer_byte(ret_metadata, '{');
    jtext_member_integer(ret_metadata, "in_reply_to", facts->message_id);
    jtext_member(ret_metadata, "service", facts->service);
    jtext_member(ret_metadata, "worker", facts->worker);
    if (facts->through.size)
        jtext_member_raw(ret_metadata, "through", facts->through);
    jtext_member_integer(ret_metadata, "attempt", facts->attempt);
    jtext_member_raw(ret_metadata, "response_time_sec", span_str(""));
    parts_seconds(ret_metadata, facts->took_us);
    if (facts->failed.size)
        jtext_member_raw(ret_metadata, "failed", facts->failed);
    identity_member(ret_metadata, "verified", facts->principal, facts->name);
}

void parts_cut(struct buffer *ret_metadata, size_t full_length)
{
    jtext_member_raw(ret_metadata, "truncated", span_str("true"));
    jtext_member_integer(ret_metadata, "full_length", (int64_t)full_length);
}

bool parts_is_long(struct span text)
{
    return text.size > LIMIT_REPLY_CHARS && utf8_count(text) > LIMIT_REPLY_CHARS;
}
