#include "proto/body.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

#include "proto/compose_parts.h"
#include "proto/jtext.h"
#include "proto/pack.h"
#include "proto/utf8.h"

#define BASE64 sodium_base64_VARIANT_ORIGINAL
/* The most characters of a base64 object: every frame may need two more bytes than it has, quotes
 * and a comma; 200 for what stands before them, a query_id of 20 digits included. */
static_assert((LIMIT_BODY_IN_ROW + 2 * LIMIT_BODY_FRAMES) / 3 * 4 + 3 * LIMIT_BODY_FRAMES + 200 <=
                  LIMIT_REPLY_CHARS,
              "a base64 object is a row's text");

static const char *const form_name[] = {
    [BODY_TEXT] = "text", [BODY_BASE64] = "base64", [BODY_BLOB] = "blob"};

const char *body_form_name(enum body_form form)
{
    return form_name[form];
}

bool body_form_read(struct span name, enum body_form *ret_form)
{
    for (unsigned form = BODY_TEXT; form <= BODY_BLOB; form++) {
        if (!span_is(name, form_name[form]))
            continue;
        *ret_form = (enum body_form)form;
        return true;
    }
    return false;
}

void body_hash(struct span packed, char ret_hash[BODY_HASH_SIZE])
{
    unsigned char hash[crypto_generichash_BYTES];

    static_assert(2 * sizeof hash + 1 == BODY_HASH_SIZE, "two digits for a byte");
    crypto_generichash(hash, sizeof hash, (const unsigned char *)packed.data, packed.size, NULL, 0);
    sodium_bin2hex(ret_hash, BODY_HASH_SIZE, hash, sizeof hash);
}

/* --- the parts --- */

static bool is_text(const struct span *frame, size_t count)
{
    return count == 1 && utf8_valid(frame[0]) &&
           (frame[0].size == 0 || !memchr(frame[0].data, 0, frame[0].size));
}

/* Appends the start of an object: of a query, or, unless it is 0, of the reply to MESSAGE_ID. */
static void put_head(struct buffer *ret_text, int64_t message_id, enum body_form form)
{
    buffer_byte(ret_text, '{');
    jtext_member(ret_text, "type", span_str(message_id ? "response" : "query"));
    if (message_id)
        buffer_format(ret_text, ",\"query_id\":\"m%lld\"", (long long)message_id);
    jtext_member(ret_text, "encoding", span_str(form_name[form]));
}

static void put_base64(const struct span *frame, size_t count, int64_t message_id,
                       struct buffer *ret_text)
{
    put_head(ret_text, message_id, BODY_BASE64);
    buffer_text(ret_text, ",\"body\":[");
    for (size_t i = 0; i < count; i++) {
        size_t room = sodium_base64_encoded_len(frame[i].size, BASE64);
        char *digits = memory_new(room);
        sodium_bin2base64(digits, room, (const unsigned char *)frame[i].data, frame[i].size,
                          BASE64);
        buffer_text(ret_text, i > 0 ? ",\"" : "\"");
        buffer_add(ret_text, span_of(digits, room - 1));
        buffer_byte(ret_text, '"');
        free(digits);
    }
    buffer_text(ret_text, "]}");
}

static void put_blob(const struct span *frame, size_t count, int64_t message_id,
                     struct buffer *ret_text, struct buffer *ret_blob)
{
    size_t start = ret_blob->size;
    char hash[BODY_HASH_SIZE];

    pack_write(frame, count, ret_blob);
    body_hash(span_of(ret_blob->data + start, ret_blob->size - start), hash);
    put_head(ret_text, message_id, BODY_BLOB);
    jtext_member_integer(ret_text, "frames", (int64_t)count);
    jtext_member_integer(ret_text, "size", (int64_t)pack_bytes(frame, count));
    jtext_member(ret_text, "blake2b", span_str(hash));
    buffer_byte(ret_text, '}');
}

/* Frames that are no text. */
static enum body_form put_bytes(const struct span *frame, size_t count, int64_t message_id,
                                struct buffer *ret_text, struct buffer *ret_blob)
{
    if (pack_bytes(frame, count) <= LIMIT_BODY_IN_ROW) {
        put_base64(frame, count, message_id, ret_text);
        return BODY_BASE64;
    }
    put_blob(frame, count, message_id, ret_text, ret_blob);
    return BODY_BLOB;
}

/* --- requests --- */

enum body_form body_compose_query(const struct span *frame, size_t count, struct buffer *ret_text,
                                  struct buffer *ret_blob)
{
    assert(count >= 1 && count <= LIMIT_BODY_FRAMES);
    if (!is_text(frame, count) || parts_is_long(frame[0]))
        return put_bytes(frame, count, 0, ret_text, ret_blob);
    buffer_add(ret_text, frame[0]);
    return BODY_TEXT;
}

int body_query_text(const struct span *frame, size_t count, struct buffer *ret_text,
                    bool *ret_plain)
{
    size_t size = strlen("{\"type\":\"query\",\"encoding\":\"base64\",\"body\":[") + strlen("]}");

    assert(count >= 1 && count <= LIMIT_BODY_FRAMES);
    if (is_text(frame, count)) {
        if (frame[0].size > LIMIT_FRAME_SIZE)
            return -1;
        buffer_add(ret_text, frame[0]);
        *ret_plain = true;
        return 0;
    }
    for (size_t i = 0; i < count; i++)
        size += sodium_base64_encoded_len(frame[i].size, BASE64) - 1 + strlen("\"\"") + (i > 0);
    if (size > LIMIT_FRAME_SIZE)
        return -1;
    put_base64(frame, count, 0, ret_text);
    *ret_plain = false;
    return 0;
}

/* --- replies --- */

/* The text of a reply. Returns the characters of the whole when it was cut, else 0. */
static size_t put_text(struct span frame, const struct rewriter *redactor, struct buffer *ret_text,
                       struct buffer *ret_blob, int *redacted)
{
    struct buffer store;
    size_t length = 0;

    buffer_init(&store);
    enum jtext_type type = jtext_check(frame);
    bool json = type == JTEXT_OBJECT || type == JTEXT_ARRAY;
    struct span text = json ? parts_redact_json(redactor, frame, &store, redacted)
                            : parts_redact_text(redactor, frame, &store, redacted);
    if (parts_is_long(text)) {
        length = utf8_count(text);
        pack_write(&text, 1, ret_blob);
        text = utf8_cut_chars(text, LIMIT_REPLY_CHARS);
    }
    buffer_add(ret_text, text);
    buffer_done(&store);
    return length;
}

enum body_form body_compose_reply(const struct span *frame, size_t count,
                                  const struct reply_facts *facts, struct buffer *ret_text,
                                  struct buffer *ret_metadata, struct buffer *ret_blob,
                                  int *ret_redacted)
{
    const struct rewriter *redactor = facts->redactor;
    struct reply_facts named = *facts;
    struct buffer service, worker, through;
    enum body_form form = BODY_TEXT;
    size_t length = 0;
    int redacted = 0;

    assert(count >= 1 && count <= LIMIT_BODY_FRAMES && facts->message_id > 0);
    buffer_init(&service);
    buffer_init(&worker);
    buffer_init(&through);
    if (is_text(frame, count))
        length = put_text(frame[0], redactor, ret_text, ret_blob, &redacted);
    else
        form = put_bytes(frame, count, facts->message_id, ret_text, ret_blob);
    named.service = parts_redact_text(redactor, facts->service, &service, &redacted);
    named.worker = parts_redact_text(redactor, facts->worker, &worker, &redacted);
    if (facts->through.size)
        named.through = parts_redact_json(redactor, facts->through, &through, &redacted);
    parts_metadata(ret_metadata, &named);
    jtext_member(ret_metadata, "body", span_str(form_name[form]));
    if (length > 0)
        parts_cut(ret_metadata, length);
    buffer_byte(ret_metadata, '}');
    buffer_done(&service);
    buffer_done(&worker);
    buffer_done(&through);
    *ret_redacted = redacted;
    return form;
}
