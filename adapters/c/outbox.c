#include "adapters/c/outbox.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/buffer.h"
#include "proto/message.h"

void outbox_init(struct outbox *self, size_t room)
{
    assert(room > 0);
    *self = (struct outbox){.item = memory_zero(room, sizeof *self->item), .room = room};
}

static struct outbox_item *at(const struct outbox *self, size_t index)
{
    return &self->item[(self->first + index) % self->room];
}

static size_t size_of(const struct letter *letter)
{
    return letter->token.size + letter->text.size;
}

static void drop_first(struct outbox *self)
{
    struct letter *letter = &at(self, 0)->letter;
    self->bytes -= size_of(letter);
    letter_done(letter);
    self->first = (self->first + 1) % self->room;
    self->count--;
    if (self->doubtful > 0)
        self->doubtful--;
}

void outbox_done(struct outbox *self)
{
    while (self->count > 0)
        drop_first(self);
    free(self->item);
    self->item = NULL;
    self->room = 0;
}

size_t outbox_put(struct outbox *self, struct span token, struct span text)
{
    size_t lost = 0, more = token.size + text.size;
    while (self->count == self->room ||
           (self->count > 0 && self->bytes + more > (size_t)OUTBOX_SIZE)) {
        lost += self->doubtful == 0;
        drop_first(self);
    }
    at(self, self->count)->letter = letter_of(token, text);
    self->count++;
    self->bytes += more;
    return lost;
}

const struct letter *outbox_first(const struct outbox *self)
{
    return outbox_waiting(self) > 0 ? outbox_at(self, 0) : NULL;
}

const struct letter *outbox_at(const struct outbox *self, size_t index)
{
    assert(index < outbox_waiting(self));
    return &at(self, self->doubtful + index)->letter;
}

void outbox_handed(struct outbox *self, int64_t now_us)
{
    assert(outbox_waiting(self) > 0);
    at(self, self->doubtful)->handed_us = now_us;
    self->doubtful++;
    outbox_forget(self, now_us);
}

void outbox_forget(struct outbox *self, int64_t now_us)
{
    while (self->doubtful > 0 && at(self, 0)->handed_us <= now_us - OUTBOX_DOUBT_US)
        drop_first(self);
}

static bool worth_repeating(struct span text)
{
    struct answer answer;
    answer_read(text, &answer);
    return answer.kind != ANSWER_ERROR && answer.kind != ANSWER_RETURN;
}

void outbox_recall(struct outbox *self, int64_t now_us)
{
    outbox_forget(self, now_us);
    size_t old = self->doubtful;
    if (old == 0)
        return;
    struct outbox kept = *self;
    kept.item = memory_zero(self->room, sizeof *kept.item);
    kept.first = kept.count = kept.doubtful = kept.bytes = 0;
    for (size_t i = 0; i < self->count; i++) {
        struct letter *letter = &at(self, i)->letter;
        if (i < old && !worth_repeating(letter->text)) {
            letter_done(letter);
            continue;
        }
        kept.bytes += size_of(letter);
        kept.item[kept.count++].letter = *letter;
    }
    free(self->item);
    *self = kept;
}

bool outbox_shed(struct outbox *self)
{
    bool waited = self->count > 0 && self->doubtful == 0;
    if (self->count > 0)
        drop_first(self);
    return waited;
}

size_t outbox_waiting(const struct outbox *self)
{
    return self->count - self->doubtful;
}

size_t outbox_tokens(const struct outbox *self, struct span *ret_token, size_t room)
{
    size_t count = 0;
    for (size_t i = self->count; i > self->doubtful && count < room; i--)
        ret_token[count++] = at(self, i - 1)->letter.token;
    return count;
}
