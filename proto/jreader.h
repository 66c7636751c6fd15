/* Where a scanner stands in a text: shared by files of proto/ only. */
#ifndef TAILGATE_PROTO_JREADER_H
#define TAILGATE_PROTO_JREADER_H

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

/* Takes BYTE when it is the next one. */
static inline bool take(struct reader *self, char byte)
{
    if (self->at == self->end || *self->at != byte)
        return false;
    self->at++;
    return true;
}

#endif
