#include "proto/utf8.h"

#include <stdint.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

static bool is_tail(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

/* The second byte's range closes what the first one leaves open: overlong forms, surrogates and
 * what lies above U+10FFFF (Unicode, table 3-7). */
static bool second_fits(unsigned char first, unsigned char second)
{
    switch (first) {
    case 0xe0:
        return second >= 0xa0 && second <= 0xbf;
    case 0xed:
        return second >= 0x80 && second <= 0x9f;
    case 0xf0:
        return second >= 0x90 && second <= 0xbf;
    case 0xf4:
        return second >= 0x80 && second <= 0x8f;
    default:
        return second >= 0x80 && second <= 0xbf;
    }
}

size_t utf8_length(const char *data, size_t size)
{
    unsigned char first = (unsigned char)data[0];
    if (first < 0x80)
        return 1;
    size_t length = 0;
    if (first >= 0xc2 && first <= 0xdf)
        length = 2;
    else if (first >= 0xe0 && first <= 0xef)
        length = 3;
    else if (first >= 0xf0 && first <= 0xf4)
        length = 4;
    if (length == 0 || size < length || !second_fits(first, (unsigned char)data[1]))
        return 0;
    for (size_t i = 2; i < length; i++)
        if (!is_tail(data[i]))
            return 0;
    return length;
}

/* Bytes of ASCII at the start of TEXT from index AT on, eight at a time. */
static size_t ascii_run(struct span text, size_t at)
{
    size_t start = at;
    while (text.size - at >= sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, text.data + at, sizeof word);
        if (word & UINT64_C(0x8080808080808080))
            break;
        at += sizeof word;
    }
    while (at < text.size && (unsigned char)text.data[at] < 0x80)
        at++;
    return at - start;
}

unsigned utf8_decode(const char *data, size_t length)
{
    static const unsigned char lead_mask[5] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    unsigned code = (unsigned char)data[0] & lead_mask[length];
    for (size_t i = 1; i < length; i++)
        code = code << 6 | ((unsigned char)data[i] & 0x3fu);
    return code;
}

bool utf8_valid(struct span text)
{
    size_t at = 0;
    while (at < text.size) {
        at += ascii_run(text, at);
        if (at == text.size)
            break;
        size_t length = utf8_length(text.data + at, text.size - at);
        if (length == 0)
            return false;
        at += length;
    }
    return true;
}

size_t utf8_count(struct span text)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    size_t at = 0, tails = 0;
    for (; text.size - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, text.data + at, sizeof word);
        tails += (word >> 7 & ~word >> 6 & ones) * ones >> 56; /* bytes 10xxxxxx, added up */
    }
    for (; at < text.size; at++)
        tails += is_tail(text.data[at]);
    return text.size - tails;
}

void utf8_repair(struct buffer *ret_text, struct span text)
{
    size_t kept = 0; /* everything before it is written */
    size_t at = 0;
    while (at < text.size) {
        size_t length = text.data[at] == '\0' ? 0 : utf8_length(text.data + at, text.size - at);
        if (length > 0) {
            at += length;
            continue;
        }
        buffer_add(ret_text, span_of(text.data + kept, at - kept));
        buffer_text(ret_text, REPLACEMENT);
        kept = ++at;
    }
    if (kept < at)
        buffer_add(ret_text, span_of(text.data + kept, at - kept));
}

size_t utf8_encode(unsigned code, char ret_bytes[4])
{
    if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        code = 0xfffd;
    if (code < 0x80) {
        ret_bytes[0] = (char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, code >>= 6)
        ret_bytes[i] = (char)(0x80 | (code & 0x3f));
    ret_bytes[0] = (char)((0xf00 >> length & 0xff) | code);
    return length;
}

void utf8_put(struct buffer *ret_text, unsigned code)
{
    char bytes[4];
    buffer_add(ret_text, span_of(bytes, utf8_encode(code, bytes)));
}

struct span utf8_cut(struct span text, size_t size)
{
    if (text.size <= size)
        return text;
    while (size > 0 && is_tail(text.data[size]))
        size--;
    return span_of(text.data, size);
}

struct span utf8_cut_chars(struct span text, size_t count)
{
    size_t at = 0;
    while (at < text.size && (is_tail(text.data[at]) || count-- > 0))
        at++;
    return span_of(text.data, at);
}

bool utf8_has_control(struct span text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte < 0x20 || byte == 0x7f)
            return true;
        /* C1: 0xc2 and 0x80 to 0x9f */
        if (byte == 0xc2 && i + 1 < text.size && (unsigned char)text.data[i + 1] < 0xa0)
            return true;
    }
    return false;
}
