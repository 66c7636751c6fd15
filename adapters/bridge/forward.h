/* Questions of one bridge asked in another: written there as any of its writers does, and their
 * replies watched for. It works on the file alone: who answers there need not know of us.
 *
 * Invariants
 *   1. A question has one row, whoever carries it and however often: its origin stands in the row's
 *      metadata, and it is looked for under the write lock that its row is written under.
 *   2. One conversation here for each over there, for as long as it has an hour left. Like the rows
 * it is found again by reading them, after a restart and by another worker, too.
 *   3. The lock is held for what is new since the last look, and for the statements.
 *   4. No history is read: a conversation made here lives for three hours, and rows from before its
 *      time are not looked at.
 *
 * Two connections that live as long as this does: one that reads, one that writes; neither waits
 * for a lock (BRIDGE_BUSY: try again). */
#ifndef TAILGATE_ADAPTERS_BRIDGE_FORWARD_H
#define TAILGATE_ADAPTERS_BRIDGE_FORWARD_H

#include "adapters/bridge/bridge_id.h"
#include "adapters/bridge/tail.h"

#define FORWARD_CONVERSATION 22 /* bytes of the id of a conversation made here, with its NUL */

struct forward;

/* A question, all borrowed. */
struct forward_query {
    struct span bridge;       /* where it comes from: a valid id, */
    int64_t message_id;       /* the row there, */
    struct span conversation; /* as the metadata has it, decoded */
    const char (
        *through)[BRIDGE_ID_SIZE]; /* and the bridges that it has been in, that one included */
    size_t through_count;
    struct span service;
    struct span text, metadata; /* of the row that is to be made; clean UTF-8 */
    bool redacted;              /* something was taken out of them */
    int64_t not_row;            /* rows up to this one are no reason not to ask; 0: every one is */
};

enum forward_outcome {
    FORWARD_ASKED,    /* its row was made */
    FORWARD_ATTACHED, /* it had one already, whose conversation lives */
    FORWARD_LOOP,     /* it has been in this bridge; nothing was written */
    FORWARD_BEHIND    /* there is much to read first: call forward_look() */
};

struct forward_row {
    int64_t id;
    char conversation[FORWARD_CONVERSATION];
};

/* Opens the bridge at PLACE. BRIDGE_ABSENT: no file, or not all of the bridge's tables yet;
 * BRIDGE_FOREIGN, BRIDGE_NOT_SQLITE, BRIDGE_NEWER, BRIDGE_READ_ONLY; BRIDGE_BUSY: try again. */
int forward_open(const struct place *place, struct forward **ret_forward);
void forward_close(struct forward **self);
/* What to poll for reading while something is awaited; -1: commits cannot be watched here. */
int forward_fd(const struct forward *self);
/* When forward_look() has something to do while something is awaited (monotonic). */
int64_t forward_due(const struct forward *self);
/* Looks for the proof of a commit when a hint or time says so, and reads a bounded number of new
 * rows; SEE is called for each. *ret_changed: somebody has committed. BRIDGE_BUSY is no news, and
 * is not returned. */
int forward_look(struct forward *self, int64_t now_us, tail_see_fn *see, void *context,
                 bool *ret_changed);
/* Has the next forward_look() look, whatever the hints say: after a time without one. */
void forward_wake(struct forward *self, int64_t now_us);
/* True when forward_look() left rows behind. */
bool forward_is_behind(const struct forward *self);
/* Asks QUERY, in one transaction; SEE as above, for rows that came meanwhile. *ret_row is set for
 * FORWARD_ASKED and _ATTACHED. BRIDGE_REFUSED: a constraint or trigger, or a text that is not
 * clean. Nothing is written on an error. */
int forward_put(struct forward *self, const struct forward_query *query, int64_t utc_us,
                tail_see_fn *see, void *context, enum forward_outcome *ret_outcome,
                struct forward_row *ret_row);
/* Calls SEE for the rows above AFTER that have been read already. */
int forward_reread(struct forward *self, int64_t after, tail_see_fn *see, void *context);
/* Marks reply REPLY_ID as fetched, as the bridge's fetch does. */
int forward_fetch(struct forward *self, int64_t reply_id, int64_t utc_us);
/* Whether an answer to ROW can still come: it is there and its conversation lives. NULL: yes, else
 * what has become of it. *ret_error: why that cannot be told. */
const char *forward_lost(struct forward *self, int64_t row, int64_t utc_us, int *ret_error);
/* True when the file is not the one that was opened any more. */
bool forward_is_replaced(const struct forward *self);

#endif
