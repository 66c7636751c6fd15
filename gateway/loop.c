/* The loop: one thread that waits for frames, hints, the committer, signals and time.
 *
 *  L1. Nothing here blocks: reads of the database never wait for a lock, sends are DONTWAIT,
 *      commits are the committer's.
 *
 *  L2. Each source gets a bounded turn; frames come before time, so that a heartbeat that has
 *      arrived is seen before its absence is.
 *
 *  L3. While the committer holds the write lock, what inotify says is its doing: the watch is not
 *      polled then (loop_wait.c), and the commit's end is the hint.
 *
 *  L4. Stopping: deliver nothing more, let what is in flight end (up to drain.timeout), commit it,
 *      tell the workers, close. Our own workers (--work) go on until then. */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "adapters/host/clock.h"
#include "gateway/cli.h"
#include "gateway/log.h"
#include "gateway/lookups.h"
#include "gateway/manager.h"
#include "gateway/open.h"
#include "gateway/server.h"
#include "proto/mdp.h"

#define RETRY_US 10000        /* until a row that could not be read is tried again */
#define SAY_AGAIN_US 10000000 /* between lines about one lasting trouble */
#define SECOND_US 1000000
#define IDENTITY_US 500000 /* between looks at the file's identity */
/* Woken so much too late, the whole process stood still (stopped, swapped out, a debugger),
 * ZeroMQ's own thread too: for a while empty doors do not prove that nobody has spoken. */
#define STOOD_STILL_US 100000
#define DEAF_US 1000000
#define GOODBYE_MS 500 /* for the last frames to leave */

void loop_finish(struct server *self, int exit_code)
{
    if (!self->finished)
        self->exit_code = exit_code;
    self->finished = true;
}

/* The database file must stay the one we opened (its name may come to mean another). */
static void check_identity(struct server *self, int64_t now_us)
{
    int error = place_verify(&self->place, &self->identity);

    self->identity_us = now_us + IDENTITY_US;
    if (error == 0)
        return;
    log_event(LOG_ERROR, "replaced", LOG_STR("db", self->place.db),
              LOG_STR("say", error == -ESTALE
                                 ? "the database file was replaced by another one; nothing more is "
                                   "written to the old one, start again to serve the new one"
                                 : "the database file is gone; nothing more is written to it"));
    loop_finish(self, CLI_REPLACED);
}

/* Signals. */

void loop_drain(struct server *self, int64_t now_us, const char *why)
{
    const struct event event = {.kind = EVENT_DRAIN};

    if (self->draining)
        return;
    self->draining = true;
    announce_gateway(self, now_us, "gateway/draining", why, span_str(""), 0);
    self->drain_until_us = now_us + self->config.drain_timeout_us;
    log_event(LOG_INFO, "draining", LOG_STR("why", why),
              LOG_INT("in_flight", dispatch_outstanding(self->dispatch)),
              LOG_STR("say", "nothing more is dispatched; a second signal stops at once"));
    manager_stopping(&self->vitals, self->config.drain_timeout_us, "what is in flight may end");
    carry_event(self, now_us, &event);
}

static void take_signals(struct server *self, int64_t now_us)
{
    struct signalfd_siginfo info;

    while (self->came.signal && read(self->signal_fd, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGHUP) {
            manager_reloading(&self->vitals);
            settings_reload(self, now_us);
            manager_reloaded(&self->vitals);
        } else if (self->asked_to_stop) {
            log_event(LOG_WARN, "stopped", LOG_STR("say", "at once, by a second signal"));
            log_run(INT64_MAX);               /* what is folded, too: nobody else says it then */
            _exit(128 + (int)info.ssi_signo); /* as after a crash: the file has everything (I4) */
        } else {
            self->asked_to_stop = true;
            loop_drain(self, now_us, info.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT");
        }
    }
}

/* Waiting. */

/* When the loop has something to do even if nothing comes, besides looking for commits. */
static int64_t next_due(const struct server *self, int64_t now_us)
{
    int64_t due_us = INT64_MAX;

    if (intake_is_behind(self) || (self->closed_count > 0 && !self->held))
        due_us = now_us;
    if (self->blocked_since_us && due_us < now_us + RETRY_US)
        due_us = now_us + RETRY_US;
    if ((self->held || reps_held(self->reps) || self->waiting_count || self->unread.count) &&
        now_us + RETRY_US < due_us)
        due_us = now_us + RETRY_US;
    if (upkeep_next(self, now_us) < due_us)
        due_us = upkeep_next(self, now_us);
    if (dispatch_next(self->dispatch) < due_us)
        due_us = dispatch_next(self->dispatch);
    if (requests_due(self) < due_us)
        due_us = requests_due(self);
    if (reps_due(self->reps) < due_us)
        due_us = reps_due(self->reps);
    if (replays_due(self->replays) < due_us)
        due_us = replays_due(self->replays);
    if (lookups_due(self->lookups) < due_us)
        due_us = lookups_due(self->lookups);
    if (helpers_due(self->helpers) < due_us)
        due_us = helpers_due(self->helpers);
    if (keys_due(self->keys) < due_us)
        due_us = keys_due(self->keys);
    if (publish_due(&self->publish) < due_us)
        due_us = publish_due(&self->publish);
    if (log_due() < due_us)
        due_us = log_due();
    if (vitals_due(&self->vitals) < due_us)
        due_us = vitals_due(&self->vitals);
    if (self->draining && self->drain_until_us < due_us)
        due_us = self->drain_until_us;
    return due_us;
}

static int64_t next_look(const struct server *self, int64_t now_us)
{
    int64_t look_us = wake_next(&self->wake);

    return self->blocked_since_us && look_us < now_us + RETRY_US ? now_us + RETRY_US : look_us;
}

/* The one thing that is due is a look whether somebody has committed. Most of them, while somebody
 * writes, say no: that costs no turn. A look that says yes is not made again (intake_run()). The
 * file's identity is looked at in turns, so that one is taken when it is time for that. */
static bool look_in_vain(struct server *self, int64_t now_us)
{
    bool changed = false;

    if (!self->came.only_time || self->blocked_since_us || now_us >= self->identity_us ||
        !wake_due(&self->wake, now_us))
        return false;
    if (tail_changed(self->tail, &changed) != BRIDGE_OK)
        return false; /* the turn tries it once more, and counts it */
    self->came.change = changed;
    if (!changed)
        wake_checked(&self->wake, clock_mono_us(), false);
    return !changed;
}

static void note_stand_still(struct server *self, int64_t latest_us, int64_t now_us)
{
    if (now_us > latest_us + STOOD_STILL_US)
        self->deaf_until_us = now_us + DEAF_US;
}

/* Waits until there is something to do, and returns the time. */
static int64_t wait_for_news(struct server *self)
{
    int64_t now_us = clock_mono_us();
    int64_t besides_us = next_due(self, now_us);
    bool on = false;

    tail_let_go(self->tail);
    do {
        int64_t look_us = next_look(self, now_us);
        int64_t due_us = look_us < besides_us ? look_us : besides_us;
        int64_t latest_us = due_us > now_us ? due_us : now_us;

        loop_wait(self, on, due_us, now_us);
        now_us = clock_mono_us();
        note_stand_still(self, latest_us, now_us);
        on = true;
    } while (now_us < besides_us && look_in_vain(self, now_us));
    return now_us;
}

/* One turn. */

static void take_hints(struct server *self, int64_t now_us, bool committed)
{
    unsigned flags = 0;

    if (committed)
        wake_hint(&self->wake, now_us); /* L3 */
    if (!committer_holds(self->committer) && (committed || self->came.watch || self->came.time))
        flags = watch_drain(self->watch);
    self->stats.count[STAT_HINTS_LOST] += (flags & WATCH_LOST) != 0;
    if (flags & (WATCH_HINT | WATCH_LOST))
        wake_hint(&self->wake, now_us);
    else if (flags & WATCH_CLOSED)
        wake_glance(&self->wake);
    if (flags & (WATCH_MOVED | WATCH_LOST))
        check_identity(self, now_us);
}

/* Commits do not get through: says so from time to time. */
static void tell_not_committing(struct server *self, int64_t now_us)
{
    struct committer_view view;

    committer_look(self->committer, &view);
    log_event(LOG_WARN, "not-committing", LOG_STR("state", committer_state_name(view.state)),
              LOG_INT("for_seconds", (now_us - view.state_since_us) / SECOND_US),
              LOG_INT("waiting", view.queued),
              LOG_STR("say", "still; replies are kept and committed when this has passed"));
}

static void tell_not_reading(struct server *self, int64_t now_us)
{
    log_event(LOG_ERROR, "not-reading",
              LOG_INT("for_seconds", (now_us - self->blocked_since_us) / SECOND_US),
              LOG_INT("holder", db_lock_holder(&self->place)),
              LOG_STR("say", "the database is locked; everything goes on when this has passed"));
}

/* Whether a TROUBLE is to be told: when it is new, and now and again while it lasts. *TOLD_US: when
 * that was last; 0: not since it began. */
static bool is_to_tell(int64_t *told_us, int64_t now_us, bool trouble)
{
    bool tell = trouble && (!*told_us || now_us - *told_us >= SAY_AGAIN_US);

    if (tell || !trouble)
        *told_us = trouble ? now_us : 0;
    return tell;
}

static void tell_troubles(struct server *self, int64_t now_us)
{
    bool blocked = self->blocked_since_us && now_us - self->blocked_since_us >= SECOND_US;
    bool stuck = !blocked && self->committer_state != COMMITTER_OK;
    bool first = !self->told_stuck_us;

    if (is_to_tell(&self->told_blocked_us, now_us, blocked))
        tell_not_reading(self, now_us);
    if (is_to_tell(&self->told_stuck_us, now_us, stuck) && !first) /* which settle_run() has told */
        tell_not_committing(self, now_us);
}

static bool is_drained(struct server *self, int64_t now_us)
{
    if (!self->draining)
        return false;
    return now_us >= self->drain_until_us ||
           (dispatch_outstanding(self->dispatch) == 0 && committer_queued(self->committer) == 0);
}

/* Signals, the committer, hints: what may end the run. */
static void take_news(struct server *self, int64_t now_us)
{
    bool committed;

    take_signals(self, now_us);
    committed = settle_run(self, now_us);
    if (self->committer_state == COMMITTER_DEAD)
        loop_finish(self, CLI_FAILED);
    take_hints(self, now_us, committed);
    if (now_us >= self->identity_us)
        check_identity(self, now_us);
}

/* What observers have said. One that comes again and again to be cut fills no log. */
static void hear_observers(struct server *self, int64_t now_us)
{
    uint64_t *cut = &self->stats.count[STAT_OBSERVERS_CUT];

    events_drain(self->events);
    if (events_cut(self->events) == *cut)
        return;
    *cut = events_cut(self->events);
    if (self->told_cut_us && now_us - self->told_cut_us < SAY_AGAIN_US)
        return;
    log_event(LOG_WARN, "cut", LOG_STR("who", "an observer"), LOG_INT("observers_cut", *cut),
              LOG_STR("say", "it made too many subscriptions, or is no SUB socket of ZMTP 3; "
                             "subscribe to whole kinds, as \"query/\", and pick there"));
    announce_gateway(self, now_us, "gateway/cut", "an observer makes too many subscriptions",
                     span_str(""), 0);
    self->told_cut_us = now_us;
}

static void turn(struct server *self)
{
    struct event tick = {.kind = EVENT_TICK};
    int64_t now_us = wait_for_news(self);
    bool heard;

    take_news(self, now_us);
    if (self->finished)
        return;
    intake_run(self, now_us);
    deliveries_run(self, now_us);
    keys_run(self->keys, now_us, self->gate, self->events);
    if (self->keys)
        self->stats.count[STAT_REFUSED_KEYS] = keys_refused(self->keys);
    hear_observers(self, now_us); /* who has subscribed gets what is read from the doors now */
    heard = door_run(self, now_us);
    self->stats.count[STAT_TURNED_AWAY] = descriptors_run(&self->descriptors, now_us);
    if (reps_run(self, now_us) && heard && now_us >= self->deaf_until_us)
        self->heard_until_us = now_us;
    deliveries_run(self, now_us);
    submit_waiting(self, now_us);
    upkeep_run(self, now_us);
    if (dispatch_next(self->dispatch) <= now_us) {
        tick.tick.heard_until_us = self->heard_until_us;
        carry_event(self, now_us, &tick);
    }
    if (self->came.helper || helpers_due(self->helpers) <= now_us)
        helpers_run(self->helpers, now_us);
    replays_run(self, now_us);
    lookups_run(self, now_us);
    requests_run(self, now_us);
    deliveries_run(self, now_us);
    tail_let_go(self->tail); /* the rest of the turn does not read */
    publish_run(&self->publish, now_us, clock_utc_us());
    tell_troubles(self, now_us);
    log_run(now_us);
    manager_run(self, now_us);
    if (is_drained(self, now_us))
        loop_finish(self, CLI_OK);
}

/* The end. */

static void say_goodbye(struct server *self)
{
    const struct workers *workers = dispatch_workers(self->dispatch);
    struct worker *worker = NULL;

    /* One that works and cannot listen meanwhile would read this after its answer, and close before
     * the answer has left: it hears from the next run, or nothing. */
    while ((worker = workers_walk(workers, worker)))
        if (worker_is_majordomo(worker->protocol) &&
            (worker->options.heartbeats || worker->in_flight == 0))
            door_disconnect(self, &worker->peer, &worker->envelope, door_version(worker->protocol));
}

int loop_run(struct server *self)
{
    size_t unfinished, uncommitted;
    bool drain;

    while (!self->finished)
        turn(self);
    publish_flush(&self->publish); /* why it ends */
    manager_stopping(&self->vitals, 0, "the last commit");
    helpers_stop(self->helpers, clock_mono_us()); /* they have answered what they could */
    say_goodbye(self);
    unfinished = dispatch_outstanding(self->dispatch);
    drain = self->exit_code == CLI_OK && self->committer_state != COMMITTER_DEAD;
    if (drain)
        open_clean_end(self);
    uncommitted = committer_destroy(&self->committer, drain);
    if (drain && (unfinished || uncommitted))
        log_event(LOG_WARN, "given-up", LOG_INT("in_flight", unfinished),
                  LOG_INT("uncommitted", uncommitted),
                  LOG_STR("say", "these queries stay unread and are served at the next start"));
    helpers_destroy(&self->helpers); /* while there is a gate to leave by */
    reps_destroy(&self->reps);
    publish_flush(&self->publish);
    events_destroy(&self->events, GOODBYE_MS);
    self->allow = NULL;
    keys_destroy(&self->keys);
    gate_destroy(&self->gate, GOODBYE_MS);
    return self->exit_code;
}
