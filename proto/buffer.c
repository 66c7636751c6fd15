#include "proto/buffer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void no_memory(void)
{
    static const char line[] = "tailgate: out of memory\n";
    ssize_t written = write(STDERR_FILENO, line, sizeof line - 1);
    (void)written;
    abort();
}

void *memory_new(size_t size)
{
    void *block = malloc(size ? size : 1);
    if (!block)
        no_memory();
    return block;
}

void *memory_zero(size_t count, size_t size)
{
    void *block = calloc(count ? count : 1, size ? size : 1);
    if (!block)
        no_memory();
    return block;
}

void *memory_grow(void *old_take, size_t size)
{
    void *block = realloc(old_take, size ? size : 1);
    if (!block)
        no_memory();
    return block;
}

char *memory_text(struct span text)
{
    if (text.size == SIZE_MAX)
        no_memory();
    char *copy = memory_new(text.size + 1);
    if (text.size)
        memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    return copy;
}

void buffer_init(struct buffer *self)
{
    self->data = NULL;
    self->size = 0;
    self->room = 0;
}

void buffer_done(struct buffer *self)
{
    free(self->data);
    buffer_init(self);
}

void buffer_reset(struct buffer *self)
{
    self->size = 0;
    if (self->data)
        self->data[0] = '\0';
}

void buffer_reserve(struct buffer *self, size_t more)
{
    if (self->room > self->size && self->room - self->size > more)
        return;
    if (more >= SIZE_MAX / 2 - self->size)
        no_memory();
    size_t room = self->room < 64 ? 64 : self->room * 2;
    if (room < self->size + more + 1) /* and the NUL */
        room = self->size + more + 1;
    self->data = memory_grow(self->data, room);
    self->room = room;
}

void buffer_decimal(struct buffer *self, int64_t number, unsigned decimals)
{
    char text[24]; /* a sign, 19 digits and a point */
    char *at = text + sizeof text;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    unsigned digits = 0;

    assert(decimals <= 18);
    do {
        if (digits == decimals && digits > 0)
            *--at = '.';
        *--at = (char)('0' + rest % 10);
        rest /= 10;
        digits++;
    } while (rest > 0 || digits <= decimals);
    if (number < 0)
        *--at = '-';
    buffer_add(self, span_of(at, (size_t)(text + sizeof text - at)));
}

void buffer_number(struct buffer *self, int64_t number)
{
    buffer_decimal(self, number, 0);
}

void buffer_format(struct buffer *self, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int size = vsnprintf(NULL, 0, format, list);
    va_end(list);
    if (size < 0)
        return;
    buffer_reserve(self, (size_t)size);
    va_start(list, format);
    vsnprintf(self->data + self->size, (size_t)size + 1, format, list);
    va_end(list);
    self->size += (size_t)size;
}

struct span buffer_span(const struct buffer *self)
{
    return span_of(self->data, self->size);
}
