#include "gateway/committer.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "adapters/host/clock.h"

/* Checkpoint before the others' automatic one at 1000 pages. One that somebody's reading cut short
 * has waited 20 ms for it with the lock held: the next try is so many frames, or so long, later. */
#define WAL_FRAMES_MAX 400
#define CHECKPOINT_AGAIN_US 1000000
/* Of text in one transaction, so that no group holds the lock for long. */
#define GROUP_BYTES (4u << 20)
/* Pauses between tries for the write lock, doubling. SQLite's own handler sleeps up to 100 ms and
 * loses to later writers; trying more often would make the others lose as often. */
#define BUSY_FIRST_US 500
#define BUSY_MAX_US 20000
/* A lock that is not to be had for so long is worth telling. */
#define BUSY_TELL_US 1000000
/* Tries for a COMMIT that readers are in the way of, and the pause between them: about 100 ms. */
#define COMMIT_TRIES 50
#define COMMIT_PAUSE_US 2000
/* Pauses after a failure that may pass, doubling. */
#define PAUSE_FIRST_US 50000
#define PAUSE_MAX_US 2000000

struct committer {
    struct store *store;
    struct committer_config config;
    pthread_t thread;
    int event_fd;
    atomic_bool holds;
    pthread_mutex_t mutex;  /* guards all below */
    pthread_cond_t changed; /* todo, stop or abandon has changed; on CLOCK_MONOTONIC */
    struct job_list todo, done;
    bool waits;   /* the thread waits for todo */
    bool stop;    /* end when todo is empty */
    bool abandon; /* end now */
    struct committer_view view;
    size_t in_hand; /* jobs of the group being committed */
    /* the thread's own */
    int64_t free_at_us;    /* C2: no lock before */
    size_t alone_left;     /* C4: jobs to commit one by one, after one spoiled its group */
    int checkpoint_error;  /* that nothing may be written after (C3) */
    int checkpoint_frames; /* the next try when the WAL has so many frames, */
    int64_t checkpoint_us; /* or at this time */
    char words[sizeof((struct committer_view *)0)->explanation]; /* SQLite's for a failure */
};

static void ring(struct committer *self)
{
    const uint64_t one = 1;
    ssize_t written = write(self->event_fd, &one, sizeof one);
    (void)written; /* full means that it is readable already */
}

static void set_state(struct committer *self, enum committer_state state, const char *explanation)
{
    bool news;

    pthread_mutex_lock(&self->mutex);
    news = self->view.state != state;
    if (news) {
        self->view.state = state;
        self->view.state_since_us = clock_mono_us();
    }
    snprintf(self->view.explanation, sizeof self->view.explanation, "%s", explanation);
    pthread_mutex_unlock(&self->mutex);
    if (news)
        ring(self);
}

/* Sleeps for PAUSE_US and until C2 allows the lock, or less when the thread is to end at once.
 * Returns false then. */
static bool rest(struct committer *self, int64_t pause_us)
{
    int64_t until_us = clock_mono_us() + pause_us;
    struct timespec until;
    bool go_on;

    if (until_us < self->free_at_us)
        until_us = self->free_at_us;
    until = (struct timespec){until_us / 1000000, until_us % 1000000 * 1000};
    pthread_mutex_lock(&self->mutex);
    while (!self->abandon && clock_mono_us() < until_us)
        pthread_cond_timedwait(&self->changed, &self->mutex, &until);
    go_on = !self->abandon;
    pthread_mutex_unlock(&self->mutex);
    return go_on;
}

static int write_job(struct committer *self, struct job *job)
{
    const struct store_reply reply = {
        .message_id = job->id,
        .conversation_id = span_str(job->conversation_id),
        .from_session = span_str(job->from_session),
        .to_session = span_str(job->to_session),
        .text = buffer_span(&job->text),
        .metadata = buffer_span(&job->metadata),
        .dead = job->kind == JOB_DEAD,
    };

    if (job->kind == JOB_END)
        return store_end(self->store, &reply, &job->outcome);
    return store_reply(self->store, &reply, &job->outcome);
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
        if (!rest(self, COMMIT_PAUSE_US))
            break;
        error = store_commit(self->store);
    }
    return error;
}

/* Writes and commits the group that has begun, or undoes all of it. */
static int write_group(struct committer *self, struct job_list *group)
{
    int error = BRIDGE_OK;

    for (struct job *job = group->first; job && !error; job = job->next)
        error = write_job(self, job);
    if (!error)
        error = commit(self);
    if (error) {
        keep_words(self);
        store_rollback(self->store);
    }
    return error;
}

/* True for what nothing may be written after (C3): a failed fsync, tried again, would succeed
 * without what it had lost. */
static bool is_fatal(int error)
{
    return error == BRIDGE_IO || error == BRIDGE_CORRUPT || error == BRIDGE_NOT_SQLITE;
}

/* Keeps the WAL small. Returns BRIDGE_OK, or an error that is_fatal(). */
static int checkpoint(struct committer *self)
{
    int frames = store_wal_frames(self->store);
    bool complete = false;
    int error;

    if (frames < WAL_FRAMES_MAX ||
        (frames < self->checkpoint_frames && clock_mono_us() < self->checkpoint_us))
        return BRIDGE_OK;
    error = store_checkpoint(self->store, &complete);
    if (error)
        keep_words(self);
    self->checkpoint_frames = complete ? 0 : frames + WAL_FRAMES_MAX;
    self->checkpoint_us = complete ? 0 : clock_mono_us() + CHECKPOINT_AGAIN_US;
    pthread_mutex_lock(&self->mutex);
    self->view.checkpoints++;
    self->view.checkpoints_partial += !complete;
    pthread_mutex_unlock(&self->mutex);
    return is_fatal(error) ? error : BRIDGE_OK;
}

/* One try at the whole group, and the rest that it costs (C2). Returns BRIDGE_OK or why nothing of
 * it was committed. */
static int commit_group(struct committer *self, struct job_list *group)
{
    int64_t start_us = clock_mono_us();
    int64_t held_us;
    int error = store_begin(self->store, clock_utc_us());

    if (error) {
        keep_words(self);
        return error;
    }
    atomic_store(&self->holds, true);
    error = write_group(self, group);
    if (!error)
        self->checkpoint_error = checkpoint(self);
    held_us = clock_mono_us() - start_us;
    atomic_store(&self->holds, false);
    if (error)
        ring(self); /* as the report of a commit will */
    self->free_at_us =
        start_us + held_us + held_us * (100 - (int64_t)self->config.duty) / self->config.duty;
    pthread_mutex_lock(&self->mutex);
    self->view.groups += !error;
    self->view.jobs += error ? 0 : group->count;
    self->view.held_us += held_us;
    pthread_mutex_unlock(&self->mutex);
    return error;
}

/* Says what a failure makes of our state. False: nothing more may be written (C3). */
static bool note_failure(struct committer *self, int error)
{
    enum committer_state state = COMMITTER_FAILING;

    if (is_fatal(error))
        state = COMMITTER_DEAD;
    else if (error == BRIDGE_FULL)
        state = COMMITTER_FULL;
    pthread_mutex_lock(&self->mutex);
    self->view.failures++;
    pthread_mutex_unlock(&self->mutex);
    set_state(self, state, self->words);
    return state != COMMITTER_DEAD;
}

/* True when nothing is to be waited for that may last (C5). */
static bool is_stopping(struct committer *self)
{
    bool stop;

    pthread_mutex_lock(&self->mutex);
    stop = self->stop;
    pthread_mutex_unlock(&self->mutex);
    return stop;
}

/* Tries GROUP until the write lock is to be had. Returns as commit_group(), or BRIDGE_BUSY when the
 * thread is to end. */
static int outwait(struct committer *self, struct job_list *group)
{
    int64_t since_us = clock_mono_us();
    int64_t pause_us = BUSY_FIRST_US;
    int error;

    while ((error = commit_group(self, group)) == BRIDGE_BUSY) {
        pthread_mutex_lock(&self->mutex);
        self->view.busy++;
        pthread_mutex_unlock(&self->mutex);
        if (clock_mono_us() - since_us > BUSY_TELL_US) {
            set_state(self, COMMITTER_LOCKED, self->words);
            if (is_stopping(self))
                break;
        }
        if (!rest(self, pause_us))
            break;
        if (pause_us < BUSY_MAX_US)
            pause_us *= 2;
    }
    return error;
}

/* Hands back GROUP, which has ended. */
static void report(struct committer *self, struct job_list *group)
{
    set_state(self, COMMITTER_OK, "");
    pthread_mutex_lock(&self->mutex);
    job_list_move(&self->done, group);
    self->in_hand = 0;
    pthread_mutex_unlock(&self->mutex);
    ring(self);
}

/* Commits GROUP, however long it takes. Returns false when the thread must end; what is in GROUP
 * then is not committed. */
static bool see_through(struct committer *self, struct job_list *group)
{
    int64_t pause_us = PAUSE_FIRST_US;

    for (;;) {
        int error = outwait(self, group);
        if (!error)
            break;
        if (error == BRIDGE_BUSY)
            return false;
        if (error == BRIDGE_REFUSED && group->count == 1) {
            group->first->error = error;
            break;
        }
        if (error == BRIDGE_REFUSED)
            return true; /* the caller takes it apart */
        if (!note_failure(self, error) || is_stopping(self) || !rest(self, pause_us))
            return false;
        if (pause_us < PAUSE_MAX_US)
            pause_us *= 2;
    }
    report(self, group);
    return !self->checkpoint_error || note_failure(self, self->checkpoint_error);
}

/* Waits for jobs and takes a group of them. False: the thread is to end. */
static bool take_group(struct committer *self, struct job_list *ret_group)
{
    const struct timespec free_at = {self->free_at_us / 1000000, self->free_at_us % 1000000 * 1000};
    size_t most = self->alone_left ? 1 : self->config.group;
    size_t bytes = 0;

    pthread_mutex_lock(&self->mutex);
    self->waits = true;
    while (!self->abandon && !self->stop && self->todo.count == 0)
        pthread_cond_wait(&self->changed, &self->mutex);
    self->waits = false;
    while (!self->abandon && clock_mono_us() < self->free_at_us) /* meanwhile the group grows */
        pthread_cond_timedwait(&self->changed, &self->mutex, &free_at);
    while (!self->abandon && self->todo.count > 0 && ret_group->count < most &&
           bytes < GROUP_BYTES) {
        struct job *job = job_list_take(&self->todo);
        bytes += job->text.size + job->metadata.size;
        job_list_add(ret_group, job);
    }
    self->in_hand = ret_group->count;
    pthread_mutex_unlock(&self->mutex);
    return ret_group->count > 0;
}

/* Puts a group that one of its rows spoiled back in front, to be committed one by one (C4). */
static void take_apart(struct committer *self, struct job_list *group)
{
    self->alone_left = group->count;
    pthread_mutex_lock(&self->mutex);
    job_list_move(group, &self->todo);
    self->todo = *group;
    self->in_hand = 0;
    pthread_mutex_unlock(&self->mutex);
    *group = (struct job_list){NULL, NULL, 0};
}

static void *run(void *context)
{
    struct committer *self = context;
    struct job_list group = {NULL, NULL, 0};

    while (take_group(self, &group)) {
        if (self->alone_left)
            self->alone_left--;
        if (!see_through(self, &group))
            break;
        if (group.count)
            take_apart(self, &group);
    }
    job_list_clear(&group);
    return NULL;
}

struct committer *committer_new(struct store *store, const struct committer_config *config)
{
    struct committer *self = memory_zero(1, sizeof *self);
    pthread_condattr_t attributes;

    self->store = store;
    self->config = *config;
    self->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&self->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&self->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    if (self->event_fd >= 0 && pthread_create(&self->thread, NULL, run, self) == 0)
        return self;
    if (self->event_fd >= 0)
        close(self->event_fd);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->mutex);
    free(self);
    return NULL;
}

size_t committer_destroy(struct committer **self, bool drain)
{
    struct committer *old = *self;
    size_t dropped;

    if (!old)
        return 0;
    pthread_mutex_lock(&old->mutex);
    old->stop = true;
    old->abandon = !drain;
    pthread_cond_broadcast(&old->changed);
    pthread_mutex_unlock(&old->mutex);
    pthread_join(old->thread, NULL);
    dropped = old->todo.count + old->in_hand;
    job_list_clear(&old->todo);
    job_list_clear(&old->done);
    close(old->event_fd);
    pthread_cond_destroy(&old->changed);
    pthread_mutex_destroy(&old->mutex);
    free(old);
    *self = NULL;
    return dropped;
}

void committer_submit(struct committer *self, struct job *job_take)
{
    pthread_mutex_lock(&self->mutex);
    job_list_add(&self->todo, job_take);
    if (self->waits)
        pthread_cond_signal(&self->changed);
    pthread_mutex_unlock(&self->mutex);
}

int committer_fd(const struct committer *self)
{
    return self->event_fd;
}

void committer_collect(struct committer *self, struct job_list *ret_done)
{
    uint64_t rings;
    ssize_t got = read(self->event_fd, &rings, sizeof rings);

    (void)got; /* nothing to read: nothing has ended */
    pthread_mutex_lock(&self->mutex);
    job_list_move(ret_done, &self->done);
    pthread_mutex_unlock(&self->mutex);
}

bool committer_holds(const struct committer *self)
{
    return atomic_load(&self->holds);
}

void committer_look(struct committer *self, struct committer_view *ret_view)
{
    pthread_mutex_lock(&self->mutex);
    *ret_view = self->view;
    ret_view->queued = self->todo.count + self->in_hand;
    pthread_mutex_unlock(&self->mutex);
}

size_t committer_queued(struct committer *self)
{
    struct committer_view view;

    committer_look(self, &view);
    return view.queued;
}

const char *committer_state_name(enum committer_state state)
{
    static const char *const name[] = {"ok", "locked", "full", "failing", "dead"};
    return name[state];
}
