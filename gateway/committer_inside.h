/* What the committer's two files share: committer.c is the thread, its queue and what becomes of
 * failures; committer_group.c writes one group, and keeps the WAL small. */
#ifndef TAILGATE_GATEWAY_COMMITTER_INSIDE_H
#define TAILGATE_GATEWAY_COMMITTER_INSIDE_H

#include <pthread.h>

#include "gateway/checkpoints.h"
#include "gateway/committer.h"
#include "gateway/pace.h"

struct committer {
    struct store *store;
    struct committer_config config;
    pthread_t thread;
    int event_fd;
    atomic_bool holds;
    _Atomic int64_t busy_since_us; /* 0: in no transaction */
    _Atomic uint64_t others;       /* store_others() of the last group */
    pthread_mutex_t mutex;         /* guards all below */
    pthread_cond_t changed;        /* todo, stop or abandon has changed; on CLOCK_MONOTONIC */
    struct job_list todo, done;
    bool waits;   /* the thread waits for todo */
    bool stop;    /* end when todo is empty */
    bool abandon; /* end now */
    struct committer_view view;
    struct committer_measures measures;
    size_t in_hand; /* jobs that the thread has: taken, and the group being committed */
    /* the thread's own */
    struct job_list taken; /* not in a group yet */
    int64_t free_at_us;    /* C2: no lock before */
    size_t alone_left;     /* C4: jobs to commit one by one, after one spoiled its group */
    int checkpoint_error;  /* that nothing may be written after (C3) */
    struct checkpoints checkpoints;
    struct pace pace;
    char words[sizeof((struct committer_view *)0)->explanation]; /* SQLite's for a failure */
};

/* committer.c */

/* Wakes the loop. */
void committer_ring(struct committer *self);
/* Sleeps for PAUSE_US and until C2 allows the lock, or less when the thread is to end at once.
 * Returns false then. */
bool committer_rest(struct committer *self, int64_t pause_us);

/* committer_group.c */

/* For tests: the thread has come to POINT. */
void committer_reach(struct committer *self, enum committer_point point);
/* True for what nothing may be written after (C3): a failed fsync, tried again, would succeed
 * without what it had lost. */
bool committer_is_fatal(int error);
/* One try at the whole group, and the rest that it costs (C2). Returns BRIDGE_OK or why nothing of
 * it was committed. */
int committer_try(struct committer *self, struct job_list *group);
/* A checkpoint, when one is due, which costs a rest as a group does. While somebody else writes, it
 * is a hold of its own, after the rest; else it follows at once. self->checkpoint_error says how it
 * went. */
void committer_tidy(struct committer *self);

#endif
