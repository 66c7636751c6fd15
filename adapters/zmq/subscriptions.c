#include "adapters/zmq/subscriptions.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/buffer.h"

void subscriptions_clear(struct subscriptions *self)
{
    for (size_t i = 0; i < self->count; i++)
        free(self->entry[i]);
    free(self->entry);
    *self = (struct subscriptions){0};
}

static int compare(struct span text, const struct subscription *entry)
{
    size_t shorter = text.size < entry->size ? text.size : entry->size;
    int order = shorter ? memcmp(text.data, entry->text, shorter) : 0;

    return order ? order : (text.size > entry->size) - (text.size < entry->size);
}

/* Where TEXT stands, or would. */
static size_t place(const struct subscriptions *self, struct span text)
{
    size_t low = 0, high = self->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(text, self->entry[middle]) > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct subscription *subscriptions_find(const struct subscriptions *self, struct span text)
{
    size_t at = place(self, text);

    return at < self->count && compare(text, self->entry[at]) == 0 ? self->entry[at] : NULL;
}

void subscriptions_add(struct subscriptions *self, struct span text)
{
    size_t at = place(self, text);
    struct subscription *entry = memory_new(sizeof *entry + text.size);

    entry->times = 1;
    entry->size = text.size;
    if (text.size)
        memcpy(entry->text, text.data, text.size);
    if (self->count == self->room) {
        self->room = self->room ? self->room * 2 : 4;
        self->entry = memory_grow(self->entry, self->room * sizeof(struct subscription *));
    }
    memmove(self->entry + at + 1, self->entry + at,
            (self->count - at) * sizeof(struct subscription *));
    self->entry[at] = entry;
    self->count++;
    self->bytes += text.size;
}

void subscriptions_remove(struct subscriptions *self, struct subscription *entry_take)
{
    size_t at = place(self, span_of(entry_take->text, entry_take->size));

    assert(at < self->count && self->entry[at] == entry_take);
    self->bytes -= entry_take->size;
    free(entry_take);
    self->count--;
    memmove(self->entry + at, self->entry + at + 1,
            (self->count - at) * sizeof(struct subscription *));
}
