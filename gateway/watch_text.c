#include "gateway/watch_text.h"

#include <stdint.h>

#include "proto/escape.h"
#include "proto/utf8.h"

#define ELLIPSIS "\xe2\x80\xa6"

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

static struct span trim(struct span text)
{
    while (text.size > 0 && is_blank(text.data[0]))
        text = span_of(text.data + 1, text.size - 1);
    while (text.size > 0 && is_blank(text.data[text.size - 1]))
        text.size--;
    return text;
}

/* wcwidth(3) would depend on the locale, which in a service is often none. */
static size_t columns_of(uint32_t code)
{
    static const struct {
        uint32_t first, last;
        size_t columns;
    } range[] = {
        {0x0300, 0x036f, 0},   {0x0483, 0x0489, 0},   {0x0591, 0x05bd, 0},   {0x064b, 0x065f, 0},
        {0x1100, 0x115f, 2},   {0x1ab0, 0x1aff, 0},   {0x1dc0, 0x1dff, 0},   {0x200b, 0x200d, 0},
        {0x20d0, 0x20ff, 0},   {0x231a, 0x231b, 2},   {0x23e9, 0x23ec, 2},   {0x2614, 0x2615, 2},
        {0x26a1, 0x26a1, 2},   {0x2705, 0x2705, 2},   {0x270a, 0x270b, 2},   {0x2728, 0x2728, 2},
        {0x274c, 0x274e, 2},   {0x2753, 0x2757, 2},   {0x2795, 0x2797, 2},   {0x2b50, 0x2b55, 2},
        {0x2e80, 0x303e, 2},   {0x3041, 0xa4cf, 2},   {0xa960, 0xa97f, 2},   {0xac00, 0xd7a3, 2},
        {0xf900, 0xfaff, 2},   {0xfe00, 0xfe0f, 0},   {0xfe20, 0xfe2f, 0},   {0xfe30, 0xfe6f, 2},
        {0xff00, 0xff60, 2},   {0xffe0, 0xffe6, 2},   {0x1f000, 0x1f2ff, 2}, {0x1f300, 0x1faff, 2},
        {0x20000, 0x3fffd, 2}, {0xe0100, 0xe01ef, 0},
    };
    for (size_t i = 0; i < sizeof range / sizeof range[0]; i++) {
        if (code >= range[i].first && code <= range[i].last)
            return range[i].columns;
    }
    return 1;
}

/* Appends what stands at AT, which it moves on; returns its columns. */
static size_t put_next(struct buffer *text, struct span from, size_t *at)
{
    const char *here = from.data + *at;
    size_t length = utf8_length(here, from.size - *at), size = text->size;
    if (is_blank(*here)) {
        while (*at < from.size && is_blank(from.data[*at]))
            (*at)++;
        buffer_byte(text, ' ');
        return 1;
    }
    *at += length ? length : 1;
    escape_text(text, span_of(here, length ? length : 1), ESCAPE_CELL);
    size_t written = text->size - size;
    /* an escape is all ASCII, and longer than what it stands for */
    return length && written == length ? columns_of(utf8_decode(here, length)) : written;
}

size_t watch_text_line(struct buffer *ret_text, struct span text, size_t columns)
{
    size_t at = 0, used = 0;
    size_t fits = ret_text->size, fits_used = 0; /* what would still leave room for an ellipsis */
    if (columns == 0)
        return 0;
    text = trim(text);
    while (at < text.size) {
        used += put_next(ret_text, text, &at);
        if (used > columns) {
            ret_text->size = fits;
            buffer_text(ret_text, ELLIPSIS);
            return fits_used + 1;
        }
        if (used < columns) {
            fits = ret_text->size;
            fits_used = used;
        }
    }
    return used;
}

void watch_text_block(struct buffer *ret_text, struct span text)
{
    while (text.size > 0 && is_blank(text.data[text.size - 1]))
        text.size--;
    while (text.size > 0) {
        const char *end = memchr(text.data, '\n', text.size);
        size_t size = end ? (size_t)(end - text.data) : text.size;
        size_t shown = size > 0 && text.data[size - 1] == '\r' ? size - 1 : size;
        if (shown > 0)
            buffer_text(ret_text, "    ");
        escape_text(ret_text, span_of(text.data, shown), ESCAPE_PROSE);
        buffer_byte(ret_text, '\n');
        size += end != NULL;
        text = span_of(text.data + size, text.size - size);
    }
}

struct span watch_text_tail(struct span text, size_t count)
{
    size_t at = text.size;
    while (at > 0 && count > 0) {
        at--;
        if (((unsigned char)text.data[at] & 0xc0) != 0x80)
            count--;
    }
    return span_of(text.data + at, text.size - at);
}
