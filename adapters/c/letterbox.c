#include "adapters/c/letterbox.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/buffer.h"

void letterbox_init(struct letterbox *self, size_t room)
{
    assert(room > 0);
    self->letter = memory_zero(room, sizeof *self->letter);
    self->room = room;
    self->first = 0;
    self->count = 0;
}

void letterbox_done(struct letterbox *self)
{
    while (self->count > 0)
        letterbox_drop(self);
    free(self->letter);
    self->letter = NULL;
    self->room = 0;
}

bool letterbox_put(struct letterbox *self, struct span token, struct span text)
{
    bool full = self->count == self->room;
    if (full)
        letterbox_drop(self);
    self->letter[(self->first + self->count) % self->room] = letter_of(token, text);
    self->count++;
    return !full;
}

const struct letter *letterbox_first(const struct letterbox *self)
{
    return self->count > 0 ? &self->letter[self->first] : NULL;
}

const struct letter *letterbox_at(const struct letterbox *self, size_t index)
{
    return &self->letter[(self->first + index) % self->room];
}

void letterbox_drop(struct letterbox *self)
{
    assert(self->count > 0);
    letter_done(&self->letter[self->first]);
    self->first = (self->first + 1) % self->room;
    self->count--;
}
