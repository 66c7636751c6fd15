/* Where a scanner stands in a text: shared by files of proto/ only. */
#ifndef TAILGATE_PROTO_JREADER_H
#define TAILGATE_PROTO_JREADER_H

#include <stdint.h>

#include "proto/span.h"

struct reader {
    const char *at;
    const char *end;
};

static inline bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* The value of a hexadecimal digit, or -1. */
static inline int hex(char byte)
{
    if (is_digit(byte))
        return byte - '0';
    if (byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F')
        return byte - 'A' + 10;
    return -1;
}

static inline struct reader reader_of(struct span text)
{
    /* NULL + 0 is not C, hence the constant. */
    const char *data = text.data ? text.data : "";
    struct reader reader = {data, data + text.size};
    return reader;
}

/* What stands for itself between the quotes of a string: no quote, no backslash, no control. */
static inline bool is_plain(char byte)
{
    return (unsigned char)byte >= 0x20 && (unsigned char)byte < 0x80 && byte != '"' && byte != '\\';
}

/* The first byte from AT on, before END, that is not plain ASCII; END when all are. Eight at a
 * time: a byte's high bit is set in a term where the byte is below 0x20, a quote or a backslash,
 * and then perhaps in those of bytes behind it, which are looked at again. */
static inline const char *pass_plain(const char *at, const char *end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);

    while (end - at >= (ptrdiff_t)sizeof(uint64_t)) {
        uint64_t word, quote, slash;
        memcpy(&word, at, sizeof word);
        quote = word ^ ones * '"';
        slash = word ^ ones * '\\';
        if (((word - ones * 0x20) | (quote - ones) | (slash - ones) | word) & ones * 0x80)
            break;
        at += sizeof word;
    }
    while (at < end && is_plain(*at))
        at++;
    return at;
}

/* Takes BYTE when it is the next one. */
static inline bool take(struct reader *self, char byte)
{
    if (self->at == self->end || *self->at != byte)
        return false;
    self->at++;
    return true;
}

#endif
