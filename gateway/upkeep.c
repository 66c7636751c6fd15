#include "gateway/upkeep.h"

#include <stdlib.h>

#include "adapters/bridge/brief.h"
#include "adapters/host/clock.h"
#include "gateway/log.h"
#include "gateway/server.h"

#define ROWS_AT_ONCE 1000   /* looked at for the next mark in one step */
#define LOOKS_AT_ONCE 200   /* parked rows looked at in one step, */
#define LOOK_STEP_US 100000 /*   and the pause between two steps */
#define LOOK_PAUSES 3       /* so many times as long as a round took, before the next one */
#define RETIRED_AT_ONCE 500
#define RETIRE_STEP_US 1000000
#define RETIRE_US 3600000000LL
#define PRESENT_US 30000000
#define HOLDERS_US 250000

void upkeep_init(struct server *self, int64_t now_us)
{
    struct upkeep *upkeep = &self->upkeep;

    upkeep->parks = memory_zero(UPKEEP_PARKS, sizeof *upkeep->parks);
    upkeep->scanned = upkeep->mark;
    upkeep->retire_us = now_us + RETIRE_STEP_US;
    upkeep->present_us = now_us + PRESENT_US;
    upkeep->look_us = now_us + self->config.park_after_us;
}

void upkeep_done(struct server *self)
{
    free(self->upkeep.parks);
    free(self->upkeep.holders);
}

static struct job *new_job(enum job_kind kind)
{
    struct span nothing = span_str("");
    return job_new(kind, 0, nothing, nothing, nothing);
}

/* The mark. */

/* Where the mark may go: rows up to there have been seen `park.after` ago. 0: nowhere. */
static int64_t horizon(const struct server *self, int64_t now_us)
{
    const struct upkeep *upkeep = &self->upkeep;

    if (upkeep->samples == 0 || now_us < upkeep->sample[0].at_us + self->config.park_after_us)
        return 0;
    return upkeep->sample[0].cursor;
}

static int64_t last_sampled(const struct upkeep *upkeep)
{
    return upkeep->samples ? upkeep->sample[upkeep->samples - 1].cursor : upkeep->mark;
}

/* When the tail's place is noted next; INT64_MAX when it has not moved. */
static int64_t sample_due(const struct server *self)
{
    const struct upkeep *upkeep = &self->upkeep;

    if (!self->caught_up || tail_cursor(self->tail) <= last_sampled(upkeep) ||
        upkeep->samples == UPKEEP_SAMPLES)
        return INT64_MAX;
    if (upkeep->samples == 0)
        return upkeep->sample_us;
    return upkeep->sample[upkeep->samples - 1].at_us +
           self->config.park_after_us / (UPKEEP_SAMPLES - 1);
}

static void take_sample(struct server *self, int64_t now_us)
{
    struct upkeep *upkeep = &self->upkeep;

    upkeep->sample[upkeep->samples].at_us = now_us;
    upkeep->sample[upkeep->samples].cursor = tail_cursor(self->tail);
    upkeep->samples++;
}

/* A query that nobody had been given when its time was over (a gateway that was down, a window that
 * was full). */
static bool is_over_unseen(const struct server *self, const struct tail_row *row, bool live)
{
    struct message message;

    if (live || row->read || !row->has_conversation || row->id <= self->upkeep.history ||
        row->id <= self->skip_to || !span_is(row->to_session, self->config.serve_session))
        return false;
    message_read(&row->columns, &message);
    return message_is_query(message.kind);
}

/* A row that the mark is about to pass: parks it, or ends it where it wants no answer any more. */
static void pass_row(struct server *self, int64_t now_us, const struct tail_row *row)
{
    struct upkeep *upkeep = &self->upkeep;
    int64_t utc_us = clock_utc_us();
    bool claimed, live = intake_is_live(row, utc_us);
    enum dispatch_place place = dispatch_where(self->dispatch, row->id, &claimed);
    bool waits = place == PLACE_WAITS;
    struct message message;

    if ((waits && ((row->read && !claimed) || !live)) ||
        (place == PLACE_UNKNOWN && is_over_unseen(self, row, live)))
        restore_end(self, now_us, row->id, row, claimed);
    else if (waits || intake_is_ours(self, row, utc_us, &message))
        upkeep->parks[upkeep->park_count++] = row->id;
}

/* The same for a row of which little is known; most are settled, and not looked at any closer.
 * Returns false when the database cannot be read just now. */
static bool pass(struct server *self, int64_t now_us, const struct brief *brief)
{
    struct tail_row row;
    int error;

    if (!brief->open && dispatch_where(self->dispatch, brief->id, NULL) != PLACE_WAITS)
        return true;
    error = tail_load_known(self->tail, brief->id, &row);
    if (!intake_could_read(self, error))
        return false;
    if (error == BRIDGE_ABSENT)
        return true;
    pass_row(self, now_us, &row);
    tail_unload(self->tail);
    return true;
}

/* The mark goes as far as has been looked at. */
static void submit_mark(struct server *self)
{
    struct upkeep *upkeep = &self->upkeep;
    struct job *job = new_job(JOB_MARK);

    job->id = upkeep->scanned;
    job->park_count = upkeep->park_count;
    job->parks = memory_zero(upkeep->park_count + 1, sizeof *job->parks);
    memcpy(job->parks, upkeep->parks, upkeep->park_count * sizeof *job->parks);
    committer_submit(self->committer, job);
    upkeep->marking = true;
    upkeep->mark = upkeep->scanned;
    upkeep->parked |= upkeep->park_count > 0;
    self->stats.count[STAT_PARKED] += upkeep->park_count;
    upkeep->park_count = 0;
}

/* Looks at the next rows up to UPTO, and moves the mark when that is worth a commit. */
static void move_mark(struct server *self, int64_t now_us, int64_t upto)
{
    struct upkeep *upkeep = &self->upkeep;
    struct brief brief[ROWS_AT_ONCE];
    size_t count = 0, i = 0;
    bool could;

    carry_let_go(self);
    could = intake_could_read(self, brief_read(tail_connection(self->tail), upkeep->scanned, upto,
                                               span_str(self->config.serve_session), ROWS_AT_ONCE,
                                               brief, &count));
    for (; could && i < count && upkeep->park_count < UPKEEP_PARKS; i++) {
        could = pass(self, now_us, &brief[i]);
        if (could)
            upkeep->scanned = brief[i].id;
    }
    carry_actions(self, now_us);
    if (!could)
        return;
    if (i < count) {
        submit_mark(self);
    } else if (count < ROWS_AT_ONCE) {
        upkeep->scanned = upto;
        upkeep->samples--;
        memmove(upkeep->sample, upkeep->sample + 1, upkeep->samples * sizeof upkeep->sample[0]);
        submit_mark(self);
    }
}

/* Second looks. */

static void look(struct server *self, int64_t now_us)
{
    struct upkeep *upkeep = &self->upkeep;
    bool more = false;

    if (upkeep->looked == 0)
        upkeep->round_us = now_us;
    upkeep->look_us = now_us + LOOK_STEP_US;
    if (!restore_parked(self, now_us, LOOKS_AT_ONCE, &more) || more)
        return;
    upkeep->parked = upkeep->looked > 0;
    upkeep->looked = 0;
    upkeep->look_us = now_us + LOOK_PAUSES * (now_us - upkeep->round_us);
    if (upkeep->look_us < now_us + self->config.park_after_us)
        upkeep->look_us = now_us + self->config.park_after_us;
}

/* What is over. */

static void retire(struct server *self)
{
    struct job *job = new_job(JOB_RETIRE);

    job->retention.keep_s = self->config.keep_us / 1000000;
    job->retention.dead_s = self->config.dead_us / 1000000;
    job->retention.audit_s = self->config.audit_us / 1000000;
    job->retention.request_s = self->config.client_coalesce_us / 1000000 + 1;
    job->retention.key_s = LIMIT_SUBMIT_KEY_S;
    job->limit = RETIRED_AT_ONCE;
    committer_submit(self->committer, job);
    self->upkeep.retiring = true;
}

/* Where the database refuses a mark, it stays where it is, and so do the rows that it was to pass.
 */
static void settle_mark(struct server *self, int64_t now_us, const struct job *job)
{
    struct upkeep *upkeep = &self->upkeep;

    upkeep->marking = false;
    if (job->error) {
        upkeep->mark = upkeep->scanned = upkeep->passed;
        upkeep->park_count = upkeep->samples = 0;
        upkeep->sample_us = now_us + RETIRE_US;
        return;
    }
    upkeep->passed = job->id;
    upkeep->parked |= job->park_count > 0; /* a look may have found nothing before this */
}

void upkeep_settled(struct server *self, int64_t now_us, const struct job *job)
{
    struct upkeep *upkeep = &self->upkeep;

    if (job->kind == JOB_MARK) {
        settle_mark(self, now_us, job);
        return;
    }
    upkeep->retiring = false;
    upkeep->retire_us = now_us + (job->more ? RETIRE_STEP_US : RETIRE_US);
    self->stats.count[STAT_RETIRED] += job->count;
    if (job->count > 0)
        log_event(LOG_INFO, "retired", LOG_INT("rows", job->count),
                  LOG_STR("say", "rows of the gateway's own whose time was over"));
}

/* Time. */

static bool tells_presence(const struct server *self)
{
    return self->config.presence == PRESENCE_ON && dispatch_outstanding(self->dispatch) > 0;
}

int64_t upkeep_next(const struct server *self, int64_t now_us)
{
    const struct upkeep *upkeep = &self->upkeep;
    int64_t due_us = upkeep->retiring ? INT64_MAX : upkeep->retire_us;
    int64_t mark_us = INT64_MAX;

    if (self->draining || self->blocked_since_us)
        return INT64_MAX;
    if (upkeep->samples > 0 && !upkeep->marking)
        mark_us = upkeep->sample[0].at_us + self->config.park_after_us;
    if (mark_us < due_us)
        due_us = mark_us;
    if (sample_due(self) < due_us)
        due_us = sample_due(self);
    if (upkeep->parked && upkeep->look_us < due_us)
        due_us = upkeep->look_us;
    if (tells_presence(self) && upkeep->present_us < due_us)
        due_us = upkeep->present_us;
    if (upkeep->holder_count > 0 && upkeep->holders_us < due_us)
        due_us = upkeep->holders_us;
    return due_us < now_us ? now_us : due_us;
}

void upkeep_run(struct server *self, int64_t now_us)
{
    struct upkeep *upkeep = &self->upkeep;

    if (self->draining || self->blocked_since_us)
        return;
    if (sample_due(self) <= now_us)
        take_sample(self, now_us);
    if (!upkeep->marking && horizon(self, now_us) > 0)
        move_mark(self, now_us, horizon(self, now_us));
    if (upkeep->parked && self->caught_up && self->restored && upkeep->look_us <= now_us)
        look(self, now_us);
    if (!upkeep->retiring && upkeep->retire_us <= now_us)
        retire(self);
    if (tells_presence(self) && upkeep->present_us <= now_us) {
        committer_submit(self->committer, new_job(JOB_PRESENT));
        upkeep->present_us = now_us + PRESENT_US;
    }
    if (upkeep->holder_count > 0 && upkeep->holders_us <= now_us) {
        upkeep->holders_us = now_us + HOLDERS_US;
        restore_check_holders(self, now_us);
    }
}
