/* Bodies, both ways. The first byte says which: 0 to 2 are a form, and what follows is a row's text
 * and, behind a 0xfe byte, its blob, from anybody; with any other, what follows is cut into frames
 * (one byte of length before each, four times that long when it is odd), after 3 said sixteen times
 * over. What is read lies inside what was given; what is composed is read as the frames that it
 * was. */
#include <stdint.h>
#include <stdlib.h>

#include "proto/jtext.h"
#include "proto/message.h"
#include "proto/pack.h"
#include "proto/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool promise)
{
    if (!promise)
        abort();
}

static bool is_inside(struct span part, struct span whole)
{
    if (part.size == 0 || whole.size == 0)
        return part.size == 0;
    return part.data >= whole.data && part.data + part.size <= whole.data + whole.size;
}

static void check_row(enum body_form form, struct span text, struct span blob)
{
    struct span frame[LIMIT_BODY_FRAMES];
    struct buffer storage;
    size_t count = 0;

    buffer_init(&storage);
    if (body_read(form, text, blob, &storage, frame, &count) == 0) {
        check(count >= 1 && count <= LIMIT_BODY_FRAMES);
        for (size_t i = 0; i < count; i++)
            check(is_inside(frame[i], text) || is_inside(frame[i], blob) ||
                  is_inside(frame[i], buffer_span(&storage)));
        check(form != BODY_BASE64 || pack_bytes(frame, count) <= LIMIT_BODY_IN_ROW);
    }
    buffer_done(&storage);
}

static size_t cut(const uint8_t *data, size_t size, struct span *frame)
{
    size_t count = 0;
    while (size > 0 && count < LIMIT_BODY_FRAMES) {
        size_t length = *data & 1 ? 4 * (size_t)*data : *data;
        data++;
        size--;
        if (length > size)
            length = size;
        frame[count++] = span_of(data, length);
        data += length;
        size -= length;
    }
    return count;
}

static void check_same(enum body_form form, const struct buffer *text, const struct buffer *blob,
                       const struct span *frame, size_t count)
{
    struct span again[LIMIT_BODY_FRAMES];
    struct buffer storage;
    size_t again_count = 0;

    buffer_init(&storage);
    check(text->size == 0 || utf8_count(buffer_span(text)) <= LIMIT_REPLY_CHARS);
    check(body_read(form, buffer_span(text), buffer_span(blob), &storage, again, &again_count) ==
          0);
    check(again_count == count);
    for (size_t i = 0; i < count; i++)
        check(span_equal(again[i], frame[i]));
    buffer_done(&storage);
}

static void check_frames(const struct span *frame, size_t count)
{
    const struct reply_facts facts = {
        .message_id = 17, .service = span_str("law"), .worker = span_str("w\xff"), .attempt = 1};
    struct buffer text, blob, metadata;
    enum body_form form, meta;
    bool plain = false;
    int redacted = 0;

    buffer_init(&text);
    buffer_init(&blob);
    buffer_init(&metadata);
    form = body_compose_query(frame, count, &text, &blob);
    check((form == BODY_BLOB) == (blob.size > 0));
    check_same(form, &text, &blob, frame, count);
    buffer_reset(&text);
    buffer_reset(&blob);
    form = body_compose_reply(frame, count, &facts, &text, &metadata, &blob, &redacted);
    check_same(form, &text, &blob, frame, count);
    check(body_reply_form(buffer_span(&metadata), &meta) && meta == form && redacted == 0);
    buffer_reset(&text);
    check(body_query_text(frame, count, &text, &plain) == 0);
    check(plain ? span_equal(buffer_span(&text), frame[0])
                : jtext_check(buffer_span(&text)) == JTEXT_OBJECT);
    buffer_done(&text);
    buffer_done(&blob);
    buffer_done(&metadata);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span frame[LIMIT_BODY_FRAMES];

    if (size == 0)
        return 0;
    uint8_t what = *data++;
    size--;
    if (what <= BODY_BLOB) {
        const uint8_t *end = size ? memchr(data, 0xfe, size) : NULL;
        size_t length = end ? (size_t)(end - data) : size;
        check_row((enum body_form)what, span_of(data, length),
                  span_of(end ? end + 1 : NULL, end ? size - length - 1 : 0));
        return 0;
    }
    struct buffer given;
    buffer_init(&given);
    for (int times = what == 3 ? 16 : 1; times > 0; times--)
        buffer_add(&given, span_of(data, size));
    size_t count = cut((const uint8_t *)given.data, given.size, frame);
    if (count > 0)
        check_frames(frame, count);
    buffer_done(&given);
    return 0;
}
