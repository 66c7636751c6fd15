/* What the files of the store share: store.c (opening, groups, checkpoints), store_reply.c (the
 * guard and how queries end), store_live.c (conversations known to live), store_rows.c (rows that
 * are written many at once), store_ask.c (requests of clients), store_talk.c (in which
 * conversation), store_submit.c (queries of sessions), store_body.c (tickets, bodies),
 * store_delivery.c (leases, failures, dead rows), store_mark.c (parked rows, words), store_keep.c
 * (kept answers), store_present.c (presence), store_retire.c and store_retire_*.c (retention). For
 * nobody else. */
#ifndef TAILGATE_ADAPTERS_BRIDGE_STORE_INSIDE_H
#define TAILGATE_ADAPTERS_BRIDGE_STORE_INSIDE_H

#include <assert.h>
#include <stdatomic.h>

#include "adapters/bridge/conversation.h"
#include "adapters/bridge/sql.h"
#include "adapters/bridge/store.h"
#include "proto/buffer.h"
#include "proto/limits.h"
#include "proto/stamp.h"

/* Every statement, each prepared once, by store_open(). */
enum store_statement {
    RUN_BEGIN,
    RUN_COMMIT,
    RUN_AUDIT,
    RUN_AUDIT_FOUR,
    RUN_AUDIT_SIXTEEN,
    RUN_VERSION,
    RUN_GUARD,
    RUN_GUARD_LIVE,
    RUN_GUARD_CLAIMED,
    RUN_READ,
    RUN_WHY,
    RUN_QUESTION,
    RUN_REPLY,
    RUN_SENDER,
    RUN_SENDER_FOUR,
    RUN_SENDER_SIXTEEN,
    RUN_IS_CLAIMED,
    RUN_LEASE,
    RUN_FAIL,
    RUN_GIVE_BACK,
    RUN_DEAD,
    RUN_FORGET,
    RUN_ENDED,
    RUN_ENDED_PASSED,
    RUN_PARK,
    RUN_UNPARK,
    RUN_WORD_SET,
    RUN_WORD_REMOVE,
    RUN_WORD_READ,
    RUN_KEEP,
    RUN_KEPT,
    RUN_PRESENT,
    RUN_PRESENT_ALL,
    RUN_SAME,
    RUN_TALK,
    RUN_TALK_MAKE,
    RUN_TALK_MADE,
    RUN_TALK_CLIENT,
    RUN_TALK_NAMED,
    RUN_TALK_TOKEN,
    RUN_TALK_MADE_LIVE,
    RUN_TALK_LIVE,
    RUN_SESSION,
    RUN_KNOWN,
    RUN_KNOW,
    RUN_KNOWN_OVER,
    RUN_REQUEST,
    RUN_REQUEST_REPLY,
    RUN_REQUEST_REMOVE,
    RUN_TICKET,
    RUN_TICKET_REPLY,
    RUN_TICKET_REMOVE,
    RUN_TICKETS_OVER,
    RUN_REQUESTS_OVER,
    RUN_BLOB,
    RUN_BLOB_REMOVE,
    RUN_BLOBS_NEXT,
    RUN_BLOBS_OVER,
    RUN_SENDERS_OVER,
    RUN_KEPT_WALK,
    RUN_KEPT_REMOVE,
    RUN_DEAD_REMOVE,
    RUN_AUDIT_WALK,
    RUN_AUDIT_REMOVE,
    RUN_MADE_ANY,
    RUN_MADE_CLOSE,
    RUN_MADE_DISOWN_CLIENTS,
    RUN_MADE_DISOWN,
    RUN_MADE_WALK,
    RUN_MADE_ANSWERS,
    RUN_MADE_MESSAGES,
    RUN_MADE_STATUS,
    RUN_MADE_CONVERSATIONS,
    RUN_MADE_BODIES,
    RUN_MADE_SENDERS,
    RUN_MADE_CLIENTS,
    RUN_MADE_REMOVE,
    RUN_COUNT
};

struct store_sql {
    enum store_statement statement;
    bool optional; /* it may not fit their tables: what it is for is left undone then */
    const char *sql;
};

/* Each file's statements, ended by one without SQL. */
extern const struct store_sql store_sql_of_reply[], store_sql_of_rows[], store_sql_of_delivery[],
    store_sql_of_mark[], store_sql_of_keep[], store_sql_of_present[], store_sql_of_ask[],
    store_sql_of_talk[], store_sql_of_body[], store_sql_of_submit[], store_sql_of_retire[],
    store_sql_of_retire_made[], store_sql_of_retire_asked[];

/* Sessions whose presence this process has told lately, by a hash of their names; a forgotten one
 * costs a statement. Each has its place in one set, so that a thousand conversations in turn hardly
 * drive each other out. */
#define STORE_TOLD_SETS 1024
#define STORE_TOLD_SET 4
struct store_told {
    uint64_t key; /* 0: none */
    int64_t at_us;
};

/* store_rows.c: rows that are written many at once. */
#define STORE_GATHERED 16
#define STORE_GATHERED_COLUMNS 5
enum store_gathering { STORE_GATHER_AUDIT, STORE_GATHER_SENDER, STORE_GATHERINGS };
struct store_gather {
    struct sql_value value[STORE_GATHERED * STORE_GATHERED_COLUMNS]; /* row by row */
    struct buffer texts[STORE_GATHERED];                             /* that they point to */
    size_t rows;
};

/* store_live.c: conversations that have been found to live in this group, each in the place that
 * its name has; a forgotten one costs a look. */
#define STORE_LIVE 256
#define STORE_LIVE_NAME 48 /* bytes; a longer one is looked up each time */
struct store_live {
    uint64_t group;
    size_t size;
    char name[STORE_LIVE_NAME];
};

struct store {
    sqlite3 *db;
    sqlite3_stmt *run[RUN_COUNT]; /* NULL: an optional one that does not fit */
    struct buffer details;        /* of the audit row under way; keeps its storage */
    struct buffer item;           /* of a history; the same */
    int64_t now_us;               /* of the group, UTC */
    char stamp[STAMP_SIZE];       /* the same */
    atomic_bool can_present;      /* other threads may ask for it */
    struct store_told told[STORE_TOLD_SETS][STORE_TOLD_SET];
    struct store_gather gather[STORE_GATHERINGS];
    struct store_live live[STORE_LIVE];
    uint64_t group;   /* counts store_begin() */
    int64_t reply_id; /* the last row that store_reply() made */
    int64_t version;  /* what others' commits change; 0: not looked at yet */
    uint64_t others;  /* how often they had committed when that was looked at */
    bool others_wrote;
    bool reply_changed; /* what store_reply() found last */
    int busy_ms;
    int wal_frames;
    int wal_unmoved; /* frames that the last checkpoint left */
};

/* After a failure that may have lost what was written, closing must not go on with it: SQLite's own
 * checkpoint at the last close would be the retry that an fsync must not have. Returns ERROR. */
int store_note_loss(struct store *self, int error);

/* Binds COUNT values, runs to the end and resets. */
static inline int store_run(struct store *self, enum store_statement statement,
                            const struct sql_value *values, size_t count)
{
    assert(!sqlite3_get_autocommit(self->db));
    return store_note_loss(self, sql_run(self->run[statement], values, count));
}

/* One row with one whole number: *ret_row, *ret_number; untouched where there is none. */
int store_look(struct store *self, enum store_statement statement, const struct sql_value *values,
               size_t count, bool *ret_row, int64_t *ret_number);
/* The stamp of the group, borrowed until the next store_begin(). */
struct span store_now(const struct store *self);
/* The stamp SECONDS before the group's (negative: after it), at the earliest 1970. */
void store_before(const struct store *self, int64_t seconds, char ret_stamp[STAMP_SIZE]);

/* An audit row with self->details. SESSION of size 0: NULL. GATHERED: it may be written with those
 * that follow, but before the next one that is not, and before COMMIT. */
int store_audit(struct store *self, struct span conversation_id, struct span session,
                const char *action);
int store_audit_gathered(struct store *self, struct span conversation_id, struct span session,
                         const char *action);

/* store_rows.c: one row of WHICH, whose texts are copied; the rows so far are written; they are
 * not, as the group is undone; their storage goes. */
int store_gather(struct store *self, enum store_gathering which, const struct sql_value *values);
int store_write_gathered(struct store *self);
void store_forget_gathered(struct store *self);
void store_gathered_done(struct store *self);

/* store_live.c: CONVERSATION_ID was found to live in this group (one that only ever puts ends off,
 * or removes what is over); it is known to. */
void store_note_live(struct store *self, struct span conversation_id);
bool store_lives(const struct store *self, struct span conversation_id);

/* store_present.c: what was told is not in the file. */
void store_untell(struct store *self);

/* store_reply.c: a message row, the bridge's audit row send_message, and who sent it. *ret_id: the
 * row's. ONE_OF_MANY: the latter two are gathered. */
struct store_message {
    struct span conversation_id, from, to, text, metadata;
    struct store_sender sender;
    bool redacted; /* something was taken out of the text */
    bool one_of_many;
};
int store_send(struct store *self, const struct store_message *message, int64_t *ret_id);
/* The guard of I2 took the row, or did not. */
int store_guard(struct store *self, int64_t message_id, struct span conversation_id,
                bool *ret_ours);
/* The audit row of how a query ended without us, and its rows of ours gone. */
int store_record_end(struct store *self, const struct store_reply *end,
                     enum store_outcome *ret_end);

/* store_delivery.c: whether the row says that MESSAGE_ID is claimed; makes it `dead`; removes it
 * unless it is dead and was not ANSWERED after all. */
int store_is_claimed(struct store *self, int64_t message_id, struct span conversation_id,
                     bool *ret_claimed);
int store_dead(struct store *self, const struct store_reply *reply);
int store_forget(struct store *self, int64_t message_id, bool answered);

/* store_talk.c: a conversation id, of whoever made it. */
struct talk {
    char id[LIMIT_CONVERSATION_ID + 1];
};
/* False: ID cannot be one. */
bool talk_name(struct talk *self, struct span id);
/* The times of ASK can be added to each other and to now. */
bool talk_fits(const struct store_ask *ask);
/* Whether the conversation that ASK names is there, lives, and is this client's. */
int talk_may(struct store *self, const struct store_ask *ask, bool *ret_may);
/* The conversation that ASK names, or the one of ours, which is made where there is none. */
int talk_enter(struct store *self, const struct store_ask *ask, struct talk *ret_talk);
/* Makes a conversation of ours, over TTL_S from now, with its audit row. */
int talk_make(struct store *self, struct span role_a, struct span role_b, int64_t ttl_s,
              struct conversation *ret_made);
/* Puts the end of TALK off where it would come too early for ASK, if it is one of ours. */
int talk_put_off(struct store *self, const struct store_ask *ask, const struct talk *talk);

/* store_ask.c: the same request does not attach to MESSAGE_ID any more. */
int store_request_remove(struct store *self, int64_t message_id);
/* REPLY_ID is the row of the answer to request MESSAGE_ID. */
int store_request_reply(struct store *self, int64_t message_id, int64_t reply_id);

/* store_body.c: PACKED stands beside row MESSAGE_ID; the tickets of MESSAGE_ID get its reply's row;
 * a ticket for it that is good for SECONDS; what stands beside row MESSAGE_ID goes. */
int store_blob(struct store *self, int64_t message_id, struct span packed);
int store_ticket_reply(struct store *self, int64_t message_id, int64_t reply_id);
int store_ticket(struct store *self, struct span ticket, int64_t message_id, int64_t reply_id,
                 int64_t seconds);
int store_blob_remove(struct store *self, int64_t message_id);

/* store_keep.c: whether an answer of MESSAGE_ID is kept because it ended so. */
int store_is_kept(struct store *self, int64_t message_id, const char *why, bool *ret_kept);

/* store_mark.c: remembers that the end of MESSAGE_ID is recorded; *ret_first: it was not. */
int store_ended(struct store *self, int64_t message_id, bool *ret_first);
/* a whole number of tailgate_meta; 0 where there is none. */
int store_word_number(struct store *self, const char *key, int64_t *ret_number);
int store_word_set(struct store *self, const char *key, struct sql_value value);

#endif
