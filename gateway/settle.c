#include <stdio.h>

#include "gateway/builtin.h"
#include "gateway/log.h"
#include "gateway/server.h"

/* The one line of a query that says how long everything took. */
static void log_committed(const struct job *job, int64_t now_us)
{
    if (job->kind == JOB_DEAD)
        log_each(LOG_WARN, "dead", LOG_INT("id", job->id),
                 LOG_STR("conversation", job->conversation_id), LOG_STR("service", job->service),
                 LOG_STR("worker", job->worker), LOG_INT("attempts", job->attempt),
                 LOG_STR("why", job_reason(job)), LOG_US("committed", now_us - job->answered_us),
                 LOG_US("total", now_us - job->seen_us));
    else
        log_each(LOG_INFO, "answered", LOG_INT("id", job->id),
                 LOG_STR("conversation", job->conversation_id), LOG_STR("service", job->service),
                 LOG_STR("worker", job->worker), LOG_INT("attempt", job->attempt),
                 LOG_US("waited", job->leased_us - job->seen_us),
                 LOG_US("worked", job->answered_us - job->leased_us),
                 LOG_US("committed", now_us - job->answered_us),
                 LOG_US("total", now_us - job->seen_us));
}

/* The same of a query that has ended without a reply; when it was seen is not always known. */
static void log_ended(const struct job *job, int64_t now_us, const char *event, const char *say)
{
    const struct log_field field[] = {LOG_INT("id", job->id),
                                      LOG_STR("conversation", job->conversation_id),
                                      LOG_STR("say", say), LOG_US("total", now_us - job->seen_us)};

    log_write_each(LOG_WARN, event, field, job->seen_us ? 4 : 3);
}

/* The answer was paid for: it is kept, before an error reply is tried in its place. */
static void keep_answer(struct server *self, const struct job *answer)
{
    struct job *job = job_new(JOB_GONE, answer->id, span_str(answer->conversation_id),
                              span_str(answer->from_session), span_str(answer->to_session));

    job->claimed = answer->claimed;
    job->attempt = answer->attempt;
    memcpy(job->worker, answer->worker, sizeof job->worker);
    memcpy(job->service, answer->service, sizeof job->service);
    buffer_add(&job->text, buffer_span(answer->kept.size    ? &answer->kept
                                       : answer->whole.size ? &answer->whole
                                                            : &answer->text));
    buffer_add(&job->metadata, buffer_span(&answer->metadata));
    committer_submit(self->committer, job);
}

/* The database's own rules (a constraint, a trigger) refuse what JOB was to write. Returns true
 * when the core still has to wait: an error reply is tried in place of the answer. */
static bool on_uncommittable(struct server *self, int64_t now_us, const struct job *job)
{
    struct action action = {.kind = ACTION_DEAD, .id = job->id, .attempt = job->attempt};

    self->stats.count[STAT_UNCOMMITTABLE]++;
    log_event(
        LOG_ERROR, "uncommittable", LOG_INT("id", job->id),
        LOG_STR("conversation", job->conversation_id),
        LOG_STR("say", job->kind == JOB_ANSWER
                           ? "the database refuses its reply; trying an error reply"
                           : "the database refuses its error reply too; it stays unread and is "
                             "tried again at the next start"));
    announce_gateway(self, now_us, "gateway/uncommittable",
                     "the database's own rules refuse its reply", span_str(job->service), job->id);
    if (job->kind != JOB_ANSWER) {
        self->stuck[self->stuck_count++ % SERVER_STUCK] = job->id;
        return false;
    }
    keep_answer(self, job);
    action.failed = job->failed;
    action.claimed = job->claimed;
    action.recorded = job->recorded;
    action.seen_us = job->seen_us;
    action.leased_us = job->leased_us;
    memcpy(action.worker, job->worker, sizeof action.worker);
    memcpy(action.service, job->service, sizeof action.service);
    snprintf(action.reason, sizeof action.reason,
             "the database refuses the answer: a constraint or trigger of its own");
    submit_action(self, now_us, &action);
    return true;
}

bool settle_is_stuck(const struct server *self, int64_t id)
{
    for (size_t i = 0; i < self->stuck_count && i < SERVER_STUCK; i++)
        if (self->stuck[i] == id)
            return true;
    return false;
}

/* JOB's answer is committed: where its query's time went. */
static void note_times(struct server *self, const struct job *job, int64_t now_us)
{
    struct histogram *stage = self->stats.stage;

    histogram_add(&stage[STAGE_DISPATCH_TO_REPLY], job->answered_us - job->leased_us);
    histogram_add(&stage[STAGE_REPLY_TO_COMMIT], now_us - job->answered_us);
    histogram_add(&stage[STAGE_TOTAL], now_us - job->seen_us);
}

static uint32_t span_us(int64_t from_us, int64_t to_us)
{
    int64_t us = to_us - from_us;

    return us < 0 ? 0 : us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

static void note_outcome(struct server *self, int64_t now_us, const struct job *job)
{
    struct outcome outcome = {job->id, job->outcome, job->reply_id, 0, 0, 0};

    if (job->kind == JOB_ANSWER && job->outcome == STORE_COMMITTED) {
        outcome.waited_us = span_us(job->seen_us, job->leased_us);
        outcome.worked_us = span_us(job->leased_us, job->answered_us);
        outcome.committed_us = span_us(job->answered_us, now_us);
    }
    outcomes_note(self->outcomes, &outcome);
}

static void on_ended(struct server *self, int64_t now_us, const struct job *job)
{
    static const struct {
        enum counter counter;
        enum topic_kind kind;
        const char *say;
    } end[] = {
        [STORE_SUPERSEDED] = {STAT_SUPERSEDED, TOPIC_SUPERSEDED, "someone else has set it read"},
        [STORE_EXPIRED] = {STAT_EXPIRED, TOPIC_EXPIRED, "its conversation's time is over"},
        [STORE_DELETED] = {STAT_DELETED, TOPIC_DELETED, "its row or conversation is gone"},
        [STORE_DROPPED] = {STAT_DROPPED, TOPIC_DROPPED, "its client has taken it back"},
    };

    note_outcome(self, now_us, job);
    if ((job->kind == JOB_ANSWER || job->kind == JOB_DEAD) && job->outcome == STORE_COMMITTED) {
        self->stats.count[job->kind == JOB_DEAD ? STAT_DEAD : STAT_ANSWERED]++;
        self->stats.count[STAT_REDACTED] += job->redacted;
        self->stats.count[STAT_CUT] += job->whole.size > 0;
        log_committed(job, now_us);
        if (job->kind == JOB_ANSWER)
            note_times(self, job, now_us);
        else
            announce_end(self, now_us, TOPIC_DEAD, job, job_reason(job));
        return;
    }
    self->stats.count[end[job->outcome].counter]++;
    announce_end(self, now_us, end[job->outcome].kind, job, end[job->outcome].say);
    log_ended(job, now_us, topic_name(end[job->outcome].kind), end[job->outcome].say);
}

/* The job of a query's end. Returns true when the core's query has ended with it. */
static bool settle_end(struct server *self, int64_t now_us, const struct job *job)
{
    if (!job->error) {
        on_ended(self, now_us, job);
        replies_end(self, job);
        return job->settles;
    }
    if (job->kind == JOB_ANSWER && on_uncommittable(self, now_us, job))
        return false;
    if (job->kind == JOB_DEAD)
        on_uncommittable(self, now_us, job);
    if (job->kind == JOB_ANSWER || job->kind == JOB_DEAD || job->kind == JOB_DROP) {
        replies_end(self, job);
        return true;
    }
    if (!job->settles)
        restore_look(self, now_us, job->id); /* it has not ended: somebody took that back */
    return job->settles;
}

/* What was to be recorded is on disk, or will never be: either way the query goes on. */
static void settle_record(struct server *self, int64_t now_us, const struct job *job)
{
    bool ours = !job->error && job->outcome == STORE_COMMITTED;
    struct event event = {.kind = EVENT_RECORDED};

    if (job->error) {
        self->stats.count[STAT_UNRECORDABLE]++;
        log_event(LOG_ERROR, "unrecordable", LOG_INT("id", job->id),
                  LOG_STR("conversation", job->conversation_id),
                  LOG_STR("say", "the database's own rules refuse to record its state"));
    }
    event.recorded.id = job->id;
    if (job->kind == JOB_FAIL && job_reason(job)[0] && ours)
        announce_failed(self, now_us, job);
    if (job->kind == JOB_LEASE && job->claim) {
        event.kind = EVENT_CLAIMED;
        event.claimed.id = job->id;
        event.claimed.ours = ours;
        if (!job->error && !ours)
            on_ended(self, now_us, job);
        if (!ours)
            replies_end(self, job);
    }
    if (job->kind == JOB_FAIL || job->claim)
        carry_event(self, now_us, &event);
}

/* The database's own rules refuse some of our book-keeping: no answer suffers, but somebody should
 * know. */
static void note_refused(struct server *self, const struct job *job)
{
    if (!job->error)
        return;
    self->stats.count[STAT_UPKEEP_REFUSED]++;
    log_event(LOG_ERROR, "upkeep-refused", LOG_INT("id", job->id),
              LOG_STR("job", job->kind == JOB_KEEP   ? "keep"
                             : job->kind == JOB_MARK ? "mark"
                                                     : "other"),
              LOG_STR("say", "the database's own rules refuse what the gateway notes for itself"));
}

/* The committer's thread could not search all of JOB's texts for secrets. */
static void note_unsearched(struct server *self, const struct job *job)
{
    for (unsigned i = 0; i < job->unsearched; i++)
        redact_note_failure(self->redact);
    submit_note_failures(self, job->id, job->worker);
}

/* JOB's answer is to a text that does not stand in its row any more: as any answer with the token
 * of another text it is refused, and what stands there now is yet to be answered: at once, or where
 * it cannot be read just now when what is unsettled is looked at again (upkeep.h, U2, U3). */
static void on_changed(struct server *self, int64_t now_us, const struct job *job)
{
    struct action refused = {
        .kind = ACTION_REFUSED, .refusal = REFUSED_FORGED, .id = job->id, .attempt = job->attempt};
    struct event event = {.kind = EVENT_COMMITTED};

    carry_refused(self, now_us, &refused);
    event.committed.id = job->id;
    carry_event(self, now_us, &event);
    restore_look(self, now_us, job->id);
}

static void settle(struct server *self, int64_t now_us, const struct job *job)
{
    struct event event = {.kind = EVENT_COMMITTED};

    if (job->unsearched)
        note_unsearched(self, job);
    switch (job->kind) {
    case JOB_ASK: /* settle_run() */
        break;
    case JOB_ANSWER:
    case JOB_DEAD:
    case JOB_DROP:
    case JOB_END:
    case JOB_GONE:
        if (job->changed) {
            on_changed(self, now_us, job);
            break;
        }
        if (job->kind == JOB_END)
            submit_ended(self, job->id);
        event.committed.id = job->id;
        if (settle_end(self, now_us, job))
            carry_event(self, now_us, &event);
        break;
    case JOB_LEASE:
    case JOB_FAIL:
        settle_record(self, now_us, job);
        break;
    case JOB_MARK:
    case JOB_RETIRE:
        note_refused(self, job);
        upkeep_settled(self, now_us, job);
        break;
    case JOB_CALL:
        builtin_settled(self, job);
        break;
    case JOB_UNTICK:
        replies_closed(self, job);
        note_refused(self, job);
        break;
    case JOB_DELIVERED:
    case JOB_KEEP:
    case JOB_UNPARK:
    case JOB_NOTE:
    case JOB_PRESENT:
        note_refused(self, job);
        break;
    }
}

static void log_committer(struct server *self, int64_t now_us, const struct committer_view *view)
{
    long holder = 0;

    self->committer_state = view->state;
    announce_gateway(self, now_us, "gateway/committer", committer_state_name(view->state),
                     span_str(""), 0);
    if (view->state == COMMITTER_OK) {
        log_event(LOG_INFO, "committing", LOG_STR("say", "replies are committed again"),
                  LOG_INT("waiting", view->queued));
        return;
    }
    if (view->state == COMMITTER_LOCKED)
        holder = db_lock_holder(&self->place);
    log_event(LOG_ERROR, "not-committing", LOG_STR("state", committer_state_name(view->state)),
              LOG_STR("sqlite", view->explanation), LOG_INT("holder", holder),
              LOG_INT("waiting", view->queued),
              LOG_STR("say", view->state == COMMITTER_DEAD
                                 ? "nothing more is written; stopping"
                                 : "replies are kept and committed when this has passed"));
}

/* What an earlier turn could not read. */
static void settle_unread(struct server *self)
{
    for (size_t left = self->unread.count; left > 0; left--) {
        struct job *job = job_list_take(&self->unread);

        if (replies_answer(self, job))
            job_destroy(&job);
        else
            job_list_add(&self->unread, job);
    }
}

bool settle_run(struct server *self, int64_t now_us)
{
    bool ended;
    struct committer_view view;
    struct buffer lines;
    struct job *job;

    settle_unread(self);
    committer_collect(self->committer, &self->done);
    ended = self->done.count > 0;
    if (ended)
        buffer_reset(&self->status);
    buffer_init(&lines);
    log_gather(&lines);
    while ((job = job_list_take(&self->done))) {
        if (job->kind == JOB_ASK && !replies_made(self, job)) {
            job_list_add(&self->unread, job);
            continue;
        }
        settle(self, now_us, job);
        job_destroy(&job);
    }
    log_gathered();
    buffer_done(&lines);
    committer_look(self->committer, &view);
    if (view.state != self->committer_state)
        log_committer(self, now_us, &view);
    if (view.checkpoints_partial > self->partial_checkpoints)
        announce_gateway(self, now_us, "gateway/checkpoint",
                         "a checkpoint was not whole: somebody reads or writes", span_str(""), 0);
    self->partial_checkpoints = view.checkpoints_partial;
    return ended;
}
