/* Dead queries in a person's hands: asked again, or dropped. Works on the file, beside a running
 * gateway or without one; each change is one transaction and leaves its audit row. DB is a
 * DB_WRITER whose file is a bridge with tables of a version we know, or with none of ours. */
#ifndef TAILGATE_ADAPTERS_BRIDGE_DEAD_H
#define TAILGATE_ADAPTERS_BRIDGE_DEAD_H

#include "adapters/bridge/records.h"
#include "proto/buffer.h"

/* How many dead rows FILTER matches, and their ids (oldest first, at most LIMIT), in one short
 * read. *ret_id_new is the caller's to free (NULL when there are none). */
int dead_find(sqlite3 *db, const struct records_filter *filter, size_t limit, int64_t **ret_id_new,
              size_t *ret_count);
int dead_count(sqlite3 *db, const struct records_filter *filter, int64_t *ret_count);
/* Appends the message MESSAGE_ID of CONVERSATION_ID as stored; BRIDGE_ABSENT when it is gone. */
int dead_question(sqlite3 *db, int64_t message_id, struct span conversation_id,
                  struct buffer *ret_text);

enum dead_outcome {
    DEAD_DONE,
    DEAD_NOT_DEAD,      /* no dead row of that id */
    DEAD_REDRIVEN,      /* it was asked again already; *ret_message_id is where */
    DEAD_GONE,          /* its row or conversation is gone: there is no text to ask again */
    DEAD_EXPIRED,       /* its conversation's time is over: nobody would read the answer */
    DEAD_NOT_A_QUESTION /* its row was changed meanwhile into something that is none */
};

/* Asks dead query MESSAGE_ID again: a new row of the same conversation, sessions and text is
 * inserted as any of the bridge's writers would, with the old metadata and "redrive_of"; the dead
 * row says which. AGAIN: also when that was done before. DEAD_DONE: *ret_message_id is the new row;
 * any other outcome has changed nothing. */
int dead_redrive(sqlite3 *db, int64_t message_id, bool again, int64_t now_us,
                 enum dead_outcome *ret_outcome, int64_t *ret_message_id);
/* Removes the dead rows of COUNT ids, with the answers that were kept for them when ANSWERS is set,
 * in one transaction. *ret_dropped[i] tells whether ID[i] was dead. */
int dead_drop(sqlite3 *db, const int64_t *id, size_t count, bool answers, int64_t now_us,
              bool *ret_dropped);

/* The same inside a transaction of the caller's, on a file that has our tables. */
int dead_redrive_within(sqlite3 *db, int64_t message_id, bool again, int64_t now_us,
                        enum dead_outcome *ret_outcome, int64_t *ret_message_id);
int dead_drop_within(sqlite3 *db, const int64_t *id, size_t count, bool answers, int64_t now_us,
                     bool *ret_dropped);

#endif
