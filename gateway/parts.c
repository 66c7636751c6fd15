#include "gateway/parts.h"

#include <stdlib.h>

#include "proto/buffer.h"

void parts_done(struct parts *self)
{
    free(self->row);
    self->row = NULL;
}

static size_t place_of(int64_t id)
{
    return (size_t)((uint64_t)id % PARTS);
}

const struct part_row *parts_find(const struct parts *self, int64_t now_us, int64_t id)
{
    const struct part_row *row = self->row ? &self->row[place_of(id)] : NULL;

    return row && row->id == id && now_us - row->read_us < PARTS_FRESH_US ? row : NULL;
}

void parts_keep(struct parts *self, int64_t now_us, int64_t id, struct span conversation_id,
                const struct token_digest *digest, bool raw)
{
    struct part_row *row;

    if (conversation_id.size > sizeof row->conversation_id)
        return;
    if (!self->row) /* its pages cost nothing before they are used */
        self->row = memory_zero(PARTS, sizeof *self->row);
    row = &self->row[place_of(id)];
    row->id = id;
    row->read_us = now_us;
    row->digest = *digest;
    row->raw = raw;
    row->size = conversation_id.size;
    memcpy(row->conversation_id, conversation_id.data, conversation_id.size);
}
