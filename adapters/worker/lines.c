#include "adapters/worker/lines.h"

#include <errno.h>
#include <unistd.h>

#include "proto/space.h"

#define CHUNK 65536          /* bytes of one read: what a pipe holds */
#define KEEP_ROOM (1u << 20) /* storage above this is given back once it is empty */

void lines_init(struct lines *self, size_t limit)
{
    buffer_init(&self->buffer);
    self->start = 0;
    self->seen = 0;
    self->limit = limit;
}

void lines_done(struct lines *self)
{
    buffer_done(&self->buffer);
    self->start = 0;
    self->seen = 0;
}

/* Moves what is not yet given out to the front of the storage. */
static void compact(struct lines *self)
{
    size_t left = self->buffer.size - self->start;
    if (left == 0 && self->buffer.room > KEEP_ROOM) {
        buffer_done(&self->buffer);
    } else if (self->start > 0) {
        memmove(self->buffer.data, self->buffer.data + self->start, left);
        self->buffer.size = left;
    }
    self->start = 0;
}

ssize_t lines_read(struct lines *self, int descriptor)
{
    char chunk[CHUNK];
    ssize_t got = read(descriptor, chunk, sizeof chunk);
    if (got < 0)
        return -errno;
    compact(self);
    buffer_add(&self->buffer, span_of(chunk, (size_t)got));
    return got;
}

int lines_next(struct lines *self, struct span *ret_line)
{
    size_t left = self->buffer.size - self->start;
    if (left == self->seen)
        return 0;
    const char *line = self->buffer.data + self->start;
    const char *end = memchr(line + self->seen, '\n', left - self->seen);
    size_t size = end ? (size_t)(end - line) : left;
    if (size > self->limit) {
        *ret_line = span_of(line, self->limit);
        self->start += self->limit;
        self->seen = 0;
        return -EMSGSIZE;
    }
    if (!end) {
        self->seen = left;
        return 0;
    }
    self->start += size + 1;
    self->seen = 0;
    if (size > 0 && line[size - 1] == '\r')
        size--;
    *ret_line = span_of(line, size);
    return 1;
}

int lines_take(struct lines *self, int descriptor, int *reads, struct span *ret_line)
{
    for (;;) {
        int found;
        while ((found = lines_next(self, ret_line)) != 0) {
            if (found < 0 || !space_only(*ret_line))
                return found;
        }
        if (descriptor < 0 || (*reads)-- <= 0)
            return 0;
        ssize_t got = lines_read(self, descriptor);
        if (got <= 0)
            return got == -EAGAIN ? 0 : got == 0 ? -ENODATA : (int)got;
    }
}

int lines_rest(struct lines *self, struct span *ret_line)
{
    size_t left = self->buffer.size - self->start;
    if (left == 0)
        return 0;
    *ret_line = span_of(self->buffer.data + self->start, left);
    self->start = self->buffer.size;
    self->seen = 0;
    return 1;
}
