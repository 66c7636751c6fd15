#include "gateway/handed.h"

#include <stdlib.h>

#include "proto/buffer.h"

void handed_done(struct handed *self)
{
    free(self->row);
    self->row = NULL;
}

static struct handed_row *place_of(const struct handed *self, int64_t id)
{
    return &self->row[(uint64_t)id % HANDED];
}

static const struct handed_row *find(const struct handed *self, int64_t id)
{
    const struct handed_row *row = self->row ? place_of(self, id) : NULL;

    return row && row->id == id ? row : NULL;
}

const struct handed_row *handed_part(const struct handed *self, int64_t now_us, int64_t id)
{
    const struct handed_row *row = find(self, id);

    return row && now_us - row->read_us < HANDED_FRESH_US ? row : NULL;
}

const struct handed_row *handed_answer(const struct handed *self, int64_t id)
{
    const struct handed_row *row = find(self, id);

    return row && row->whole ? row : NULL;
}

/* Puts TEXT behind the *END bytes that are there; returns where it ends then. */
static size_t put(struct handed_row *row, size_t *end, struct span text)
{
    if (text.size)
        memcpy(row->text + *end, text.data, text.size);
    return *end += text.size;
}

void handed_keep(struct handed *self, int64_t now_us, uint64_t others, const struct tail_row *row,
                 const struct message *message, const struct token_digest *digest)
{
    const struct span conversation = row->conversation_id, to = row->to_session,
                      from = row->from_session, query_id = message->query_id,
                      nothing = span_of(NULL, 0);
    struct handed_row *kept;
    size_t end = 0;

    if (conversation.size > LIMIT_CONVERSATION_ID)
        return;
    if (!self->row) /* its pages cost nothing before they are used */
        self->row = memory_zero(HANDED, sizeof *self->row);
    kept = place_of(self, row->id);
    kept->id = row->id;
    kept->read_us = now_us;
    kept->others = others;
    kept->digest = *digest;
    kept->kind = message->kind;
    kept->request = message->request;
    kept->majordomo = message->majordomo;
    kept->ticket = message->ticket;
    kept->whole = to.size <= HANDED_TEXT && from.size <= HANDED_TEXT &&
                  query_id.size <= HANDED_TEXT &&
                  conversation.size + to.size + from.size + query_id.size <= HANDED_TEXT;
    kept->conversation = put(kept, &end, conversation);
    kept->to = put(kept, &end, kept->whole ? to : nothing);
    kept->from = put(kept, &end, kept->whole ? from : nothing);
    kept->query_id = put(kept, &end, kept->whole ? query_id : nothing);
}

void handed_show(const struct handed_row *self, struct tail_row *ret_row,
                 struct message *ret_message)
{
    *ret_row = (struct tail_row){
        .id = self->id,
        .conversation_id = span_of(self->text, self->conversation),
        .to_session = span_of(self->text + self->conversation, self->to - self->conversation),
        .from_session = span_of(self->text + self->to, self->from - self->to),
    };
    memset(ret_message, 0, sizeof *ret_message);
    ret_message->kind = self->kind;
    ret_message->request = self->request;
    ret_message->majordomo = self->majordomo;
    ret_message->ticket = self->ticket;
    ret_message->query_id = span_of(self->text + self->from, self->query_id - self->from);
}
