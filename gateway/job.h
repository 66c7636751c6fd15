/* What the loop hands to the committer, and gets back when it has ended. */
#ifndef TAILGATE_GATEWAY_JOB_H
#define TAILGATE_GATEWAY_JOB_H

#include "adapters/bridge/store.h"
#include "adapters/host/user.h"
#include "proto/buffer.h"
#include "proto/identity.h"
#include "proto/limits.h"
#include "proto/ticket.h"

/* The ends of queries come first, then what clients ask, then what is recorded of a query, then our
 * own upkeep. */
enum job_kind {
    JOB_ANSWER, /* commit a reply under the guard */
    JOB_DEAD,   /* commit an error reply under the guard */
    JOB_END,    /* only record how a query ended without us, as was seen at dispatch */
    /* JOB_END, and keep the answer that came after it in `text`. A query that has not ended has it
     * kept, too (`refused`); `error` is BRIDGE_REFUSED then */
    JOB_GONE,
    JOB_DROP,      /* take a query back that no worker has */
    JOB_ASK,       /* make the row of a client's request */
    JOB_CALL,      /* what a built-in service has written */
    JOB_KEEP,      /* keep the answer in `text`, which came too late for a dead query */
    JOB_LEASE,     /* record that a worker has the query, or claim it first */
    JOB_FAIL,      /* record that an attempt failed, or that the query was given back */
    JOB_MARK,      /* move the low-water mark, park what is unsettled below it */
    JOB_UNPARK,    /* the row is settled or not ours after all: it is parked no longer */
    JOB_DELIVERED, /* clients have had the answers to `parks` */
    JOB_UNTICK,    /* the ticket in `text` is good no more */
    JOB_NOTE,      /* a word of tailgate_meta */
    JOB_PRESENT,   /* refresh the presence of every session whose query is in a worker's hands */
    JOB_RETIRE     /* remove some of what only we made and whose time is over */
};

/* What a client asks (struct store_ask), and what came of it. */
struct ask_job {
    char principal[40];
    char role[USER_NAME_MAX + 1];
    char session[40];
    struct buffer text, metadata, blob;
    unsigned char digest[16];
    bool fresh;
    int64_t coalesce_s, live_s, turn_s, ticket_s;
    char ticket[TICKET_SIZE]; /* "": none */
    char conversation_id[LIMIT_CONVERSATION_ID + 1];
    char session_token[LIMIT_SESSION_TOKEN + 1];
    char name[LIMIT_WORKER_NAME + 1]; /* that the principal has; "": none */
    bool verified;                    /* who the principal is */
    enum store_asked asked;           /* set by the committer */
};

/* What a built-in service of the gate has written (builtin_*.c), and what came of it. */
enum call_kind { CALL_CONVERSE, CALL_SUBMIT, CALL_REDRIVE, CALL_DROP };
struct call_job {
    enum call_kind kind;
    size_t held; /* bytes that it takes while it is on its way */
    /* CONVERSE */
    char asker[LIMIT_SERVICE + 1], responder[LIMIT_SERVICE + 1];
    int64_t ttl_s;
    struct conversation made; /* set by the committer */
    /* SUBMIT; the row's text is the job's, as are `redacted` and `sender` */
    char session_token[LIMIT_SESSION_TOKEN + 1];
    char query_id[LIMIT_SUBMIT_QUERY_ID + 1];
    char key[LIMIT_SUBMIT_KEY + 1]; /* "": none */
    bool only_again;
    unsigned char digest[16];
    struct store_receipt receipt; /* set by the committer */
    /* REDRIVE, DROP; the dead query is the job's `id`, the rest is set by the committer */
    enum dead_outcome dead;
    int64_t new_id;
    bool dropped;
};

struct reply_draft; /* job_compose.h */

struct job {
    enum job_kind kind;
    int64_t id;            /* message id of the query; MARK: the mark; ASK: set by the committer */
    char *conversation_id; /* in `names`, as are the sessions; the texts are owned, too */
    char *from_session;    /* the one that answers: the served one */
    char *to_session;      /* the one that asked */
    struct reply_draft
        *draft; /* ANSWER: text, metadata and whole are yet to be made of it; owned */
    struct buffer text, metadata; /* of the reply row; GONE: the answer; NOTE: the word */
    struct buffer kept;           /* what is kept of the answer where it cannot be committed */
    struct buffer blob;           /* the packed frames that stand beside the reply row */
    struct buffer client;         /* what the client gets, packed; empty: the reply's text */
    struct ask_job *ask;          /* ASK: owned; else NULL */
    struct call_job *call;        /* CALL: owned; else NULL */
    uint64_t request;             /* ASK, CALL, UNTICK: the client's (clients.h) */
    struct identity sender;       /* ANSWER, CALL: of who sent it */
    bool ticket, asked;           /* as `ticket` and `request` in struct store_reply */
    struct buffer whole;          /* the answer before it was cut; empty: it was not */
    enum store_outcome outcome;   /* set by the committer, as is */
    int64_t reply_id;             /*   ANSWER, DEAD: the reply's row, where it was committed */
    int error;    /* BRIDGE_OK, or why it could never be committed (BRIDGE_REFUSED) */
    bool settles; /* the core waits for its end */
    bool redacted, claimed, recorded, parked, present; /* as in struct store_reply, as are */
    bool as_read;                                      /*   these three */
    uint64_t others;
    struct token_digest digest;
    bool changed;        /* ANSWER: its row was another one by now; set by the committer */
    unsigned unsearched; /* texts that could not be searched for secrets: job_compose() */
    /* LEASE, FAIL */
    bool claim;
    int64_t pid, leased_at_utc_us, due_at_utc_us;
    /* MARK, DELIVERED */
    int64_t *parks; /* owned */
    size_t park_count;
    const char *key;                  /* NOTE: of tailgate_meta; a constant */
    struct store_retention retention; /* RETIRE */
    size_t limit, count;              /* RETIRE: at most so many rows; so many it was, */
    bool more;                        /*   and a limit stopped it */
    /* For the log, and the rows of LEASE and FAIL. */
    uint32_t attempt, failed;
    int64_t seen_us, leased_us, answered_us; /* monotonic */
    char worker[LIMIT_WORKER_NAME + 1];
    char service[LIMIT_SERVICE + 1];
    char *reason;     /* DEAD, FAIL, LEASE: owned; NULL: none; job_reason() */
    struct job *next; /* in a list of jobs */
    char names[];
};

/* A first in, first out list of jobs. */
struct job_list {
    struct job *first, *last;
    size_t count;
};

/* An empty job; the spans are copied. */
struct job *job_new(enum job_kind kind, int64_t id, struct span conversation_id,
                    struct span from_session, struct span to_session);
void job_destroy(struct job **self);
/* "" when there is none. */
const char *job_reason(const struct job *self);
/* Copies REASON. */
void job_set_reason(struct job *self, const char *reason);
/* What it gives the database to write, about, in bytes. */
size_t job_bytes(const struct job *self);
void job_list_add(struct job_list *self, struct job *job_take);
/* Takes out the first one; NULL when empty. The caller owns it. */
struct job *job_list_take(struct job_list *self);
/* Moves all of FROM to the end of SELF. */
void job_list_move(struct job_list *self, struct job_list *from);
void job_list_clear(struct job_list *self);

#endif
