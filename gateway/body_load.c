#include "gateway/body_load.h"

#include "adapters/bridge/tickets.h"
#include "gateway/log.h"

static void take_text(struct body *self, const struct tail_row *row)
{
    self->opaque = false;
    self->frame[0] = row->columns.text;
    self->count = 1;
}

bool body_load(struct server *self, const struct tail_row *row, const struct message *message,
               struct body *ret_body)
{
    struct body *body = ret_body;
    int error = BRIDGE_OK;

    buffer_init(&body->blob);
    buffer_init(&body->storage);
    take_text(body, row);
    if (message->body == BODY_TEXT)
        return true;
    if (message->body == BODY_BLOB)
        error = blobs_load(tail_connection(self->tail), row->id, &body->blob);
    if (!intake_could_read(self, error)) {
        body_done(body);
        return false;
    }
    body->opaque = body_read(message->body, row->columns.text, buffer_span(&body->blob),
                             &body->storage, body->frame, &body->count) == 0;
    if (!body->opaque) {
        take_text(body, row);
        self->stats.count[STAT_ODD_BODIES]++;
        log_event(LOG_WARN, "odd-body", LOG_INT("id", row->id),
                  LOG_SPAN("conversation", row->conversation_id),
                  LOG_STR("say", "what its metadata says of its body is not so: it is taken as the "
                                 "text that it is"));
    }
    return true;
}

void body_done(struct body *self)
{
    buffer_done(&self->blob);
    buffer_done(&self->storage);
}
