/* The only writer: commits replies under the guard of invariant I2, many in one transaction. Used
 * by one thread (the committer). Every text is built before store_begin(), so that the lock is held
 * only for the statements themselves. */
#ifndef TAILGATE_ADAPTERS_BRIDGE_STORE_H
#define TAILGATE_ADAPTERS_BRIDGE_STORE_H

#include <stdint.h>

#include "adapters/bridge/db.h"
#include "proto/span.h"
#include "proto/token.h"

struct store;

/* One reply to commit. All texts are valid UTF-8 without U+0000 and owned by the caller. */
struct store_reply {
    int64_t message_id;          /* of the query */
    struct span conversation_id; /* the query's */
    struct span from_session;    /* the session that answers: the query's to_session */
    struct span to_session;      /* the session that asked */
    struct span text;
    struct span metadata;
    bool dead; /* an error reply: the audit row query_dead is written beside it */
};

/* How a guarded reply ended: the guard changed one row, or why it did not. */
enum store_outcome {
    STORE_COMMITTED,
    STORE_SUPERSEDED, /* someone else has set read */
    STORE_EXPIRED,    /* the conversation's time is over */
    STORE_DELETED     /* row or conversation is gone */
};

/* Opens the writer's connection, makes our tables and reads the token key. BUSY_MS as in db_open().
 * BRIDGE_ABSENT: no file, or not all of the bridge's tables yet; BRIDGE_FOREIGN, BRIDGE_NOT_SQLITE,
 * BRIDGE_NEWER: refused, and nothing was changed. */
int store_open(const struct place *place, int busy_ms, struct store **ret_store,
               struct token_key *ret_key);
void store_close(struct store **self);
/* BEGIN IMMEDIATE. NOW_US (UTC) stamps all rows of the group. BRIDGE_BUSY: nothing began. */
int store_begin(struct store *self, int64_t now_us);
/* One reply inside the group:
 *   UPDATE messages SET read=1 WHERE id=? AND read=0 AND EXISTS (live conversation)
 * one row changed: the reply row and the bridge's audit row send_message are inserted. None: the
 * end is classified and recorded by an audit row (query_superseded, query_expired, query_deleted).
 * On an error the group may be gone: call store_rollback(). BRIDGE_REFUSED: a constraint or trigger
 * of theirs, or a text that the bridge could not read; this reply alone is at fault, so the others
 * of its group can be committed without it. */
int store_reply(struct store *self, const struct store_reply *reply,
                enum store_outcome *ret_outcome);
/* Records, inside the group, how a query ended without us, by the same audit rows as above; of END
 * only message_id, conversation_id and from_session count. Nothing else is written. BRIDGE_REFUSED:
 * it has not ended, it is unread and its conversation lives. */
int store_end(struct store *self, const struct store_reply *end, enum store_outcome *ret_outcome);
/* COMMIT. On an error nothing of the group is in the file after store_rollback(), except that after
 * BRIDGE_IO it is unknown: exit and re-read. After BRIDGE_BUSY (a reader, in rollback-journal mode)
 * the group is still open and store_commit() may be tried again. */
int store_commit(struct store *self);
/* ROLLBACK where SQLite has not already done so. */
void store_rollback(struct store *self);
/* Frames in the WAL after our last commit; 0 after a complete checkpoint, and in rollback-journal
 * mode. */
int store_wal_frames(const struct store *self);
/* A FULL checkpoint that waits at most 20 ms for others. BRIDGE_OK also when it did only a part;
 * *ret_complete says so. */
int store_checkpoint(struct store *self, bool *ret_complete);
/* SQLite's words for the last failure. */
const char *store_explain(const struct store *self);

#endif
