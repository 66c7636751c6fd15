/* A worker's answers on their way to the gateway, oldest first.
 *
 *   put ──▶ waiting ──handed over──▶ in doubt ──OUTBOX_DOUBT_US──▶ forgotten
 *              ▲                         │
 *              └── connection lost ──────┘
 *
 * Nothing tells a worker that its answer was committed. One that was handed to ZeroMQ a moment
 * before the gateway died is lost with it, and its query would be worked on once more. So an answer
 * stays in doubt for a while, and is sent again when the connection ends meanwhile: the gateway
 * refuses what it has already. What failed or was given back is not sent again: the end of the
 * connection has the same effect, and twice it would count twice.
 *
 * Bounded in number and in bytes; what is thrown away first is the oldest. */
#ifndef TAILGATE_ADAPTERS_C_OUTBOX_H
#define TAILGATE_ADAPTERS_C_OUTBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "adapters/c/letter.h"

#define OUTBOX_DOUBT_US 10000000
#define OUTBOX_SIZE (256u << 20) /* bytes of all answers, unless a single one is larger */

struct outbox_item {
    struct letter letter;
    int64_t handed_us; /* when it was handed over; says nothing while it waits */
};

struct outbox {
    struct outbox_item *item; /* ring: first those in doubt, then those that wait */
    size_t room, first, count;
    size_t doubtful; /* how many are in doubt */
    size_t bytes;    /* of all */
};

/* An empty box for ROOM answers (at least 1). */
void outbox_init(struct outbox *self, size_t room);
void outbox_done(struct outbox *self);
/* Puts a copy in, to wait. Returns how many that waited were thrown away for it. */
size_t outbox_put(struct outbox *self, struct span token, struct span text);
/* The oldest that waits, borrowed until the next call on SELF; NULL when there is none. */
const struct letter *outbox_first(const struct outbox *self);
/* Of those that wait, the one at INDEX, below outbox_waiting(): 0 is the oldest. Borrowed as above.
 */
const struct letter *outbox_at(const struct outbox *self, size_t index);
/* That one has been handed over. */
void outbox_handed(struct outbox *self, int64_t now_us);
/* Forgets what is not in doubt any more. */
void outbox_forget(struct outbox *self, int64_t now_us);
/* The connection is lost: the answers in doubt wait again. */
void outbox_recall(struct outbox *self, int64_t now_us);
/* Throws the oldest away, if there is one; true when it waited. */
bool outbox_shed(struct outbox *self);
/* How many wait. */
size_t outbox_waiting(const struct outbox *self);
/* Appends the tokens of those that wait, newest first: what was never handed over comes before what
 * the gateway may have already. Returns their number, ROOM at most. */
size_t outbox_tokens(const struct outbox *self, struct span *ret_token, size_t room);

#endif
