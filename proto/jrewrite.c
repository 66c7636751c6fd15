#include "proto/jrewrite.h"

#include "proto/jreader.h"
#include "proto/jtext.h"
#include "proto/space.h"

/* The work under way. In valid JSON a string is a name when a colon follows it, so that neither
 * depth nor the kind of container needs to be known. */
struct walk {
    const struct rewriter *rewriter;
    struct buffer *out;
    const char *kept;         /* everything of the source before it is in OUT */
    struct buffer name, text; /* decoded, where they hold escapes */
    struct buffer result;     /* of the rewriter */
    int count;
};

/* Takes a string literal, with its quotes. */
static struct span take_literal(struct reader *self)
{
    const char *start = self->at++;
    while (*self->at != '"')
        self->at += *self->at == '\\' ? 2 : 1;
    self->at++;
    return span_of(start, (size_t)(self->at - start));
}

/* Takes white space and, when it is the next byte, BYTE. */
static bool take_token(struct reader *self, char byte)
{
    while (self->at < self->end && space_in_json(*self->at))
        self->at++;
    return take(self, byte);
}

/* The content of LITERAL: in place when nothing in it is escaped, else decoded into STORE. */
static struct span content_of(struct span literal, struct buffer *store)
{
    struct span inside = span_of(literal.data + 1, literal.size - 2);
    if (inside.size == 0 || !memchr(inside.data, '\\', inside.size))
        return inside;
    buffer_reset(store);
    jtext_decode(store, literal);
    return buffer_span(store);
}

static void rewrite(struct walk *self, struct span name, struct span literal)
{
    struct span text = content_of(literal, &self->text);
    buffer_reset(&self->result);
    int count = self->rewriter->run(self->rewriter->context, name, text, &self->result);
    if (count == 0)
        return;
    buffer_add(self->out, span_of(self->kept, (size_t)(literal.data - self->kept)));
    jtext_quote(self->out, buffer_span(&self->result));
    self->kept = literal.data + literal.size;
    self->count += count;
}

/* Takes a string, and when it is a name also the value behind it, if that is a string too. */
static void take_string(struct walk *self, struct reader *reader)
{
    struct span literal = take_literal(reader);
    rewrite(self, span_of(NULL, 0), literal);
    if (!take_token(reader, ':'))
        return;
    if (!take_token(reader, '"'))
        return;
    reader->at--;
    struct span name = content_of(literal, &self->name);
    rewrite(self, name, take_literal(reader));
}

int jrewrite(struct span json, const struct rewriter *rewriter, struct buffer *ret_json)
{
    struct reader reader = reader_of(json);
    struct walk walk = {.rewriter = rewriter, .out = ret_json, .kept = reader.at};

    while (reader.at < reader.end) {
        const char *quote = memchr(reader.at, '"', (size_t)(reader.end - reader.at));
        if (!quote)
            break;
        reader.at = quote;
        take_string(&walk, &reader);
    }
    if (walk.count > 0)
        buffer_add(ret_json, span_of(walk.kept, (size_t)(reader.end - walk.kept)));
    buffer_done(&walk.name);
    buffer_done(&walk.text);
    buffer_done(&walk.result);
    return walk.count;
}
