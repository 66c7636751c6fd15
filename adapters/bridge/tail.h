/* The proof and the rows. One read-only connection that never waits for a lock, and on which no
 * statement stays un-reset between calls.
 *
 * AUTOINCREMENT under one writer at a time makes id order commit order, so `id > cursor` misses
 * nothing. Use: tail_changed() first (it reads the version), then tail_read() until it returns no
 * more rows, then tail_settle() (it stores the version that was read first), so that a commit in
 * between is seen again. */
#ifndef TAILGATE_ADAPTERS_BRIDGE_TAIL_H
#define TAILGATE_ADAPTERS_BRIDGE_TAIL_H

#include <stdint.h>

#include "adapters/bridge/db.h"
#include "proto/message.h"

struct tail;

/* A row, valid until the next call on the tail. */
struct tail_row {
    int64_t id;
    struct message_row columns; /* message and metadata */
    struct span conversation_id;
    struct span from_session;
    struct span to_session;
    struct span timestamp;  /* as stored */
    bool read;              /* the read flag is set (anything but 0 or NULL) */
    bool has_conversation;  /* its conversation exists */
    struct span role;       /* of the addressed session (session_b_role when to_session is "b", else
                             * session_a_role); size 0 without conversation */
    struct span expires_at; /* of the conversation; size 0 without one */
    struct span principal;  /* that the gateway has verified as the row's sender (store_sender), */
    struct span sender;     /*   and the name it had; size 0 where there is none */
    struct span agent_at;   /* last heartbeat of somebody else than us in session_status at the
                             * addressed session; size 0 when the row is read or there is none */
};

/* Opens the tail with its cursor at 0: the first read brings every row of the file. BRIDGE_ABSENT:
 * no file, or not all of the bridge's tables yet (wait); BRIDGE_FOREIGN, BRIDGE_NOT_SQLITE: never
 * will be one; BRIDGE_BUSY: somebody is making it, try again. */
int tail_open(const struct place *place, struct tail **ret_tail);
void tail_close(struct tail **self);
/* Our own tables have been made since: rows come with their senders from now on. BRIDGE_BUSY: try
 * again; nothing has changed then. */
int tail_know_senders(struct tail *self);
/* Reads PRAGMA data_version. Sets *ret_changed when it is not the version last settled (true on the
 * first call). BRIDGE_BUSY: skip this time. About 1.5 microseconds. */
int tail_changed(struct tail *self, bool *ret_changed);
/* Calls SEE for the rows above the cursor, in id order, at most LIMIT of them, in one short read
 * transaction that has ended when this returns; moves the cursor. SEE must not call the tail.
 * Sets *ret_count. *ret_count < LIMIT means that the end was reached. */
typedef void tail_see_fn(void *context, const struct tail_row *row);
int tail_read(struct tail *self, size_t limit, tail_see_fn *see, void *context, size_t *ret_count);
/* The same, but SEE is called only for the rows to SESSION that are unread; LIMIT and *ret_count
 * count the others, too. The cursor ends where tail_read() would have left it. */
int tail_read_unread(struct tail *self, struct span session, size_t limit, tail_see_fn *see,
                     void *context, size_t *ret_count);
/* As tail_read() for the rows above AFTER up to UPTO, without moving the cursor. */
int tail_range(struct tail *self, int64_t after, int64_t upto, size_t limit, tail_see_fn *see,
               void *context, size_t *ret_count);
/* The connection, for the reads of records.h; no statement of theirs may stay un-reset. While a row
 * is loaded, they see what was there when it was. */
sqlite3 *tail_connection(struct tail *self);
/* Moves the cursor to ID, forward only: rows at or below it are not brought (any more). */
void tail_start_at(struct tail *self, int64_t id);
/* The cursor: the highest id that tail_read() has brought. */
int64_t tail_cursor(const struct tail *self);
/* Stores the version that the last tail_changed() read. Call when tail_read() reached the end. */
void tail_settle(struct tail *self);
/* Loads one row by id; the row's spans stay valid until tail_unload(), which must follow before the
 * next call. BRIDGE_ABSENT when there is no such row. */
int tail_load(struct tail *self, int64_t id, struct tail_row *ret_row);
/* The same for a row that was brought or loaded before, by this run or another: it comes, in all
 * its parts, as it stood at some instant since the last tail_let_go(). Many such loads in a row
 * cost one read transaction, which stays open until another call on the tail, or tail_let_go(): to
 * be called before there is news that these rows have to agree with, and before anybody sleeps. */
int tail_load_known(struct tail *self, int64_t id, struct tail_row *ret_row);
/* True while that transaction is open: the next known row may come from it. */
bool tail_stands(const struct tail *self);
void tail_unload(struct tail *self);
void tail_let_go(struct tail *self);
/* The highest message id in the file now (0 when empty): how far the tail lags. */
int tail_last_id(struct tail *self, int64_t *ret_id);
/* True when no statement is un-reset and no transaction open: the loop asserts it before it sleeps.
 */
bool tail_is_quiet(const struct tail *self);

#endif
