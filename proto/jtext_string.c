/* The strings and numbers of jtext.h: decoding, comparing, writing. */
#include "proto/jtext.h"

#include <assert.h>
#include <limits.h>

#include "proto/jreader.h"
#include "proto/utf8.h"

/* The four digits of a \u escape at AT. */
static unsigned read_unit(const char *at)
{
    unsigned unit = 0;
    for (int i = 0; i < 4; i++)
        unit = unit << 4 | (unsigned)hex(at[i]);
    return unit;
}

/* Takes a \u escape behind its 'u', and the second half of a surrogate pair when it follows. */
static unsigned take_unit(struct reader *self)
{
    unsigned unit = read_unit(self->at);
    self->at += 4;
    if (unit < 0xd800 || unit > 0xdbff)
        return unit;
    if (self->end - self->at < 6 || self->at[0] != '\\' || self->at[1] != 'u')
        return unit;
    unsigned low = read_unit(self->at + 2);
    if (low < 0xdc00 || low > 0xdfff)
        return unit;
    self->at += 6;
    return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
}

/* Takes an escape behind its backslash; returns the code point. */
static unsigned take_escape(struct reader *self)
{
    char kind = *self->at++;
    switch (kind) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'u':
        return take_unit(self);
    default:
        return (unsigned char)kind;
    }
}

/* A reader over what stands between the quotes of LITERAL. */
static struct reader reader_inside(struct span literal)
{
    assert(literal.size >= 2 && literal.data[0] == '"');
    return reader_of(span_of(literal.data + 1, literal.size - 2));
}

/* Takes the next piece of a string's decoded content: a run without escapes, or one escape, which
 * is decoded into SCRATCH. The empty span at the end. */
static struct span take_piece(struct reader *self, char scratch[4])
{
    const char *start = self->at;
    if (start == self->end)
        return span_of(NULL, 0);
    if (*start == '\\') {
        self->at++;
        return span_of(scratch, utf8_encode(take_escape(self), scratch));
    }
    const char *escape = memchr(start, '\\', (size_t)(self->end - start));
    self->at = escape ? escape : self->end;
    return span_of(start, (size_t)(self->at - start));
}

bool jtext_is(struct span literal, const char *name)
{
    struct reader reader = reader_inside(literal);
    struct span rest = span_str(name);
    size_t size = (size_t)(reader.end - reader.at);
    char scratch[4];

    if (size <= rest.size) /* an escape is longer than what it stands for: there is none */
        return size == rest.size && memcmp(reader.at, rest.data, size) == 0;
    if (*reader.at != '\\' && (rest.size == 0 || *reader.at != *rest.data))
        return false;
    for (;;) {
        struct span piece = take_piece(&reader, scratch);
        if (piece.size == 0)
            return rest.size == 0;
        if (piece.size > rest.size || memcmp(piece.data, rest.data, piece.size) != 0)
            return false;
        rest = span_of(rest.data + piece.size, rest.size - piece.size);
    }
}

void jtext_decode(struct buffer *ret_text, struct span literal)
{
    struct reader reader = reader_inside(literal);
    char scratch[4];
    for (;;) {
        struct span piece = take_piece(&reader, scratch);
        if (piece.size == 0)
            return;
        buffer_add(ret_text, piece);
    }
}

int jtext_copy(struct span literal, char *ret_text, size_t room)
{
    if (room == 0 || jtext_type(literal) != JTEXT_STRING)
        return -1;
    struct reader sizing = reader_inside(literal);
    struct reader reader = sizing;
    char scratch[4];
    size_t size = 0;
    for (struct span piece = take_piece(&sizing, scratch); piece.size;
         piece = take_piece(&sizing, scratch)) {
        size += piece.size;
        if (size >= room || size > INT_MAX)
            return -1;
    }
    char *to = ret_text;
    for (struct span piece = take_piece(&reader, scratch); piece.size;
         piece = take_piece(&reader, scratch)) {
        memcpy(to, piece.data, piece.size);
        to += piece.size;
    }
    *to = '\0';
    return (int)size;
}

struct span jtext_cut(struct span literal, size_t count)
{
    struct reader reader = reader_inside(literal);
    const char *start = reader.at;
    char scratch[4];
    while (reader.at < reader.end && count > 0) {
        const char *before = reader.at;
        size_t size = take_piece(&reader, scratch).size;
        bool escape = *before == '\\';
        struct span piece = span_of(before, escape ? (size_t)(reader.at - before) : size);
        struct span fits = utf8_cut_chars(piece, count);
        if (fits.size < piece.size) {
            reader.at = escape ? before : fits.data + fits.size;
            break;
        }
        count -= utf8_count(piece);
    }
    return span_of(start, (size_t)(reader.at - start));
}

int jtext_integer(struct span value, int64_t *ret_number)
{
    struct reader reader = reader_of(value);
    bool negative = take(&reader, '-');
    if (reader.at == reader.end)
        return -1;
    int64_t number = 0; /* kept negative: there is one more below zero than above */
    for (; reader.at < reader.end; reader.at++) {
        if (!is_digit(*reader.at))
            return -1;
        int digit = *reader.at - '0';
        if (number < (INT64_MIN + digit) / 10)
            return -1;
        number = number * 10 - digit;
    }
    if (!negative && number == INT64_MIN)
        return -1;
    *ret_number = negative ? number : -number;
    return 0;
}

/* --- writing --- */

/* Appends what BYTE, which cannot stand in a string as it is, is written as. */
static void quote_byte(struct buffer *ret_text, unsigned char byte)
{
    static const char shorts[] = "\"\"\\\\\bb\ff\nn\rr\tt"; /* byte, letter, … */
    for (size_t i = 0; i + 1 < sizeof shorts - 1; i += 2) {
        if ((unsigned char)shorts[i] == byte) {
            buffer_byte(ret_text, '\\');
            buffer_byte(ret_text, shorts[i + 1]);
            return;
        }
    }
    if (byte == 0 || byte >= 0x80)
        utf8_put(ret_text, 0xfffd);
    else
        buffer_format(ret_text, "\\u%04x", byte);
}

void jtext_quote(struct buffer *ret_text, struct span text)
{
    size_t kept = 0; /* everything before it is written */
    size_t at = 0;
    buffer_byte(ret_text, '"');
    while (at < text.size) {
        at = (size_t)(pass_plain(text.data + at, text.data + text.size) - text.data);
        if (at == text.size)
            break;
        unsigned char byte = (unsigned char)text.data[at];
        size_t length = byte < 0x80 ? 0 : utf8_length(text.data + at, text.size - at);
        if (length > 0) {
            at += length;
            continue;
        }
        buffer_add(ret_text, span_of(text.data + kept, at - kept));
        quote_byte(ret_text, byte);
        kept = ++at;
    }
    if (kept < at)
        buffer_add(ret_text, span_of(text.data + kept, at - kept));
    buffer_byte(ret_text, '"');
}

/* Appends the comma before a member where one is due: no value ends in an opening bracket. */
static void put_comma(struct buffer *ret_text)
{
    char last = ret_text->size ? ret_text->data[ret_text->size - 1] : '{';
    if (last != '{' && last != '[')
        buffer_byte(ret_text, ',');
}

/* Appends the comma where one is due, and `"name":`. NAME is ours: ASCII, nothing to escape. */
static void put_name(struct buffer *ret_text, const char *name)
{
    put_comma(ret_text);
    buffer_byte(ret_text, '"');
    buffer_text(ret_text, name);
    buffer_text(ret_text, "\":");
}

void jtext_member(struct buffer *ret_text, const char *name, struct span text)
{
    put_name(ret_text, name);
    jtext_quote(ret_text, text);
}

void jtext_member_integer(struct buffer *ret_text, const char *name, int64_t number)
{
    put_name(ret_text, name);
    buffer_number(ret_text, number);
}

void jtext_member_raw(struct buffer *ret_text, const char *name, struct span json)
{
    put_name(ret_text, name);
    buffer_add(ret_text, json);
}

static bool listed(struct span literal, const char *const *list)
{
    for (; *list; list++)
        if (jtext_is(literal, *list))
            return true;
    return false;
}

void jtext_members_except(struct buffer *ret_text, struct span object, const char *const *except)
{
    struct span run = {NULL, 0}; /* members that stand together and are kept */
    struct span name, value;
    size_t cursor = 0;
    bool more = true;

    while (more) {
        more = jtext_next(object, &cursor, &name, &value);
        bool kept = more && !listed(name, except);
        if (!kept && run.size) {
            put_comma(ret_text);
            buffer_add(ret_text, run);
            run.size = 0;
        }
        if (kept && run.size == 0)
            run.data = name.data;
        if (kept)
            run.size = (size_t)(value.data + value.size - run.data);
    }
}
