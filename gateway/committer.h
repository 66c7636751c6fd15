/* The committer: a thread of its own that is the only writer, so that a slow fsync never stops
 * heartbeats or dispatch. It takes all jobs that wait (up to a group's size) into one transaction.
 *
 *  C1. Nothing is reported as done before its COMMIT has returned (I3).
 *
 *  C2. Guests first (I8): after holding the write lock it leaves it alone, as its duty says
 *      (pace.h). A lone reply commits at once.
 *
 *  C3. A lock that somebody holds, a full disk and the like are never fatal: the group is kept and
 *      tried again, the state says what is wrong. An I/O error or a corrupt file is: the state is
 *      COMMITTER_DEAD, nothing more is written, and the process must end; what was not reported is
 *      unanswered in the file.
 *
 *  C4. What one row's constraint or trigger refuses does not stop the others of its group, nor does
 *      a job of our own upkeep that cannot be done any more (job_write.h). A reply that fails
 *      without being refused is kept and tried again (C3): it has been paid for.
 *
 *  C5. A drain ends: what cannot be committed because of what C3 outwaits is dropped; it is
 *      unanswered in the file.
 *
 *  C6. Every end of committer_holds() rings committer_fd(), so that nobody goes on ignoring what
 *      inotify says. */
#ifndef TAILGATE_GATEWAY_COMMITTER_H
#define TAILGATE_GATEWAY_COMMITTER_H

#include <stdatomic.h>

#include "gateway/duty.h"
#include "gateway/histogram.h"
#include "gateway/job.h"

struct committer;

/* Where the thread is: for tests that stop or kill the process there. */
enum committer_point {
    POINT_BEFORE_BEGIN,
    POINT_BETWEEN, /* after each job's statements */
    POINT_BEFORE_COMMIT,
    POINT_AFTER_COMMIT,
    POINT_BEFORE_REPORT,
    POINT_AFTER_REPORT
};
/* Called on the committer's own thread. */
typedef void committer_point_fn(void *context, enum committer_point point);

struct redact;
struct committer_config {
    unsigned duty; /* percent of the time that the write lock may be held, 1 to 100 */
    size_t group;  /* jobs in one transaction at most */
    /* Takes secrets out of the replies that the thread makes of drafts; used by it alone until
     * committer_destroy() (borrowed). NULL: no job has a draft. */
    struct redact *redact;
    committer_point_fn *point; /* NULL: none */
    void *point_context;
};

enum committer_state {
    COMMITTER_OK,
    COMMITTER_LOCKED,  /* somebody else holds the write lock */
    COMMITTER_FULL,    /* the disk is full */
    COMMITTER_FAILING, /* another failure that may pass */
    COMMITTER_DEAD     /* see C3 */
};

/* What it has done and how it is. */
struct committer_view {
    enum committer_state state;
    int64_t state_since_us;  /* monotonic */
    char explanation[200];   /* SQLite's words for the state; "" when OK */
    size_t queued;           /* jobs that wait or are being committed */
    bool idle;               /* there are none, and no checkpoint is under way or about to be */
    uint64_t groups;         /* committed so far, */
    uint64_t jobs;           /*   and the ends of queries among them (ANSWER to DROP) */
    uint64_t busy, failures; /* times a lock was in the way; other failures */
    uint64_t checkpoints, checkpoints_partial; /* tries; and those that did not reach the end */
    int wal_frames;  /* after the last commit or try; 0 after a complete checkpoint */
    int64_t held_us; /* time that the write lock was held, all in all */
};

/* What status shows besides; apart, for committer_look() is called in every turn of the loop. */
struct committer_measures {
    struct histogram groups; /* jobs in a committed transaction */
    struct duty lock;        /* the write lock was held */
    uint64_t checkpoints[STORE_CHECKPOINTED];
    uint64_t split; /* groups that were committed one by one, for one row was refused (C4) */
};

/* Starts the thread on STORE, which it uses alone until committer_destroy() (borrowed). NULL when
 * no thread or descriptor is to be had. */
struct committer *committer_new(struct store *store, const struct committer_config *config);
/* Commits what waits when DRAIN (C5: with at most a second or two of waiting for others), else
 * drops it, and ends the thread. Jobs that were not collected are forgotten. Returns how many jobs
 * were not committed. NULL-safe. */
size_t committer_destroy(struct committer **self, bool drain);
/* Hands over a job. Never blocks. */
void committer_submit(struct committer *self, struct job *job_take);
/* Readable when committer_collect() has something or the state has changed (owned by the
 * committer). */
int committer_fd(const struct committer *self);
/* Appends the jobs that have ended to RET_DONE, which owns them then. */
void committer_collect(struct committer *self, struct job_list *ret_done);
/* True while it holds the write lock: what inotify says now is its own doing (C6). */
bool committer_holds(const struct committer *self);
/* Since when it has been in one transaction, or a checkpoint, of its own; 0: it is in none. Waiting
 * for a lock that somebody else holds is none. */
int64_t committer_busy_since(const struct committer *self);
/* How often others' commits had been found when the last group began (store_others()): what was
 * read of the file after this is as it was until it counts on. */
uint64_t committer_others(const struct committer *self);
/* Counts the checkpoints that have begun: each waits, with the lock held, for readers that began
 * before it. */
unsigned committer_checkpoints(const struct committer *self);
/* Jobs that wait or are being committed. */
size_t committer_queued(struct committer *self);
void committer_look(struct committer *self, struct committer_view *ret_view);
void committer_measure(struct committer *self, struct committer_measures *ret_measures);
const char *committer_state_name(enum committer_state state);

#endif
