/* A stream of server-sent events, cut anywhere: any bytes. The first two say how long its pieces
 * are. However it is cut the events are the same and within the limit, and what each says of a chat
 * is JSON again. */
#include <stdint.h>
#include <stdlib.h>

#include "adapters/worker/http_chat.h"
#include "adapters/worker/sse.h"
#include "proto/jtext.h"

#define HEAD 2    /* bytes of the input that are not of the stream */
#define LIMIT 256 /* bytes of a line and of an event */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool promise)
{
    if (!promise)
        abort();
}

static void chat_about(struct http_chat *chat, struct span data)
{
    struct buffer text;
    buffer_init(&text);
    (void)http_chat_piece(chat, data);
    (void)http_chat_whole(chat, data);
    http_chat_answer(chat, buffer_span(&chat->text), &text);
    check(jtext_check(buffer_span(&text)) == JTEXT_OBJECT);
    buffer_reset(&text);
    http_chat_explain(data, &text);
    check(text.size > 0);
    buffer_done(&text);
}

/* Appends the events, each with a NUL behind it. */
static void read_all(struct span stream, size_t longest, unsigned seed, struct buffer *ret_events)
{
    struct http_chat chat;
    struct sse sse;
    size_t size;
    int found = 0;

    http_chat_init(&chat);
    sse_init(&sse, LIMIT);
    for (size_t at = 0; at < stream.size && found >= 0; at += size) {
        seed = seed * 1103515245u + 12345u;
        size = 1 + (seed >> 16) % longest;
        if (size > stream.size - at)
            size = stream.size - at;
        struct span bytes = span_of(stream.data + at, size), event;
        while ((found = sse_next(&sse, &bytes, &event)) > 0) {
            check(event.size < LIMIT);
            buffer_add(ret_events, event);
            buffer_byte(ret_events, '\0');
            chat_about(&chat, event);
        }
        check(found < 0 || bytes.size == 0);
    }
    if (found < 0)
        buffer_text(ret_events, "too large");
    sse_done(&sse);
    http_chat_done(&chat);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer whole, pieces;

    if (size <= HEAD)
        return 0;
    buffer_init(&whole);
    buffer_init(&pieces);
    struct span stream = span_of(data + HEAD, size - HEAD);
    read_all(stream, 1, 0, &whole);
    read_all(stream, 1u + data[0], data[1], &pieces);
    check(span_equal(buffer_span(&whole), buffer_span(&pieces)));
    buffer_done(&pieces);
    buffer_done(&whole);
    return 0;
}
