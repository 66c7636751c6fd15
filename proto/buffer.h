/* A growing run of bytes for what we write. Out of memory ends the process, as in libzmq and czmq:
 * Tailgate is crash-only, and its start after a crash is its normal start (invariant I4). */
#ifndef TAILGATE_PROTO_BUFFER_H
#define TAILGATE_PROTO_BUFFER_H

#include <stdint.h>

#include "proto/span.h"

struct buffer {
    char *data; /* NUL-terminated after every call (the NUL is not counted); NULL while room is 0 */
    size_t size; /* bytes written */
    size_t room; /* bytes allocated */
};

/* malloc, calloc and realloc that end the process with a line on stderr when there is no memory.
 * The caller owns and frees the result. */
void *memory_new(size_t size);
void *memory_zero(size_t count, size_t size);
void *memory_grow(void *old_take, size_t size);
/* A NUL-terminated copy of TEXT (which may hold any byte); the caller frees it. */
char *memory_text(struct span text);

/* An empty buffer; allocates nothing. */
void buffer_init(struct buffer *self);
/* Frees the storage; the buffer is as after buffer_init(). */
void buffer_done(struct buffer *self);
/* Forgets the content, keeps the storage. */
void buffer_reset(struct buffer *self);
/* Makes room for MORE bytes, so that appending them moves nothing. */
void buffer_reserve(struct buffer *self, size_t more);
/* Appends bytes, a C string, one byte, a whole number, or formatted text (which costs ten times as
 * much: not for each query). */
static inline void buffer_add(struct buffer *self, struct span bytes)
{
    if (self->room <= self->size || self->room - self->size <= bytes.size)
        buffer_reserve(self, bytes.size);
    if (bytes.size)
        memcpy(self->data + self->size, bytes.data, bytes.size);
    self->size += bytes.size;
    self->data[self->size] = '\0';
}

static inline void buffer_text(struct buffer *self, const char *text)
{
    buffer_add(self, span_str(text));
}

static inline void buffer_byte(struct buffer *self, char byte)
{
    buffer_add(self, span_of(&byte, 1));
}

void buffer_number(struct buffer *self, int64_t number);
/* Appends NUMBER / 10^DECIMALS with all its decimals (up to 18): 1234 with 3 is "1.234". */
void buffer_decimal(struct buffer *self, int64_t number, unsigned decimals);
void buffer_format(struct buffer *self, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The content, borrowed until the next call on SELF. */
struct span buffer_span(const struct buffer *self);

#endif
