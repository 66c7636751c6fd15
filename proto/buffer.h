/* A growing run of bytes for what we write. Out of memory ends the process, as in libzmq and czmq:
 * Tailgate is crash-only, and its start after a crash is its normal start (invariant I4). */
#ifndef TAILGATE_PROTO_BUFFER_H
#define TAILGATE_PROTO_BUFFER_H

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
/* Appends bytes, a C string, one byte, or formatted text. */
void buffer_add(struct buffer *self, struct span bytes);
void buffer_text(struct buffer *self, const char *text);
void buffer_byte(struct buffer *self, char byte);
void buffer_format(struct buffer *self, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The content, borrowed until the next call on SELF. */
struct span buffer_span(const struct buffer *self);

#endif
