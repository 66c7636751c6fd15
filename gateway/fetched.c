#include "gateway/fetched.h"

#include "adapters/bridge/records.h"
#include "proto/body.h"
#include "proto/jtext.h"
#include "proto/pack.h"

void fetched_init(struct fetched *self)
{
    memset(self, 0, sizeof *self);
}

void fetched_done(struct fetched *self)
{
    buffer_done(&self->text);
    buffer_done(&self->metadata);
    buffer_done(&self->blob);
}

void fetched_take(void *context, const struct ticket_record *record)
{
    struct fetched *self = context;

    self->message_id = record->message_id;
    self->only = record->only;
    self->state = record->state;
    buffer_add(&self->text, record->text);
    buffer_add(&self->metadata, record->metadata);
    buffer_add(&self->blob, record->blob);
}

static void see_whole(void *context, const struct answer_record *record)
{
    if (span_is(record->why, "cut"))
        buffer_add(context, record->answer);
}

static bool is_cut(const struct fetched *self)
{
    struct span metadata = buffer_span(&self->metadata), truncated;

    return metadata.size > 0 && jtext_check(metadata) == JTEXT_OBJECT &&
           jtext_find(metadata, "truncated", &truncated);
}

int fetched_pack(struct server *server, const struct fetched *self, const char *status,
                 struct buffer *ret_packed)
{
    struct span frame[1 + LIMIT_BODY_FRAMES];
    struct buffer storage, whole;
    enum body_form form;
    size_t first = status ? 1 : 0, count = 1, kept = 0;
    int error = BRIDGE_OK;

    buffer_init(&storage);
    buffer_init(&whole);
    frame[0] = span_str(status);
    frame[first] = buffer_span(&self->text);
    if (body_reply_form(buffer_span(&self->metadata), &form)) {
        if (body_read(form, buffer_span(&self->text), buffer_span(&self->blob), &storage,
                      frame + first, &count) < 0)
            count = 1; /* somebody has edited the row: its text as it stands */
    } else if (is_cut(self)) {
        error = records_answers(tail_connection(server->tail), self->message_id, 1, see_whole,
                                &whole, &kept);
        if (whole.size)
            frame[first] = buffer_span(&whole);
    }
    if (!error)
        pack_write(frame, first + count, ret_packed);
    buffer_done(&storage);
    buffer_done(&whole);
    return error;
}
