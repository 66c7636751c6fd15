#include "gateway/committer_inside.h"

#include <stdio.h>
#include <string.h>

#include "adapters/host/clock.h"
#include "gateway/job_write.h"

/* Tries for a COMMIT that readers are in the way of, and the pause between them: about 100 ms. */
#define COMMIT_TRIES 50
#define COMMIT_PAUSE_US 2000
void committer_reach(struct committer *self, enum committer_point point)
{
    if (self->config.point)
        self->config.point(self->config.point_context, point);
}

/* Keeps SQLite's words for a failure before the ROLLBACK that follows makes it forget them. */
static void keep_words(struct committer *self)
{
    snprintf(self->words, sizeof self->words, "%s", store_explain(self->store));
}

/* COMMIT. In rollback-journal mode readers may be in its way: the group stays open and no new one
 * comes in, so they are waited for, but not for long. */
static int commit(struct committer *self)
{
    int error = store_commit(self->store);

    for (int tries = 1; error == BRIDGE_BUSY && tries < COMMIT_TRIES; tries++) {
        pthread_mutex_lock(&self->mutex);
        self->view.busy++;
        pthread_mutex_unlock(&self->mutex);
        if (!committer_rest(self, COMMIT_PAUSE_US))
            break;
        error = store_commit(self->store);
    }
    return error;
}

/* Writes and commits the group that has begun, or undoes all of it. */
static int write_group(struct committer *self, struct job_list *group)
{
    int64_t start_us = clock_mono_us(), written_us;
    int error = BRIDGE_OK;

    for (struct job *job = group->first; job && !error; job = job->next) {
        error = job_write(job, self->store);
        committer_reach(self, POINT_BETWEEN);
    }
    written_us = clock_mono_us();
    if (!error) {
        committer_reach(self, POINT_BEFORE_COMMIT);
        error = commit(self);
    }
    if (!error)
        pace_wrote(&self->pace, group->count, written_us - start_us, clock_mono_us() - written_us);
    if (error) {
        keep_words(self);
        store_rollback(self->store);
    }
    return error;
}

bool committer_is_fatal(int error)
{
    return error == BRIDGE_IO || error == BRIDGE_CORRUPT || error == BRIDGE_NOT_SQLITE;
}

/* Shows what the WAL is like, and keeps the words for an error that committer_is_fatal(), which it
 * returns.
 */
static int after_checkpoint(struct committer *self, int error)
{
    uint64_t tries = 0;

    if (error)
        keep_words(self);
    for (int how = 0; how < STORE_CHECKPOINTED; how++)
        tries += self->checkpoints.ended[how];
    pthread_mutex_lock(&self->mutex);
    memcpy(self->measures.checkpoints, self->checkpoints.ended, sizeof self->checkpoints.ended);
    self->view.checkpoints = tries;
    self->view.checkpoints_partial = tries - self->checkpoints.ended[STORE_CHECKPOINT_COMPLETE];
    self->view.wal_frames = store_wal_frames(self->store);
    pthread_mutex_unlock(&self->mutex);
    return committer_is_fatal(error) ? error : BRIDGE_OK;
}

/* The lock was held from START_US to now, by a group of JOBS or by a checkpoint (0): C2 counts it,
 * and what is left of an earlier rest. Who wrote shortly before SINCE_US writes: a long hold, or a
 * rest before it, must not make them forgotten. */
static void leave_alone(struct committer *self, int64_t since_us, int64_t start_us, size_t jobs)
{
    int64_t now_us = clock_mono_us();
    int64_t held_us = now_us - start_us;

    if (self->free_at_us < now_us)
        self->free_at_us = now_us;
    self->free_at_us += pace_rest_us(&self->pace, since_us, held_us, jobs, self->config.duty);
    pthread_mutex_lock(&self->mutex);
    self->view.held_us += held_us;
    duty_add(&self->measures.lock, start_us, start_us + held_us);
    pthread_mutex_unlock(&self->mutex);
}

/* How many queries end with GROUP; the other jobs are our own book-keeping. */
static size_t ends_in(const struct job_list *group)
{
    size_t count = 0;

    for (const struct job *job = group->first; job; job = job->next)
        count += job->kind <= JOB_DROP;
    return count;
}

int committer_try(struct committer *self, struct job_list *group)
{
    int64_t start_us;
    int error;

    committer_reach(self, POINT_BEFORE_BEGIN);
    start_us = clock_mono_us();
    atomic_store(&self->busy_since_us, start_us);
    error = store_begin(self->store, clock_utc_us());
    if (error) {
        atomic_store(&self->busy_since_us, 0);
        keep_words(self);
        return error;
    }
    atomic_store(&self->holds, true);
    atomic_store(&self->others, store_others(self->store));
    if (store_others_wrote(self->store))
        pace_guest(&self->pace, start_us);
    error = write_group(self, group);
    if (!error)
        committer_reach(self, POINT_AFTER_COMMIT);
    atomic_store(&self->holds, false);
    atomic_store(&self->busy_since_us, 0);
    leave_alone(self, start_us, start_us, group->count);
    if (error)
        committer_ring(self); /* as the report of a commit will */
    pthread_mutex_lock(&self->mutex);
    if (!error) {
        self->view.groups++;
        self->view.wal_frames = store_wal_frames(self->store);
        self->view.jobs += ends_in(group);
        histogram_add(&self->measures.groups, (int64_t)group->count);
    }
    pthread_mutex_unlock(&self->mutex);
    return error;
}

void committer_tidy(struct committer *self)
{
    int64_t since_us = clock_mono_us(), start_us;

    self->checkpoint_error = BRIDGE_OK;
    if (!checkpoints_due(&self->checkpoints, self->store, since_us))
        return;
    if (pace_has_guests(&self->pace, since_us) && !committer_rest(self, 0))
        return;
    start_us = clock_mono_us();
    atomic_store(&self->busy_since_us, start_us);
    atomic_store(&self->holds, true);
    self->checkpoint_error =
        after_checkpoint(self, checkpoints_try(&self->checkpoints, self->store));
    atomic_store(&self->holds, false);
    atomic_store(&self->busy_since_us, 0);
    leave_alone(self, since_us, start_us, 0);
    committer_ring(self); /* C6 */
}
