#include "adapters/c/notices.h"

#include <stdlib.h>

#include "proto/buffer.h"
#include "proto/utf8.h"

void notices_init(struct notices *self, size_t more)
{
    *self = (struct notices){.room = NOTICES_ROOM + more, .kept_free = more};
    self->event = memory_zero(self->room, sizeof *self->event);
}

void notices_done(struct notices *self)
{
    free(self->event);
    *self = (struct notices){.event = NULL};
}

struct tailgate_event notice_of(enum tailgate_event_kind kind, struct span text)
{
    struct tailgate_event event = {.kind = kind};
    size_t most = sizeof event.text - 1;
    if (text.size > most)
        text = utf8_valid(text) ? utf8_cut(text, most) : span_of(text.data, most);
    if (text.size > 0)
        memcpy(event.text, text.data, text.size);
    return event;
}

static void put(struct notices *self, const struct tailgate_event *event, size_t room)
{
    if (self->count >= room)
        return;
    self->event[(self->first + self->count) % self->room] = *event;
    self->count++;
}

void notices_put(struct notices *self, const struct tailgate_event *event)
{
    put(self, event, self->room - self->kept_free);
}

void notices_force(struct notices *self, const struct tailgate_event *event)
{
    put(self, event, self->room);
}

bool notices_take(struct notices *self, struct tailgate_event *ret_event)
{
    if (self->count == 0)
        return false;
    *ret_event = self->event[self->first];
    self->first = (self->first + 1) % self->room;
    self->count--;
    return true;
}
