#include "adapters/c/giftbox.h"

#include <stdlib.h>

#include "proto/buffer.h"
#include "proto/utf8.h"

void giftbox_init(struct giftbox *self)
{
    *self = (struct giftbox){.first = NULL};
    self->end = &self->first;
}

void giftbox_done(struct giftbox *self)
{
    struct gift *gift;
    while ((gift = giftbox_take(self)))
        gift_free(&gift);
}

bool giftbox_has_room(const struct giftbox *self, size_t share)
{
    return self->count < GIFTBOX_ROOM / share && self->size < GIFTBOX_SIZE / share;
}

void giftbox_put(struct giftbox *self, struct gift *gift_take)
{
    gift_take->next = NULL;
    *self->end = gift_take;
    self->end = &gift_take->next;
    self->last = gift_take;
    self->count++;
    self->size += gift_take->body.size;
}

struct gift *giftbox_take(struct giftbox *self)
{
    struct gift *gift = self->first;
    if (!gift)
        return NULL;
    self->first = gift->next;
    if (!self->first) {
        self->end = &self->first;
        self->last = NULL;
    }
    self->count--;
    self->size -= gift->body.size;
    return gift;
}

struct gift *gift_new(enum tailgate_observed_kind kind, const char *text)
{
    struct gift *self = memory_zero(1, sizeof *self);
    struct span words = span_str(text);
    size_t most = sizeof self->observed.text - 1;
    self->observed.kind = kind;
    if (words.size > most)
        words = utf8_valid(words) ? utf8_cut(words, most) : span_of(words.data, most);
    memcpy(self->observed.text, words.data, words.size);
    return self;
}

struct gift *gift_of_event(struct span topic, struct span json)
{
    struct gift *self = gift_new(TAILGATE_OBSERVED_EVENT, "");
    struct buffer repaired;
    buffer_init(&repaired);
    utf8_repair(&repaired, topic);
    const struct span frame[] = {buffer_span(&repaired), json};
    self->body = parcel_of(frame, 2);
    buffer_done(&repaired);
    self->observed.topic = self->body.frame[0].data;
    self->observed.json = self->body.frame[1].data;
    self->observed.size = json.size;
    return self;
}

void gift_free(struct gift **self)
{
    struct gift *gift = *self;
    *self = NULL;
    if (!gift)
        return;
    parcel_done(&gift->body);
    free(gift);
}
