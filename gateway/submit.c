#include <assert.h>
#include <stdlib.h>

#include "adapters/bridge/records.h"
#include "adapters/host/clock.h"
#include "gateway/failed.h"
#include "gateway/job_compose.h"
#include "gateway/log.h"
#include "gateway/server.h"
#include "proto/body.h"
#include "proto/pack.h"

static struct job *new_job(struct server *self, enum job_kind kind, int64_t now_us,
                           const struct action *action, const struct tail_row *row)
{
    struct job *job =
        job_new(kind, action->id, row->conversation_id, row->to_session, row->from_session);

    job->attempt = action->attempt;
    job->failed = action->failed;
    job->claimed = action->claimed;
    job->recorded = action->recorded;
    job->parked = action->id <= self->upkeep.mark;
    job->present = self->config.presence == PRESENCE_ON;
    job->seen_us = action->seen_us;
    job->leased_us = action->leased_us;
    job->answered_us = now_us;
    memcpy(job->worker, action->worker, sizeof job->worker);
    memcpy(job->service, action->service, sizeof job->service);
    job_set_reason(job, action->reason);
    return job;
}

void submit_note_failures(struct server *self, int64_t id, const char *worker)
{
    uint64_t failures = redact_failures(self->redact);

    if (failures == self->stats.count[STAT_REDACTION_FAILED])
        return;
    self->stats.count[STAT_REDACTION_FAILED] = failures;
    log_event(LOG_WARN, "redaction-failed", LOG_INT("id", id), LOG_STR("worker", worker),
              LOG_STR("say", "a text could not be searched for secrets and was left out"));
}

/* The reply row of frames that a worker gave for a client's own; the client gets them as they are.
 */
static void compose_raw(const struct answer_in_hand *hand, const struct reply_facts *facts,
                        struct job *job)
{
    int redacted = 0;
    bool plain;
    enum body_form form = body_compose_reply(hand->frame, hand->count, facts, &job->text,
                                             &job->metadata, &job->blob, &redacted);

    if (form == BODY_BLOB) /* its text would say where frames are that never were committed */
        (void)body_query_text(hand->frame, hand->count, &job->kept, &plain);
    job->redacted = redacted > 0;
    pack_write(hand->frame, hand->count, &job->client);
}

void submit_answer(struct server *self, int64_t now_us, const struct action *action)
{
    const struct answer_in_hand *hand = &self->in_hand;
    struct reply_facts facts;
    struct buffer through, failed;
    struct job *job;

    assert((hand->loaded || hand->known) && hand->row.id == action->id);
    buffer_init(&through);
    job = new_job(self, JOB_ANSWER, now_us, action, &hand->row);
    if (hand->known) {
        job->as_read = true;
        job->others = hand->known->others;
        job->digest = hand->known->digest;
    }
    job->settles = true;
    job->ticket = hand->query.ticket;
    job->asked = hand->query.request;
    job->sender = hand->sender;
    if (hand->via) {
        if (hand->via->worker[0])
            memcpy(job->worker, hand->via->worker, sizeof job->worker);
        via_through(hand->via, &through);
    }
    facts = job_facts(job, &hand->query);
    facts.redactor = &self->redactor;
    facts.through = buffer_span(&through);
    buffer_init(&failed);
    facts.failed = failed_put(self, job, &failed);
    if (hand->raw)
        compose_raw(hand, &facts, job);
    else
        job_draft(job, hand->answer, &facts);
    submit_note_failures(self, job->id, job->worker);
    committer_submit(self->committer, job);
    buffer_done(&failed);
    buffer_done(&through);
}

static void submit_end_job(struct server *self, int64_t id, const struct tail_row *row,
                           bool claimed, bool settles, int64_t seen_us)
{
    struct span nobody = span_str("");
    struct job *job =
        row ? job_new(JOB_END, id, row->conversation_id, row->to_session, row->from_session)
            : job_new(JOB_END, id, nobody, nobody, nobody);

    job->settles = settles;
    job->claimed = claimed;
    job->seen_us = seen_us;
    job->recorded = true; /* it may be, whoever finds its end does not know */
    job->parked = true;
    committer_submit(self->committer, job);
}

/* A query whose end is under way. */
struct ending {
    struct table_node node;
    int64_t id;
};

static struct ending *find_ending(const struct server *self, int64_t id)
{
    struct table_node *node = table_first(&self->ending, table_hash(&self->ending, &id, sizeof id));

    for (; node; node = table_next(node)) {
        struct ending *ending = table_owner(node, struct ending, node);
        if (ending->id == id)
            return ending;
    }
    return NULL;
}

void submit_done(struct server *self)
{
    struct table_node *node;

    while ((node = table_walk(&self->ending, NULL))) {
        table_remove(&self->ending, node);
        free(table_owner(node, struct ending, node));
    }
    table_done(&self->ending);
}

bool submit_is_ending(const struct server *self, int64_t id)
{
    return find_ending(self, id) != NULL;
}

void submit_ended(struct server *self, int64_t id)
{
    struct ending *ending = find_ending(self, id);

    if (!ending)
        return;
    table_remove(&self->ending, &ending->node);
    free(ending);
}

static void end_once(struct server *self, int64_t id, const struct tail_row *row, bool claimed,
                     bool settles, int64_t seen_us)
{
    struct ending *ending = find_ending(self, id);

    if (ending && !settles)
        return; /* it is recorded once */
    if (!ending) {
        ending = memory_zero(1, sizeof *ending);
        ending->id = id;
        table_add(&self->ending, &ending->node, table_hash(&self->ending, &id, sizeof id));
    }
    submit_end_job(self, id, row, claimed, settles, seen_us);
}

void submit_end(struct server *self, int64_t id, const struct tail_row *row, bool claimed,
                bool settles)
{
    end_once(self, id, row, claimed, settles, 0);
}

void submit_end_of(struct server *self, const struct action *action, const struct tail_row *row,
                   bool settles)
{
    bool claimed = action->claimed && action->kind != ACTION_CLAIM; /* that has not been done */

    end_once(self, action->id, row, claimed, settles, action->seen_us);
}

/* The conversation of a query whose row is gone, where its delivery row tells. */
static void see_conversation(void *context, const struct delivery_record *record)
{
    buffer_add(context, record->conversation_id);
}

/* Appends the answer in hand as it is kept when it cannot be committed any more; returns whether
 * something was taken out. */
static bool keep_in_hand(struct server *self, struct buffer *ret_text)
{
    const struct answer_in_hand *hand = &self->in_hand;
    struct answer answer = *hand->answer;
    struct buffer text;
    bool plain = true, redacted;

    buffer_init(&text);
    if (hand->raw && body_query_text(hand->frame, hand->count, &text, &plain) == 0)
        answer =
            (struct answer){.kind = plain ? ANSWER_TEXT : ANSWER_JSON, .body = buffer_span(&text)};
    if (plain)
        redacted = answer_keep(&answer, &self->redactor, ret_text) > 0;
    else
        redacted = answer_keep(&answer, NULL, ret_text) > 0; /* base64: redacting would damage it */
    buffer_done(&text);
    return redacted;
}

void submit_gone(struct server *self, const struct action *action)
{
    struct span nobody = span_str("");
    const struct answer *answer = self->in_hand.answer;
    struct buffer conversation;
    struct job *job;

    if (!answer || answer->kind == ANSWER_ERROR || answer->kind == ANSWER_RETURN) {
        submit_end_of(self, action, NULL, true); /* nothing to keep */
        return;
    }
    buffer_init(&conversation);
    if (action->recorded)
        (void)records_one(tail_connection(self->tail), action->id, clock_utc_us(), see_conversation,
                          &conversation);
    job = job_new(JOB_GONE, action->id, buffer_span(&conversation), nobody, nobody);
    buffer_done(&conversation);
    job->settles = job->recorded = job->parked = true;
    job->attempt = action->attempt;
    job->seen_us = action->seen_us;
    memcpy(job->worker, action->worker, sizeof job->worker);
    memcpy(job->service, action->service, sizeof job->service);
    job->redacted = keep_in_hand(self, &job->text);
    committer_submit(self->committer, job);
}

static void see_dead(void *context, const struct delivery_record *record)
{
    bool *dead = context;
    *dead = record->state == DELIVERY_DEAD;
}

void submit_late(struct server *self, const struct action *action)
{
    const struct answer_in_hand *hand = &self->in_hand;
    struct job *job;
    bool dead = false;

    if (!hand->loaded || hand->row.id != action->id || !hand->row.read ||
        hand->answer->kind == ANSWER_ERROR || hand->answer->kind == ANSWER_RETURN)
        return;
    if (committer_queued(self->committer) >= (size_t)self->config.commit_queue)
        return; /* commits stand still, and it may come again and again (I7) */
    (void)records_one(tail_connection(self->tail), action->id, clock_utc_us(), see_dead, &dead);
    if (!dead)
        return;
    job = job_new(JOB_KEEP, action->id, hand->row.conversation_id, hand->row.to_session,
                  hand->row.from_session);
    job->attempt = action->attempt;
    memcpy(job->worker, action->worker, sizeof job->worker);
    job->redacted = keep_in_hand(self, &job->text);
    committer_submit(self->committer, job);
}

/* What needs the row: */

static void submit_dead(struct server *self, int64_t now_us, const struct action *action,
                        const struct tail_row *row)
{
    struct job *job = new_job(self, JOB_DEAD, now_us, action, row);
    struct reply_facts facts;
    struct message query;
    struct buffer failed;

    job->settles = true;
    message_read(&row->columns, &query);
    job->ticket = query.ticket;
    job->asked = query.request;
    facts = job_facts(job, &query);
    facts.redactor = &self->redactor;
    buffer_init(&failed);
    facts.failed = failed_put(self, job, &failed);
    job->redacted =
        dead_compose(span_str(job_reason(job)), &facts, &job->text, &job->metadata) > 0 ||
        redact_shows(span_str(job_reason(job))); /* door.c has, before it was cut */
    buffer_done(&failed);
    submit_note_failures(self, job->id, job->worker);
    committer_submit(self->committer, job);
}

/* Its client has taken it back: nobody is told anything any more. */
static void submit_drop(struct server *self, int64_t now_us, const struct action *action,
                        const struct tail_row *row)
{
    struct job *job = new_job(self, JOB_DROP, now_us, action, row);

    job->settles = true;
    committer_submit(self->committer, job);
}

static void submit_record(struct server *self, int64_t now_us, const struct action *action,
                          const struct tail_row *row)
{
    bool fails = action->kind == ACTION_RETRY || action->kind == ACTION_RETURNED;
    struct job *job = new_job(self, fails ? JOB_FAIL : JOB_LEASE, now_us, action, row);
    int64_t ahead_us = clock_utc_us() - now_us;

    job->claim = action->kind == ACTION_CLAIM;
    job->pid = action->pid;
    job->leased_at_utc_us = action->leased_us + ahead_us;
    job->due_at_utc_us = action->due_us ? action->due_us + ahead_us : 0;
    if (action->kind == ACTION_RETURNED)
        job_set_reason(job, "");
    self->stats.count[fails ? STAT_FAILURES_RECORDED : STAT_LEASES_RECORDED]++;
    committer_submit(self->committer, job);
}

/* The core waits until what ACTION asks for has ended. */
static bool is_end(const struct action *action)
{
    return action->kind == ACTION_DEAD || action->kind == ACTION_DROP;
}

/* ACTION's query wants no answer any more. ROW: NULL when it is gone. */
static void submit_over(struct server *self, int64_t now_us, const struct action *action,
                        const struct tail_row *row)
{
    struct event event = {.kind = EVENT_ENDED};

    submit_end_of(self, action, row, is_end(action));
    if (action->kind == ACTION_CLAIM) {
        event.kind = EVENT_CLAIMED;
        event.claimed.id = action->id;
        event.claimed.ours = false;
    } else {
        event.ended.id = action->id;
    }
    if (!is_end(action))
        dispatch_feed(self->dispatch, now_us, &event);
}

/* A living agent has come to the session of a query that was to be claimed: it is forgotten here,
 * and comes back by a second look (upkeep.h, U3). */
static void leave(struct server *self, int64_t now_us, const struct action *action)
{
    struct event event = {.kind = EVENT_CLAIMED};

    event.claimed.id = action->id;
    event.claimed.ours = false;
    self->stats.count[STAT_LEFT_TO_AGENTS]++;
    dispatch_feed(self->dispatch, now_us, &event);
}

static void submit_row(struct server *self, int64_t now_us, const struct action *action,
                       const struct tail_row *row)
{
    int64_t utc_us = clock_utc_us();
    bool read = row->read && !action->claimed;

    if (action->kind == ACTION_DEAD)
        submit_dead(self, now_us, action, row);
    else if (action->kind == ACTION_DROP)
        submit_drop(self, now_us, action, row);
    else if (action->kind == ACTION_CLAIM && (row->read || !intake_is_live(row, utc_us)))
        submit_over(self, now_us, action, row);
    else if (action->kind == ACTION_CLAIM && action->attempt == 1 &&
             intake_is_agents(self, row, utc_us))
        leave(self, now_us, action);
    else if (action->kind == ACTION_RETRY && (read || !intake_is_live(row, utc_us)))
        submit_over(self, now_us, action, row);
    else
        submit_record(self, now_us, action, row);
}

/* True while what ACTION says of its query still holds: what waited may have been overtaken. */
static bool holds(const struct server *self, const struct action *action)
{
    enum dispatch_place place = dispatch_where(self->dispatch, action->id, NULL);

    if (action->kind == ACTION_RECORD)
        return place == PLACE_LEASED;
    return is_end(action) || (place != PLACE_UNKNOWN && place != PLACE_COMMITTING);
}

/* False when the row cannot be read just now. */
static bool submit(struct server *self, int64_t now_us, const struct action *action)
{
    struct tail_row row;
    int error;

    if (!holds(self, action))
        return true;
    carry_let_go(self);
    error = tail_load(self->tail, action->id, &row);
    if (error == BRIDGE_ABSENT && action->kind != ACTION_RECORD)
        submit_over(self, now_us, action, NULL);
    if (error == BRIDGE_ABSENT)
        return true;
    if (!intake_could_read(self, error))
        return false;
    submit_row(self, now_us, action, &row);
    tail_unload(self->tail);
    return true;
}

void submit_action(struct server *self, int64_t now_us, const struct action *action)
{
    if (self->waiting_count == 0 && submit(self, now_us, action))
        return;
    if (self->waiting_count == self->waiting_room) {
        self->waiting_room = self->waiting_room ? self->waiting_room * 2 : 16;
        self->waiting = memory_grow(self->waiting, self->waiting_room * sizeof *self->waiting);
    }
    self->waiting[self->waiting_count++] = *action;
}

void submit_waiting(struct server *self, int64_t now_us)
{
    size_t done = 0;

    while (done < self->waiting_count && submit(self, now_us, &self->waiting[done]))
        done++;
    if (done == 0)
        return;
    self->waiting_count -= done;
    memmove(self->waiting, self->waiting + done, self->waiting_count * sizeof *self->waiting);
    carry_actions(self, now_us);
}
