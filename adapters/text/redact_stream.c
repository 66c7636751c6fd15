#include "adapters/text/redact_stream.h"

#include "proto/utf8.h"

#define LOOK_ALWAYS 4096 /* bytes held that are looked at whatever has come (T5) */

void redact_stream_init(struct redact_stream *self)
{
    memset(self, 0, sizeof *self);
}

static void drop(struct redact_stream *self)
{
    buffer_done(&self->cut);
    for (size_t i = 0; i < REDACT_RULES; i++) {
        buffer_done(&self->held[i]);
        self->looked[i] = 0;
    }
}

void redact_stream_done(struct redact_stream *self)
{
    drop(self);
}

size_t redact_stream_held(const struct redact_stream *self)
{
    size_t size = self->cut.size;

    for (size_t i = 0; i < REDACT_RULES; i++)
        size += self->held[i].size;
    return size;
}

/* What KEPT, in a buffer of its own size, holds is from now on TAIL, which may be a part of it. */
static void keep(struct buffer *kept, struct span tail)
{
    struct buffer fresh;

    buffer_init(&fresh);
    if (tail.size)
        buffer_add(&fresh, tail);
    buffer_done(kept);
    *kept = fresh;
}

/* The last SIZE bytes of TEXT. */
static struct span tail_of(struct span text, size_t size)
{
    return size ? span_of(text.data + text.size - size, size) : span_of(NULL, 0);
}

/* The bytes at the end of TEXT that more bytes may make a character of. */
static size_t cut_character(struct span text)
{
    for (size_t back = 1; back <= 3 && back <= text.size; back++) {
        unsigned char byte = (unsigned char)text.data[text.size - back];
        size_t length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
        if (byte >= 0xc0)
            return length > back ? back : 0;
        if (byte < 0x80)
            return 0;
    }
    return 0;
}

/* Appends PIECE as whole characters; keeps the beginning of one for the next piece. */
static void take_characters(struct redact_stream *self, struct span piece, bool last,
                            struct buffer *ret_text)
{
    struct buffer joined;
    size_t cut;

    buffer_init(&joined);
    if (self->cut.size) {
        buffer_add(&joined, buffer_span(&self->cut));
        buffer_add(&joined, piece);
        piece = buffer_span(&joined);
    }
    cut = last ? 0 : cut_character(piece);
    utf8_repair(ret_text, span_of(piece.data, piece.size - cut));
    keep(&self->cut, tail_of(piece, cut));
    buffer_done(&joined);
}

/* One RULE: TEXT has come, OUT becomes what goes on to the next one. Returns as redact_rule(). */
static int pass(struct redact_stream *self, struct redact *redact, size_t rule, struct span text,
                bool last, struct buffer *out)
{
    struct buffer *held = &self->held[rule];
    size_t looked = self->looked[rule], kept;
    int count;

    buffer_reset(out);
    if (held->size) {
        buffer_add(held, text);
        text = buffer_span(held);
        if (!last && looked > LOOK_ALWAYS && text.size - looked < looked / REDACT_STREAM_PART)
            return 0;
    }
    if (text.size == 0)
        return 0;
    count = redact_rule(redact, rule, text, last, out, &kept);
    if (count < 0)
        return count;
    keep(held, tail_of(text, kept));
    self->looked[rule] = kept;
    return count;
}

/* All rules over TEXT[0], with TEXT[1] as the other storage. Returns as redact_rule(); what is let
 * go is then in the TEXT of *ret_turn. */
static int pass_all(struct redact_stream *self, struct redact *redact, struct buffer text[2],
                    bool last, size_t *ret_turn)
{
    size_t turn = 0;
    int total = 0;

    for (size_t i = 0; i < REDACT_RULES && (last || text[turn].size); i++) {
        int count = pass(self, redact, i, buffer_span(&text[turn]), last, &text[turn ^ 1]);
        if (count < 0)
            return count;
        total += count;
        turn ^= 1;
    }
    *ret_turn = turn;
    return total;
}

/* Drops what is held, and releases nothing any more. */
static void fail(struct redact_stream *self, struct buffer *ret_text)
{
    drop(self);
    self->failed = true;
    buffer_text(ret_text, REDACT_FAILED);
}

void redact_stream_fail(struct redact_stream *self, struct redact *redact, struct buffer *ret_text)
{
    if (self->failed)
        return;
    redact_note_failure(redact);
    fail(self, ret_text);
}

static int take(struct redact_stream *self, struct redact *redact, struct span piece, bool last,
                struct buffer *ret_text)
{
    struct buffer text[2];
    size_t turn = 0;
    int count;

    if (self->failed)
        return 0;
    buffer_init(&text[0]);
    buffer_init(&text[1]);
    take_characters(self, piece, last, &text[0]);
    count = pass_all(self, redact, text, last, &turn);
    if (count >= 0)
        buffer_add(ret_text, buffer_span(&text[turn]));
    if (count < 0) {
        fail(self, ret_text);
        count = 1;
    } else if (redact_stream_held(self) > REDACT_STREAM_HELD) {
        redact_stream_fail(self, redact, ret_text);
        count++;
    }
    buffer_done(&text[0]);
    buffer_done(&text[1]);
    return count;
}

int redact_stream_add(struct redact_stream *self, struct redact *redact, struct span piece,
                      struct buffer *ret_text)
{
    return take(self, redact, piece, false, ret_text);
}

int redact_stream_end(struct redact_stream *self, struct redact *redact, struct buffer *ret_text)
{
    int count = take(self, redact, span_of(NULL, 0), true, ret_text);

    redact_stream_done(self);
    redact_stream_init(self);
    return count;
}
