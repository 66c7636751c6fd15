/* What tailgate_ticket and tailgate_blob say; read as records.h is. */
#ifndef TAILGATE_ADAPTERS_BRIDGE_TICKETS_H
#define TAILGATE_ADAPTERS_BRIDGE_TICKETS_H

#include <stdint.h>

#include "adapters/bridge/db.h"
#include "proto/buffer.h"

enum ticket_state {
    TICKET_PENDING,  /* its request is unanswered, and its conversation lives */
    TICKET_ANSWERED, /* the reply row is there */
    TICKET_DEAD,     /* and is an error; without a text where somebody has removed it */
    TICKET_ENDED     /* it has ended without a reply of ours, or its row is gone */
};

/* A ticket; spans are valid during the call. */
struct ticket_record {
    int64_t message_id; /* of the request's row */
    bool only;          /* no other ticket is for it */
    enum ticket_state state;
    struct span text, metadata; /* of the reply row; ANSWERED, DEAD */
    struct span blob;           /* what stands beside it; size 0: nothing */
};
typedef void tickets_see_fn(void *context, const struct ticket_record *record);

/* Calls SEE for TICKET. BRIDGE_ABSENT: there is none, or its time was over at NOW_US (UTC). */
int tickets_one(sqlite3 *db, struct span ticket, int64_t now_us, tickets_see_fn *see,
                void *context);
/* The same for the answer to request MESSAGE_ID that nobody is known to have had (store_ask());
 * `only` says nothing. */
int requests_answer(sqlite3 *db, int64_t message_id, tickets_see_fn *see, void *context);
/* Appends the packed frames that stand beside row MESSAGE_ID; nothing where there are none. */
int blobs_load(sqlite3 *db, int64_t message_id, struct buffer *ret_packed);

#endif
