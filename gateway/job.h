/* What the loop hands to the committer, and gets back when it has ended. */
#ifndef TAILGATE_GATEWAY_JOB_H
#define TAILGATE_GATEWAY_JOB_H

#include "adapters/bridge/store.h"
#include "proto/buffer.h"
#include "proto/limits.h"

enum job_kind {
    JOB_ANSWER, /* commit a reply under the guard */
    JOB_DEAD,   /* commit an error reply under the guard */
    JOB_END     /* only record how a query ended without us, as was seen at dispatch */
};

struct job {
    enum job_kind kind;
    int64_t id;                   /* message id of the query */
    char *conversation_id;        /* owned, as are the sessions and the texts */
    char *from_session;           /* the one that answers */
    char *to_session;             /* the one that asked */
    struct buffer text, metadata; /* of the reply row */
    enum store_outcome outcome;   /* set by the committer */
    int error;    /* BRIDGE_OK, or why it could never be committed (BRIDGE_REFUSED) */
    bool settles; /* the core waits for its end */
    /* For the log. */
    uint32_t attempt;
    int64_t seen_us, leased_us, answered_us; /* monotonic */
    char worker[LIMIT_WORKER_NAME + 1];
    char service[LIMIT_SERVICE + 1];
    char reason[LIMIT_REASON + 1]; /* JOB_DEAD */
    struct job *next;              /* in a list of jobs */
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
void job_list_add(struct job_list *self, struct job *job_take);
/* Takes out the first one; NULL when empty. The caller owns it. */
struct job *job_list_take(struct job_list *self);
/* Moves all of FROM to the end of SELF. */
void job_list_move(struct job_list *self, struct job_list *from);
void job_list_clear(struct job_list *self);

#endif
