/* What the program of a worker works on, and how it comes off its desk again: as exactly one
 * answer, error or return. */
#ifndef TAILGATE_ADAPTERS_WORKER_DESK_H
#define TAILGATE_ADAPTERS_WORKER_DESK_H

#include <stdint.h>

#include "adapters/c/tailgate.h"
#include "proto/span.h"

struct job {
    struct tailgate_query *query; /* owned */
    int64_t since_us;             /* when the program got it */
    int64_t limit_us; /* when it ends in any case, by the worker's own limit; INT64_MAX: none */
};

struct desk {
    const char *name; /* the worker's, for the log */
    struct job *job;  /* oldest first */
    size_t room, count;
};

/* What becomes of a query without an answer. */
enum desk_outcome {
    DESK_FAILED,  /* it costs an attempt, and the gateway tries again */
    DESK_REFUSED, /* no attempt will fare better: that was the last one */
    DESK_RETURNED /* it is given back, which costs nothing */
};

/* An empty desk for ROOM jobs. */
void desk_init(struct desk *self, const char *name, size_t room);
/* What is still there is given back. */
void desk_done(struct desk *self);
/* Takes a query on; there must be room. */
struct job *desk_take(struct desk *self, struct tailgate_query *query_take, int64_t now_us);
/* The job of TOKEN or, when its size is 0, the oldest one; NULL when there is none. Good until the
 * next call that takes one on or ends one. */
struct job *desk_find(struct desk *self, struct span token);
/* A job whose own limit has passed at NOW_US, or NULL. */
struct job *desk_late(struct desk *self, int64_t now_us);
/* When the first one's own limit passes; INT64_MAX when there is none. */
int64_t desk_due(const struct desk *self);
/* JOB is answered with TEXT. */
void desk_answer(struct desk *self, struct job *job, struct span text, int64_t now_us);
/* JOB ends without an answer, for REASON. */
void desk_end(struct desk *self, struct job *job, enum desk_outcome outcome, const char *reason);
/* All end. */
void desk_clear(struct desk *self, enum desk_outcome outcome, const char *reason);

#endif
