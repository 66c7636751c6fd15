#include "proto/escape.h"

#include "proto/utf8.h"

/* True for what stands in JSON as it is, and is most of all that there is. */
static bool is_plain(char byte)
{
    return byte >= 0x20 && byte < 0x7f && byte != '\\' && byte != '"';
}

static bool is_dangerous(unsigned code)
{
    return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x061c || code == 0x200e ||
           code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

static void put_escape(struct buffer *text, unsigned code)
{
    if (code == '\n')
        buffer_text(text, "\\n");
    else if (code == '\t')
        buffer_text(text, "\\t");
    else if (code == '\r')
        buffer_text(text, "\\r");
    else if (code <= 0xff)
        buffer_format(text, "\\x%02x", code);
    else
        buffer_format(text, "\\u%04x", code);
}

/* Appends the bytes of FROM at START up to END as they are. */
static void put_run(struct buffer *text, struct span from, size_t start, size_t end)
{
    if (start < end)
        buffer_add(text, span_of(from.data + start, end - start));
}

static void put_backslash(struct buffer *text, char byte)
{
    buffer_byte(text, '\\');
    buffer_byte(text, byte);
}

static bool is_kept(unsigned code, enum escape_form form)
{
    if (form == ESCAPE_PROSE && (code == '\n' || code == '\t'))
        return true;
    if (form == ESCAPE_VALUE && (code == '\\' || code == '"'))
        return false;
    return !is_dangerous(code);
}

void escape_text(struct buffer *ret_text, struct span text, enum escape_form form)
{
    size_t at = 0, plain = 0; /* what stands before PLAIN is written */
    while (at < text.size) {
        const char *here = text.data + at;
        size_t length = utf8_length(here, text.size - at);
        unsigned code = length ? utf8_decode(here, length) : (unsigned char)*here;
        at += length ? length : 1;
        if (length && is_kept(code, form))
            continue;
        put_run(ret_text, text, plain, (size_t)(here - text.data));
        plain = at;
        if (length && (code == '\\' || code == '"'))
            put_backslash(ret_text, (char)code);
        else
            put_escape(ret_text, code);
    }
    put_run(ret_text, text, plain, at);
}

void escape_json(struct buffer *ret_text, struct span text)
{
    size_t at = 0, plain = 0; /* as above */
    buffer_byte(ret_text, '"');
    while (at < text.size) {
        const char *here = text.data + at;
        if (is_plain(*here)) {
            at++;
            continue;
        }
        size_t length = utf8_length(here, text.size - at);
        unsigned code = length ? utf8_decode(here, length) : 0xfffd;
        at += length ? length : 1;
        if (length && code != '\\' && code != '"' && !is_dangerous(code))
            continue;
        put_run(ret_text, text, plain, (size_t)(here - text.data));
        plain = at;
        if (code == '\\' || code == '"')
            put_backslash(ret_text, (char)code);
        else
            buffer_format(ret_text, "\\u%04x", code);
    }
    put_run(ret_text, text, plain, at);
    buffer_byte(ret_text, '"');
}

void escape_in_json(struct buffer *ret_text, struct span json)
{
    size_t at = 0, plain = 0;
    while (at < json.size) {
        size_t length = utf8_length(json.data + at, json.size - at);
        unsigned code = length ? utf8_decode(json.data + at, length) : 0;
        if (length == 0 || is_dangerous(code)) {
            put_run(ret_text, json, plain, at);
            if (code == '\n' || code == '\r' || code == '\t') /* not within a string: it is valid */
                buffer_byte(ret_text, ' ');
            else
                buffer_format(ret_text, "\\u%04x", length ? code : 0xfffd);
            plain = at + (length ? length : 1);
        }
        at += length ? length : 1;
    }
    put_run(ret_text, json, plain, at);
}

struct span escape_cut(struct span text, size_t limit)
{
    if (text.size <= limit)
        return text;
    size_t size = limit;
    /* At most three continuation bytes belong to one character; more are not UTF-8 anyway. */
    for (int back = 0; back < 3 && size > 0 && ((unsigned char)text.data[size] & 0xc0) == 0x80;
         back++)
        size--;
    return span_of(text.data, size);
}
