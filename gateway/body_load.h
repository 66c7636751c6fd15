/* The frames that a client's request came in. */
#ifndef TAILGATE_GATEWAY_BODY_LOAD_H
#define TAILGATE_GATEWAY_BODY_LOAD_H

#include "gateway/server.h"
#include "proto/body.h"

struct body {
    struct span frame[LIMIT_BODY_FRAMES];
    size_t count;
    bool opaque; /* they do not stand in the row as its text */
    struct buffer blob, storage;
};

/* Loads the body of ROW, of which message_read() said MESSAGE; borrowed from ROW and RET_BODY, to
 * be ended with body_done(). A row that says of its body what is not so is what its text is, as a
 * row of any other writer. Returns false when the database cannot be read just now; nothing is to
 * be ended then. */
bool body_load(struct server *self, const struct tail_row *row, const struct message *message,
               struct body *ret_body);
void body_done(struct body *self);

#endif
