/* Texts that come in pieces: any bytes, cut anywhere. The first bytes of the input say how: the
 * longest piece, and the seed of the sizes. What is released is at any time a start of what the
 * whole becomes, and in the end all of it, with JIT and without; PCRE2's limits are never reached,
 * nor is what may be held. */
#include <stdint.h>
#include <stdlib.h>

#include "adapters/text/redact_stream.h"
#include "proto/utf8.h"

#define HEAD 2 /* bytes of the input that are not text */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct redact *redact[2];

static void check(bool promise)
{
    if (!promise)
        abort();
}

static void check_start(const struct buffer *released, const struct buffer *whole)
{
    check(released->size <= whole->size);
    check(released->size == 0 || memcmp(released->data, whole->data, released->size) == 0);
}

static void whole_of(struct span text, struct buffer *ret_whole)
{
    struct buffer repaired;

    buffer_init(&repaired);
    utf8_repair(&repaired, text);
    if (redact_text(redact[0], buffer_span(&repaired), ret_whole) == 0)
        buffer_add(ret_whole, buffer_span(&repaired));
    buffer_done(&repaired);
}

static void check_pieces(struct redact *with, struct span text, size_t longest, unsigned seed,
                         const struct buffer *whole)
{
    struct redact_stream stream;
    struct buffer released;
    size_t size;

    redact_stream_init(&stream);
    buffer_init(&released);
    for (size_t at = 0; at < text.size; at += size) {
        seed = seed * 1103515245u + 12345u;
        size = 1 + (seed >> 16) % longest;
        if (size > text.size - at)
            size = text.size - at;
        redact_stream_add(&stream, with, span_of(text.data + at, size), &released);
        check_start(&released, whole);
        check(redact_stream_held(&stream) <= REDACT_STREAM_HELD);
    }
    redact_stream_end(&stream, with, &released);
    check(span_equal(buffer_span(&released), buffer_span(whole)));
    check(redact_stream_held(&stream) == 0);
    buffer_done(&released);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer whole;

    if (size < HEAD || size > REDACT_STREAM_HELD)
        return 0;
    buffer_init(&whole);
    for (int i = 0; i < 2; i++)
        if (!redact[i])
            redact[i] = redact_new(i == 0);
    whole_of(span_of(data + HEAD, size - HEAD), &whole);
    for (int i = 0; i < 2; i++) {
        check_pieces(redact[i], span_of(data + HEAD, size - HEAD), 1u + data[0], data[1], &whole);
        check(redact_failures(redact[i]) == 0);
    }
    buffer_done(&whole);
    return 0;
}
