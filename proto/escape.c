#include "proto/escape.h"

#include "proto/utf8.h"

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
    size_t at = 0;
    while (at < text.size) {
        const char *here = text.data + at;
        size_t length = utf8_length(here, text.size - at);
        if (length == 0) {
            put_escape(ret_text, (unsigned char)*here);
            at++;
            continue;
        }
        unsigned code = utf8_decode(here, length);
        if (is_kept(code, form))
            buffer_add(ret_text, span_of(here, length));
        else if (code == '\\' || code == '"')
            buffer_format(ret_text, "\\%c", (char)code);
        else
            put_escape(ret_text, code);
        at += length;
    }
}

void escape_json(struct buffer *ret_text, struct span text)
{
    size_t at = 0;
    buffer_byte(ret_text, '"');
    while (at < text.size) {
        const char *here = text.data + at;
        size_t length = utf8_length(here, text.size - at);
        unsigned code = length ? utf8_decode(here, length) : 0;
        if (length == 0)
            buffer_text(ret_text, "\\ufffd");
        else if (code == '\\' || code == '"')
            buffer_format(ret_text, "\\%c", (char)code);
        else if (is_dangerous(code))
            buffer_format(ret_text, "\\u%04x", code);
        else
            buffer_add(ret_text, span_of(here, length));
        at += length ? length : 1;
    }
    buffer_byte(ret_text, '"');
}

void escape_in_json(struct buffer *ret_text, struct span json)
{
    size_t at = 0, plain = 0;
    while (at < json.size) {
        size_t length = utf8_length(json.data + at, json.size - at);
        unsigned code = length ? utf8_decode(json.data + at, length) : 0;
        if (length == 0 || is_dangerous(code)) {
            buffer_add(ret_text, span_of(json.data + plain, at - plain));
            if (code == '\n' || code == '\r' || code == '\t') /* not within a string: it is valid */
                buffer_byte(ret_text, ' ');
            else
                buffer_format(ret_text, "\\u%04x", length ? code : 0xfffd);
            plain = at + (length ? length : 1);
        }
        at += length ? length : 1;
    }
    buffer_add(ret_text, span_of(json.data + plain, at - plain));
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
