/* A run of bytes that somebody else owns. Never NUL-terminated, may hold any byte. */
#ifndef TAILGATE_PROTO_SPAN_H
#define TAILGATE_PROTO_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct span {
    const char *data; /* may be NULL only when size is 0 */
    size_t size;      /* bytes */
};

/* A span over SIZE bytes at DATA (borrowed). */
static inline struct span span_of(const void *data, size_t size)
{
    struct span span = {data, size};
    return span;
}

/* A span over a C string without its NUL (borrowed); NULL gives the empty span. */
static inline struct span span_str(const char *text)
{
    return span_of(text, text ? strlen(text) : 0);
}

/* True when A holds the same bytes as B. */
static inline bool span_equal(struct span a, struct span b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* True when A holds exactly the bytes of the C string TEXT. */
static inline bool span_is(struct span a, const char *text)
{
    return span_equal(a, span_str(text));
}

/* True when A begins with the bytes of the C string TEXT. */
static inline bool span_starts(struct span a, const char *text)
{
    size_t size = strlen(text);

    return a.size >= size && (size == 0 || memcmp(a.data, text, size) == 0);
}

#endif
