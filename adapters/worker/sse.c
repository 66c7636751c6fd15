#include "adapters/worker/sse.h"

#include <errno.h>

void sse_init(struct sse *self, size_t limit)
{
    *self = (struct sse){.limit = limit};
    buffer_init(&self->line);
    buffer_init(&self->data);
}

void sse_done(struct sse *self)
{
    buffer_done(&self->line);
    buffer_done(&self->data);
}

/* Takes what *BYTES has of the current line. Returns 1 when that is its end, 0 when its end has not
 * come, or -EMSGSIZE. */
static int take_line(struct sse *self, struct span *bytes)
{
    size_t size = 0;
    if (bytes->size > 0 && self->after_cr) {
        self->after_cr = false;
        if (bytes->data[0] == '\n')
            *bytes = span_of(bytes->data + 1, bytes->size - 1);
    }
    if (bytes->size == 0)
        return 0;
    while (size < bytes->size && bytes->data[size] != '\n' && bytes->data[size] != '\r')
        size++;
    if (size > self->limit - self->line.size)
        return -EMSGSIZE;
    buffer_add(&self->line, span_of(bytes->data, size));
    bool whole = size < bytes->size;
    self->after_cr = whole && bytes->data[size] == '\r';
    size += whole;
    *bytes = span_of(bytes->data + size, bytes->size - size);
    return whole;
}

static struct span without_mark(struct span line)
{
    bool mark = line.size >= 3 && memcmp(line.data, "\xef\xbb\xbf", 3) == 0;
    return mark ? span_of(line.data + 3, line.size - 3) : line;
}

/* The whole line's value when it is a data line. */
static bool is_data(struct span line, struct span *ret_value)
{
    if (line.size < 4 || memcmp(line.data, "data", 4) != 0)
        return false;
    struct span value = span_of(line.data + 4, line.size - 4);
    if (value.size > 0 && value.data[0] != ':')
        return false; /* "database" */
    if (value.size > 0)
        value = span_of(value.data + 1, value.size - 1);
    if (value.size > 0 && value.data[0] == ' ')
        value = span_of(value.data + 1, value.size - 1);
    *ret_value = value;
    return true;
}

int sse_next(struct sse *self, struct span *bytes, struct span *ret_data)
{
    int found;
    if (self->given)
        buffer_reset(&self->data);
    self->given = false;
    while ((found = take_line(self, bytes)) > 0) {
        struct span line = buffer_span(&self->line), value;
        if (!self->begun)
            line = without_mark(line);
        self->begun = true;
        if (line.size == 0 && self->data.size > 0) {
            self->given = true;
            buffer_reset(&self->line);
            *ret_data = span_of(self->data.data, self->data.size - 1);
            return 1;
        }
        if (is_data(line, &value)) {
            if (value.size >= self->limit - self->data.size)
                return -EMSGSIZE;
            buffer_add(&self->data, value);
            buffer_byte(&self->data, '\n');
        }
        buffer_reset(&self->line);
    }
    return found;
}
