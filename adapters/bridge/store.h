/* The only writer: commits replies under the guard of invariant I2, many in one transaction. Used
 * by one thread (the committer). Every text is built before store_begin(), so that the lock is held
 * only for the statements themselves. */
#ifndef TAILGATE_ADAPTERS_BRIDGE_STORE_H
#define TAILGATE_ADAPTERS_BRIDGE_STORE_H

#include <stdint.h>

#include "adapters/bridge/bridge_id.h"
#include "adapters/bridge/conversation.h"
#include "adapters/bridge/db.h"
#include "adapters/bridge/dead.h"
#include "proto/limits.h"
#include "proto/span.h"
#include "proto/token.h"

struct store;

/* Who sent what a row is made of, as the gate has verified it (proto/identity.h). */
struct store_sender {
    struct span principal; /* size 0: it has not */
    struct span name;      /* size 0: none */
};

/* One reply to commit. All texts are valid UTF-8 without U+0000 and owned by the caller. */
struct store_reply {
    int64_t message_id;          /* of the query */
    struct span conversation_id; /* the query's */
    struct span from_session;    /* the session that answers: the query's to_session */
    struct span to_session;      /* the session that asked */
    struct span text;
    struct span metadata;
    struct span whole;  /* the answer as it was before it was cut, to be kept; size 0: not cut */
    struct span worker; /* its name */
    struct span service;
    struct span reason; /* DEAD: why */
    uint32_t attempt;   /* that gave the answer; DEAD: the last one begun */
    uint32_t failed;    /* DEAD: attempts that failed */
    bool dead; /* an error reply: the audit row query_dead is written beside it, and the delivery
                * row becomes `dead` */
    bool redacted; /* something was taken out of the text, for the audit row */
    bool claimed;  /* the guard is our own delivery row, not `read` */
    bool recorded; /* it may have a delivery row, which goes (an answer) or becomes `dead` */
    bool parked;   /* it may stand in tailgate_parked */
    /* What the answer is to was read before: where others have committed since, after OTHERS of
     * their commits (store_others()), the row must still have this DIGEST (store_reply_changed()).
     */
    bool as_read;
    uint64_t others;
    const struct token_digest *digest;
    bool present; /* say in session_status that the session is served (store_present()) */
    bool ticket;  /* a client may come back for it: its tickets get the reply's row */
    bool request; /* a client asked it: where that asks again (store_ask()), it finds this row */
    struct span kept; /* what is kept of it where it cannot be committed; size 0: its text */
    struct span blob; /* packed frames of an answer that does not stand in TEXT; else size 0 */
    struct store_sender sender; /* of the answer */
};

/* A client's request (proto/body.h says how it stands in a row). */
struct store_ask {
    struct span principal;       /* who asks */
    struct span role;            /*   and what the bridge's programs call them */
    struct span service;         /* that is to answer */
    struct span session;         /* that is asked; session a asks */
    struct span text, metadata;  /* of the row */
    struct span blob;            /* its packed frames; size 0: they stand in the row */
    struct span digest;          /* of principal, service, body, and whether there is a ticket */
    bool fresh;                  /* the same request is not looked for */
    int64_t coalesce_s;          /* else: asked so long ago at most */
    int64_t live_s;              /* a conversation of ours lives at least so long from now on */
    int64_t turn_s;              /*   and takes questions for so long after it was made */
    struct span ticket;          /* size 0: none */
    int64_t ticket_s;            /* how long that is good; the conversation lives as long */
    struct span conversation_id; /* as the client named it; size 0: one of ours */
    struct span session_token;   /* of its session a; size 0: it is to be one of this principal's */
    struct store_sender sender;  /* the principal again, where it is verified */
};

enum store_asked {
    STORE_ASKED,          /* its row was made */
    STORE_ATTACHED,       /* the same request is there, unanswered */
    STORE_ANSWERED,       /* it is, and answered, and nobody is known to have had that */
    STORE_NO_CONVERSATION /* the one that was named is not there, is over, or is not this client's
                           */
};

/* A conversation that a client wants to have. */
struct store_converse {
    struct span asker, responder; /* roles of session a and b */
    int64_t ttl_s;
};

/* A query of the session that has the token. */
struct store_submit {
    struct span conversation_id, session_token;
    struct span text;     /* of the row, redacted */
    bool redacted;        /* something was taken out of it */
    struct span query_id; /* as it stands in TEXT, LIMIT_SUBMIT_QUERY_ID bytes at most */
    struct span key;      /* the same key again makes no second row; size 0: none */
    struct span digest;   /* of the query as it was submitted */
    int64_t keep_s;       /* how long a key is known */
    bool only_again;      /* makes no row: the key must have been used before */
    struct store_sender sender;
};

enum store_submitted {
    STORE_SUBMITTED, /* its row was made */
    STORE_DUPLICATE, /* it was made before, under that key */
    STORE_CONFLICT,  /* another query was, under that key */
    STORE_NOT_AGAIN, /* nothing was made under that key, and only_again is set */
    STORE_NOWHERE,   /* there is no such conversation */
    STORE_NO_TOKEN,  /* that is the token of none of its sessions */
    STORE_NO_TIME    /* its time is over */
};

/* What came of a store_submit; SUBMITTED, DUPLICATE: of its row. */
struct store_receipt {
    enum store_submitted submitted;
    int64_t message_id;
    char query_id[LIMIT_SUBMIT_QUERY_ID + 1];
    char made_at[STAMP_SIZE];
};

/* A query in a worker's hands, or waiting after a failed attempt: one row of tailgate_delivery. */
struct store_delivery {
    int64_t message_id;
    struct span conversation_id;
    struct span session; /* that is served: for its presence */
    struct span service;
    struct span worker;   /* size 0: none */
    struct span reason;   /* of the failure; size 0: none */
    uint32_t attempt;     /* the last one begun */
    uint32_t failed;      /* attempts that count as failed */
    int64_t pid;          /* of the worker; 0: not known to be on this host */
    int64_t leased_at_us; /* UTC; 0: never */
    int64_t due_at_us;    /* UTC: when the lease or the pause ends */
    bool claim;           /* store_lease(): take the read flag, too (claim dispatch) */
    bool present;         /* store_lease(): say that the session is served (store_present()) */
};

/* How a guarded reply ended: the guard changed one row, or why it did not. */
enum store_outcome {
    STORE_COMMITTED,
    STORE_SUPERSEDED, /* someone else has set read */
    STORE_EXPIRED,    /* the conversation's time is over */
    STORE_DELETED,    /* row or conversation is gone */
    STORE_DROPPED     /* its client has taken it back */
};

/* Its word: "committed", "superseded", "expired", "deleted", "dropped". */
const char *store_outcome_name(enum store_outcome outcome);

/* Opens the writer's connection, makes our tables and reads the token key. BUSY_MS as in db_open().
 * BRIDGE_ABSENT: no file, or not all of the bridge's tables yet; BRIDGE_FOREIGN, BRIDGE_NOT_SQLITE,
 * BRIDGE_NEWER: refused, and nothing was changed. */
int store_open(const struct place *place, int busy_ms, struct store **ret_store,
               struct token_key *ret_key);
/* What the bridge is called (bridge_id.h), made on first use. BRIDGE_BUSY: try again. */
int store_bridge_id(struct store *self, char ret_id[BRIDGE_ID_SIZE]);
void store_close(struct store **self);
/* BEGIN IMMEDIATE. NOW_US (UTC) stamps all rows of the group. BRIDGE_BUSY: nothing began. */
int store_begin(struct store *self, int64_t now_us);
/* How often store_begin() has found, or store_open(), that somebody else had committed. */
uint64_t store_others(const struct store *self);
/* Somebody else has committed between two calls of store_begin() since this was last asked. */
bool store_others_wrote(struct store *self);
/* One reply inside the group:
 *   UPDATE messages SET read=1 WHERE id=? AND read=0 AND EXISTS (live conversation)
 * or, when CLAIMED, the same of our own delivery row, which goes from claimed to done. One row
 * changed: the reply row and the bridge's audit row send_message are inserted; its delivery row
 * goes (DEAD: becomes `dead`, with or without RECORDED). None: the end is classified and recorded
 * by an audit row (query_superseded, query_expired, query_deleted), its delivery row goes and the
 * answer is kept. A claimed query is deleted when its row or conversation is gone, else expired
 * when its time is over, else superseded. A reply with none of the flags runs two statements; its
 * audit row, and the one of its sender, are written with others, at the latest by store_commit(),
 * which may refuse them then. On an error the group may be gone: call store_rollback().
 * BRIDGE_REFUSED: a constraint or trigger of theirs, or a text that the bridge could not read; one
 * reply is at fault, so the others of its group can be committed without it. */
int store_reply(struct store *self, const struct store_reply *reply,
                enum store_outcome *ret_outcome);
/* The row that the last call of it made; it means nothing where that was not STORE_COMMITTED. */
int64_t store_reply_id(const struct store *self);
/* That call found another query in the place of the one that was answered (as_read): it said
 * STORE_DELETED, and wrote nothing. */
bool store_reply_changed(const struct store *self);
/* Records, inside the group, how a query ended without us, by the same audit rows as above; of END
 * only message_id, conversation_id, from_session, claimed, recorded and parked count. Its rows of
 * ours go, nothing else is written. BRIDGE_REFUSED: it has not ended, it is unread (or claimed by
 * us) and its conversation lives. */
int store_end(struct store *self, const struct store_reply *end, enum store_outcome *ret_outcome);
/* Inside the group: takes a query back that no worker has: the guard (that of CLAIMED, too) takes
 * it, an audit row query_dropped says so (STORE_DROPPED), its rows of ours go but for its tickets,
 * and there is no reply. Where the guard changes nothing: as store_end(). Of DROP counts what
 * counts there. */
int store_drop(struct store *self, const struct store_reply *drop, enum store_outcome *ret_outcome);
/* Inside the group: makes the row of a request, its audit row send_message, and what else ASK
 * wants, in the conversation that is named or in one that is made for its principal and service and
 * used by all their requests for a while; that one's time is put off as ASK says. A named one must
 * live, and its session_a_token be the given one, or, where none is given, Tailgate have made it
 * for the same principal; where it is not ours its time is left alone. Or finds the newest
 * unanswered row of the same digest (in the named conversation, if one is), which gets the ticket,
 * too. *RET_ID: the row's (untouched for STORE_NO_CONVERSATION, which writes nothing).
 * BRIDGE_REFUSED: a constraint or trigger of theirs (also one that does not run in our connection),
 * a text that the bridge could not read, a time below 0 or above a hundred years. */
int store_ask(struct store *self, const struct store_ask *ask, enum store_asked *ret_asked,
              int64_t *ret_id);
/* Inside the group: makes a conversation, to be removed after its time, with its audit row.
 * BRIDGE_REFUSED as above. */
int store_converse(struct store *self, const struct store_converse *want,
                   struct conversation *ret_made);
/* Inside the group: makes the row of a query from the session that has SUBMIT's token to the other
 * one, as the bridge's send does, with its audit row and (KEY) what it is known by. Anything but
 * STORE_SUBMITTED has written nothing. BRIDGE_REFUSED as above. */
int store_submit(struct store *self, const struct store_submit *submit,
                 struct store_receipt *ret_receipt);
/* Inside the group: dead query ID is asked again (dead_redrive()), or dropped (dead_drop(), with
 * the answers that were kept for it left alone). BRIDGE_REFUSED as above. */
int store_redrive(struct store *self, int64_t message_id, enum dead_outcome *ret_outcome,
                  int64_t *ret_message_id);
int store_drop_dead(struct store *self, int64_t message_id, bool *ret_dropped);
/* Inside the group: the clients who asked the COUNT queries ID have had what they asked for: the
 * same request is a new one from now on. */
int store_delivered(struct store *self, const int64_t *id, size_t count);
/* Inside the group: TICKET is good no more. */
int store_untick(struct store *self, struct span ticket);
/* Inside the group: DELIVERY is in its worker's hands (state `leased`). A row that is there keeps
 * its history, and its claim. With CLAIM the guard of I2 takes the read flag in the same
 * transaction (unless the row says that this has been done): *ret_outcome is STORE_COMMITTED, or
 * how the query ended without us, recorded as in store_end(). Without it STORE_COMMITTED always.
 * With PRESENT presence is told, too. */
int store_lease(struct store *self, const struct store_delivery *delivery,
                enum store_outcome *ret_outcome);
/* Inside the group: an attempt of DELIVERY has failed (state `waiting`); one item of history is
 * appended: {"attempt","worker","reason","at"}, up to 65,536 characters of them. With an empty
 * reason it has not failed but was given back: the state of a row that is there changes, nothing is
 * appended and no row is made. A dead row stays as it is, unless its query is unread again: then an
 * attempt that has failed wakes it. */
int store_fail(struct store *self, const struct store_delivery *delivery);
/* Inside the group: the low-water mark is MARK now, and of the COUNT rows ID those that are still
 * unread in a live conversation (or claimed) are parked. */
int store_mark(struct store *self, int64_t mark, const int64_t *id, size_t count);
/* Inside the group: row MESSAGE_ID is parked no longer. */
int store_unpark(struct store *self, int64_t message_id);
/* Inside the group: one word of tailgate_meta; TEXT of size 0 removes it. */
int store_note(struct store *self, const char *key, struct span text);
/* Inside the group: session_status of SESSION in CONVERSATION_ID says `tailgate`, now, unless it
 * said so less than 30 s ago. Somebody else's living heartbeat (younger than 120 s, other status)
 * is left alone. A conversation that does not exist gets none. */
int store_present(struct store *self, struct span conversation_id, struct span session);
/* Inside the group: the same for every query in state `leased`. */
int store_present_all(struct store *self);
/* False: their session_status is not the one that the bridge makes, or refused a row;
 * store_present() and store_present_all() do nothing. Any thread may ask. */
bool store_can_present(const struct store *self);
/* Inside the group: removes at most LIMIT rows of what only we made and whose time is over: kept
 * answers older than KEEP_S seconds, dead rows older than DEAD_S, our own audit rows (query_*,
 * dead_*) and what is known of senders older than AUDIT_S, conversations of tailgate_made that
 * expired KEEP_S ago, with their messages, bodies and session_status, tickets that are over,
 * requests older than REQUEST_S, keys of store_submit() older than KEY_S, and other bodies older
 * than KEEP_S whose row is gone. Where a table of theirs has no index we walk it by id from a
 * cursor in tailgate_meta, at most 16 * LIMIT rows in one call, each row once in its life. A stamp
 * of ours more than a day ahead of NOW_US stops no walk; its row goes with the first later one that
 * is old enough. Sets *ret_count to the rows removed, and *ret_more: a limit stopped it, come back
 * soon. */
struct store_retention {
    int64_t keep_s, dead_s, audit_s, request_s, key_s;
};
int store_retire(struct store *self, const struct store_retention *retention, size_t limit,
                 size_t *ret_count, bool *ret_more);
/* Inside the group: keeps an answer that cannot be committed any more (its row is gone, its query
 * is dead, or the database's own rules refuse it), the first 20 of a query. store_reply() does so
 * by itself for what the guard refuses and for what was cut. */
int store_keep(struct store *self, const struct store_reply *reply, const char *why);
/* Writes what is left of the group, and COMMIT. BRIDGE_REFUSED: as by store_reply(). On an error
 * nothing of the group is in the file after store_rollback(), except that after BRIDGE_IO it is
 * unknown: exit and re-read. After BRIDGE_BUSY (a reader, in rollback-journal mode) the group is
 * still open and store_commit() may be tried again. */
int store_commit(struct store *self);
/* ROLLBACK where SQLite has not already done so. */
void store_rollback(struct store *self);
/* Frames in the WAL after our last commit; 0 after a complete checkpoint, and in rollback-journal
 * mode. */
int store_wal_frames(const struct store *self);
/* How a checkpoint ended. */
enum store_checkpointed {
    STORE_CHECKPOINT_COMPLETE, /* the whole WAL is in the database, */
    STORE_CHECKPOINT_BUSY,     /*   or a part: who reads or writes did not make room in time, */
    STORE_CHECKPOINT_PARTIAL,  /*   or a part, and SQLite does not say why */
    STORE_CHECKPOINT_FAILED,   /* an error */
    STORE_CHECKPOINTED
};
/* A FULL checkpoint that waits for others at most a millisecond or so. BRIDGE_OK also when it
 * did only a part; *ret_how says so, in any case. */
int store_checkpoint(struct store *self, enum store_checkpointed *ret_how);
/* Frames that the last one left in the WAL, because somebody reads what they would replace. */
int store_wal_unmoved(const struct store *self);
/* The size of the -wal file in bytes. */
int64_t store_wal_size(const struct store *self);
/* After a complete checkpoint: a commit of one small row (stamped NOW_US), so that it is ours that
 * starts the WAL over, which cuts the file back. BRIDGE_OK also when somebody else has the lock. */
int store_restart_wal(struct store *self, int64_t now_us);
/* SQLite's words for the last failure. */
const char *store_explain(const struct store *self);

#endif
