#include "adapters/source/out.h"

#include <stdlib.h>

#include "proto/jtext.h"
#include "proto/stamp.h"

void outs_done(struct outs *self)
{
    free(self->out);
    *self = (struct outs){.out = NULL};
}

struct span out_token(const struct out *out)
{
    return span_of(out->text, out->size);
}

void outs_add(struct outs *self, struct span token, int64_t over_us)
{
    if (self->count == self->room) {
        self->room = self->room ? self->room * 2 : 16;
        self->out = memory_grow(self->out, self->room * sizeof *self->out);
    }
    struct out *out = &self->out[self->count++];
    *out = (struct out){.size = token.size, .over_us = over_us};
    memcpy(out->text, token.data, token.size);
}

struct out *outs_find(const struct outs *self, struct span token)
{
    for (size_t i = 0; i < self->count; i++) {
        if (span_equal(out_token(&self->out[i]), token))
            return &self->out[i];
    }
    return NULL;
}

void outs_remove(struct outs *self, struct span token)
{
    struct out *out = outs_find(self, token);
    if (out)
        *out = self->out[--self->count];
}

int64_t out_deadline(struct span json, int64_t now_us, int64_t utc_us)
{
    char text[STAMP_SIZE];
    struct span delivery, literal;
    int64_t end_us = 0;
    int size = -1;
    if (jtext_check(json) == JTEXT_OBJECT && jtext_find(json, "delivery", &delivery) &&
        jtext_type(delivery) == JTEXT_OBJECT && jtext_find(delivery, "deadline", &literal))
        size = jtext_copy(literal, text, sizeof text);
    if (size < 0 || stamp_parse(span_of(text, (size_t)size), &end_us) < 0 || end_us <= utc_us)
        return INT64_MAX;
    return now_us + (end_us - utc_us);
}
