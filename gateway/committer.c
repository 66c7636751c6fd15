#include "gateway/committer_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "adapters/host/clock.h"
#include "gateway/job_compose.h"

/* Of text in one transaction, so that no group holds the lock for long. */
#define GROUP_BYTES (4u << 20)
/* Of the histogram of groups: 1 to 8192 jobs. */
#define GROUP_BOUNDS 14
/* Pauses between tries for the write lock, doubling. SQLite's own handler sleeps up to 100 ms and
 * loses to later writers; trying more often would make the others lose as often. */
#define BUSY_FIRST_US 500
#define BUSY_MAX_US 20000
/* A lock that is not to be had for so long is worth telling. */
#define BUSY_TELL_US 1000000
/* Pauses after a failure that may pass, doubling. */
#define PAUSE_FIRST_US 50000
#define PAUSE_MAX_US 2000000

void committer_ring(struct committer *self)
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
        committer_ring(self);
}

bool committer_rest(struct committer *self, int64_t pause_us)
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

/* Says what a failure makes of our state. False: nothing more may be written (C3). */
static bool note_failure(struct committer *self, int error)
{
    enum committer_state state = COMMITTER_FAILING;

    if (committer_is_fatal(error))
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

/* Tries GROUP until the write lock is to be had. Returns as committer_try(), or BRIDGE_BUSY when
 * the thread is to end. */
static int outwait(struct committer *self, struct job_list *group)
{
    int64_t since_us = clock_mono_us();
    int64_t pause_us = BUSY_FIRST_US;
    int error;

    while ((error = committer_try(self, group)) == BRIDGE_BUSY) {
        pthread_mutex_lock(&self->mutex);
        self->view.busy++;
        pthread_mutex_unlock(&self->mutex);
        pace_guest(&self->pace, clock_mono_us());
        if (clock_mono_us() - since_us > BUSY_TELL_US) {
            set_state(self, COMMITTER_LOCKED, self->words);
            if (is_stopping(self))
                break;
        }
        if (!committer_rest(self, pause_us))
            break;
        if (pause_us < BUSY_MAX_US)
            pause_us *= 2;
    }
    return error;
}

/* Hands back GROUP, which has ended. */
static void report(struct committer *self, struct job_list *group)
{
    committer_reach(self, POINT_BEFORE_REPORT);
    set_state(self, COMMITTER_OK, "");
    pthread_mutex_lock(&self->mutex);
    job_list_move(&self->done, group);
    self->in_hand = self->taken.count;
    pthread_mutex_unlock(&self->mutex);
    committer_ring(self);
    committer_reach(self, POINT_AFTER_REPORT);
}

/* A checkpoint, when one is due. Returns false when nothing may be written any more. */
static bool tidy(struct committer *self)
{
    committer_tidy(self);
    return !self->checkpoint_error || note_failure(self, self->checkpoint_error);
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
        if (!note_failure(self, error) || is_stopping(self) || !committer_rest(self, pause_us))
            return false;
        if (pause_us < PAUSE_MAX_US)
            pause_us *= 2;
    }
    report(self, group);
    return tidy(self);
}

/* Waits until there are jobs, the thread is to end, or a checkpoint is due. The caller has the
 * mutex. */
static void wait_for_work(struct committer *self)
{
    const int64_t due_us = self->checkpoints.due_us;
    const struct timespec due = {due_us / 1000000, due_us % 1000000 * 1000};

    self->waits = true;
    while (!self->abandon && !self->stop && self->todo.count == 0 && clock_mono_us() < due_us) {
        if (due_us == INT64_MAX)
            pthread_cond_wait(&self->changed, &self->mutex);
        else
            pthread_cond_timedwait(&self->changed, &self->mutex, &due);
    }
    self->waits = false;
}

/* Adds to GROUP what the thread has taken over, up to MOST jobs, and makes their reply rows. */
static void fill_group(struct committer *self, size_t most, size_t *bytes, struct job_list *group)
{
    while (self->taken.count > 0 && group->count < most && *bytes < GROUP_BYTES) {
        struct job *job = job_list_take(&self->taken);
        job_compose(job, self->config.redact);
        *bytes += job_bytes(job);
        job_list_add(group, job);
    }
}

static size_t group_size(const struct committer *self)
{
    return pace_group(&self->pace, clock_mono_us(), self->config.group);
}

/* Takes over what waits; GROUP is what the thread has in hand. The caller has the mutex. */
static void take_over(struct committer *self, const struct job_list *group)
{
    job_list_move(&self->taken, &self->todo);
    self->in_hand = group->count + self->taken.count;
}

/* Waits for jobs and takes a group of them; an empty one when something else came first. False: the
 * thread is to end. What has come is made ready while the lock is left alone (C2). */
static bool take_group(struct committer *self, struct job_list *ret_group)
{
    const struct timespec free_at = {self->free_at_us / 1000000, self->free_at_us % 1000000 * 1000};
    size_t most = self->alone_left ? 1 : group_size(self);
    size_t bytes = 0;
    bool abandon, stop;

    pthread_mutex_lock(&self->mutex);
    if (self->taken.count == 0)
        wait_for_work(self);
    take_over(self, ret_group);
    pthread_mutex_unlock(&self->mutex);
    fill_group(self, most, &bytes, ret_group);
    pthread_mutex_lock(&self->mutex);
    while (!self->abandon && clock_mono_us() < self->free_at_us) /* meanwhile the group grows */
        pthread_cond_timedwait(&self->changed, &self->mutex, &free_at);
    take_over(self, ret_group);
    abandon = self->abandon;
    stop = self->stop;
    pthread_mutex_unlock(&self->mutex);
    if (abandon)
        return false;
    fill_group(self, most, &bytes, ret_group);
    return ret_group->count > 0 || !stop;
}

/* Puts a group that one of its rows spoiled back in front, to be committed one by one (C4). */
static void take_apart(struct committer *self, struct job_list *group)
{
    self->alone_left = group->count;
    job_list_move(group, &self->taken);
    self->taken = *group;
    pthread_mutex_lock(&self->mutex);
    self->measures.split++;
    pthread_mutex_unlock(&self->mutex);
    *group = (struct job_list){NULL, NULL, 0};
}

static void *run(void *context)
{
    struct committer *self = context;
    struct job_list group = {NULL, NULL, 0};

    while (take_group(self, &group)) {
        if (group.count == 0) {
            if (!tidy(self))
                break;
            continue;
        }
        if (self->alone_left)
            self->alone_left--;
        if (!see_through(self, &group))
            break;
        if (group.count)
            take_apart(self, &group);
    }
    job_list_clear(&group);
    job_list_clear(&self->taken);
    return NULL;
}

struct committer *committer_new(struct store *store, const struct committer_config *config)
{
    struct committer *self = memory_zero(1, sizeof *self);
    pthread_condattr_t attributes;

    self->store = store;
    self->config = *config;
    atomic_store(&self->others, store_others(store));
    checkpoints_init(&self->checkpoints);
    histogram_init(&self->measures.groups, 1, GROUP_BOUNDS);
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

int64_t committer_busy_since(const struct committer *self)
{
    return atomic_load(&self->busy_since_us);
}

uint64_t committer_others(const struct committer *self)
{
    return atomic_load(&self->others);
}

unsigned committer_checkpoints(const struct committer *self)
{
    return atomic_load(&self->checkpoints.begun);
}

void committer_look(struct committer *self, struct committer_view *ret_view)
{
    pthread_mutex_lock(&self->mutex);
    *ret_view = self->view;
    ret_view->queued = self->todo.count + self->in_hand;
    ret_view->idle = self->waits && self->todo.count == 0;
    pthread_mutex_unlock(&self->mutex);
}

void committer_measure(struct committer *self, struct committer_measures *ret_measures)
{
    pthread_mutex_lock(&self->mutex);
    *ret_measures = self->measures;
    pthread_mutex_unlock(&self->mutex);
}

size_t committer_queued(struct committer *self)
{
    size_t queued;

    pthread_mutex_lock(&self->mutex);
    queued = self->todo.count + self->in_hand;
    pthread_mutex_unlock(&self->mutex);
    return queued;
}

const char *committer_state_name(enum committer_state state)
{
    static const char *const name[] = {"ok", "locked", "full", "failing", "dead"};
    return name[state];
}
