/* A client's reply as it is read back from the file: for its ticket, or because it asks again. */
#ifndef TAILGATE_GATEWAY_FETCHED_H
#define TAILGATE_GATEWAY_FETCHED_H

#include "adapters/bridge/tickets.h"
#include "gateway/server.h"

/* What tickets_one() or requests_answer() said, copied. */
struct fetched {
    int64_t message_id;
    bool only;
    enum ticket_state state;
    struct buffer text, metadata, blob;
};

void fetched_init(struct fetched *self);
void fetched_done(struct fetched *self);
/* A tickets_see_fn; CONTEXT is a struct fetched. */
void fetched_take(void *context, const struct ticket_record *record);
/* Appends the reply's packed frames as its client would have got them, behind the frame STATUS
 * (NULL: none): those of a raw answer, else the row's text, or the whole of what was cut. Returns a
 * bridge_error. */
int fetched_pack(struct server *server, const struct fetched *self, const char *status,
                 struct buffer *ret_packed);

#endif
