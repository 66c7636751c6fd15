#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "adapters/bridge/records.h"
#include "adapters/host/clock.h"
#include "gateway/log.h"
#include "gateway/server.h"

#define DELIVERIES_AT_ONCE 256

/* What a delivery row says, copied so that its query's row can be read. */
struct kept {
    int64_t id;
    bool leased, dead, claimed;
    uint32_t attempt, failed;
    int64_t pid, leased_at_us, due_at_us; /* UTC */
    char service[LIMIT_SERVICE + 1];
    char worker[LIMIT_WORKER_NAME + 1];
    char reason[LIMIT_REASON + 1];
};

struct page {
    struct kept *kept; /* DELIVERIES_AT_ONCE of room */
    size_t count;
};

/* Cut where it must be: these are our own texts, unless somebody has edited them. */
static void copy(char *to, size_t room, struct span text)
{
    size_t size = text.size < room - 1 ? text.size : room - 1;

    if (size)
        memcpy(to, text.data, size);
    to[size] = '\0';
}

static void keep(void *context, const struct delivery_record *record)
{
    struct page *page = context;
    struct kept *kept = &page->kept[page->count++];

    kept->id = record->message_id;
    kept->leased = record->state == DELIVERY_LEASED;
    kept->dead = record->state == DELIVERY_DEAD;
    kept->claimed = record->claimed;
    kept->attempt = record->attempt;
    kept->failed = record->failed;
    kept->pid = record->pid;
    kept->leased_at_us = record->leased_at_us;
    kept->due_at_us = record->due_at_us;
    copy(kept->service, sizeof kept->service, record->service);
    copy(kept->worker, sizeof kept->worker, record->worker);
    copy(kept->reason, sizeof kept->reason, record->reason);
}

struct holder {
    int64_t id, pid;
};

/* The process PID may still work on query ID, which the core holds for it. */
static void watch_holder(struct server *self, int64_t id, int64_t pid)
{
    struct upkeep *upkeep = &self->upkeep;

    if (upkeep->holder_count == upkeep->holder_room) {
        upkeep->holder_room = upkeep->holder_room ? upkeep->holder_room * 2 : 16;
        upkeep->holders =
            memory_grow(upkeep->holders, upkeep->holder_room * sizeof *upkeep->holders);
    }
    upkeep->holders[upkeep->holder_count++] = (struct holder){id, pid};
}

static bool is_gone(int64_t pid)
{
    return kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

/* How long, from UTC_US on, nobody else may have what was in a worker's hands: its lease, where it
 * has one; what heartbeats gets the grace, and on this host, where its process is seen to live, as
 * long as any silent worker. */
static int64_t patience(const struct server *self, const struct kept *kept, int64_t utc_us)
{
    const struct rules *rules = rulebook_find(&self->rulebook, span_str(kept->service));
    int64_t most_us = rules->attempt_hard_max_us;
    int64_t silence_us = WORKERS_MISSED_BEATS * self->config.heartbeat_interval_us;
    int64_t until_us = utc_us + self->config.grace_us;

    if (kept->due_at_us)
        until_us = kept->due_at_us;
    else if (kept->pid && silence_us > self->config.grace_us)
        until_us = utc_us + silence_us;
    if (kept->pid && is_gone(kept->pid))
        until_us = utc_us;
    if (until_us < utc_us)
        return 0;
    return until_us - utc_us < most_us ? until_us - utc_us : most_us;
}

/* When the attempt on record began, monotonic; 0: not known. A clock that was set is not believed
 * beyond what an attempt may last. */
static int64_t begun(const struct server *self, const struct kept *kept, int64_t now_us,
                     int64_t utc_us)
{
    int64_t most_us = rulebook_find(&self->rulebook, span_str(kept->service))->attempt_hard_max_us;
    int64_t ago_us = utc_us - kept->leased_at_us;

    if (kept->leased_at_us == 0)
        return 0;
    if (ago_us < 0)
        ago_us = 0;
    return now_us - (ago_us < most_us ? ago_us : most_us);
}

static void feed_restore(struct server *self, int64_t now_us, const struct kept *kept,
                         const struct tail_row *row)
{
    int64_t utc_us = clock_utc_us();
    struct event event = {.kind = EVENT_RESTORE};
    int64_t pause_us = kept->due_at_us - utc_us;
    int64_t most_us = rulebook_find(&self->rulebook, span_str(kept->service))->backoff_max_us * 2;

    if (kept->leased)
        pause_us = patience(self, kept, utc_us);
    else if (pause_us > most_us)
        pause_us = most_us; /* the clock was set back, or the rules have changed */
    event.restore.id = kept->id;
    event.restore.conversation_id = row->conversation_id;
    event.restore.service = span_str(kept->service);
    event.restore.leased = kept->leased;
    event.restore.claimed = kept->claimed;
    event.restore.attempt = kept->attempt;
    event.restore.failed = kept->failed;
    event.restore.leased_us = begun(self, kept, now_us, utc_us);
    event.restore.until_us = pause_us > 0 ? now_us + pause_us : now_us;
    event.restore.worker = span_str(kept->worker);
    event.restore.pid = kept->pid;
    event.restore.reason = span_str(kept->reason);
    dispatch_feed(self->dispatch, now_us, &event);
    if (kept->leased && kept->pid && pause_us > 0)
        watch_holder(self, kept->id, kept->pid);
    log_event(LOG_INFO, "restored", LOG_INT("id", kept->id), LOG_STR("service", kept->service),
              LOG_INT("attempt", kept->attempt), LOG_STR("worker", kept->worker),
              LOG_US("waits", pause_us > 0 ? pause_us : 0));
}

/* Feeds one delivery row, or has its query's end recorded. Returns a bridge_error. */
static int restore_one(struct server *self, int64_t now_us, const struct kept *kept)
{
    struct tail_row row;
    int error = tail_load(self->tail, kept->id, &row);

    if (error == BRIDGE_ABSENT) {
        submit_end(self, kept->id, NULL, kept->claimed, false);
        return BRIDGE_OK;
    }
    if (error)
        return error;
    if ((row.read && !kept->claimed) || !intake_is_live(&row, clock_utc_us()))
        submit_end(self, kept->id, &row, kept->claimed, false);
    else if (span_is(row.to_session, self->config.serve_session) && kept->service[0])
        feed_restore(self, now_us, kept, &row);
    tail_unload(self->tail);
    return BRIDGE_OK;
}

int restore_deliveries(struct server *self, int64_t now_us)
{
    struct page page = {.kept = memory_zero(DELIVERIES_AT_ONCE, sizeof *page.kept)};
    int64_t after = 0;
    int error;

    do {
        size_t count = 0;
        page.count = 0;
        error = records_open(tail_connection(self->tail), after, DELIVERIES_AT_ONCE, keep, &page,
                             &count);
        for (size_t i = 0; !error && i < page.count; i++) {
            error = restore_one(self, now_us, &page.kept[i]);
            after = page.kept[i].id;
        }
    } while (!error && page.count == DELIVERIES_AT_ONCE);
    free(page.kept);
    return error;
}

/* Second looks. */

/* The delivery row of ID, for a query that the core has forgotten. False: there is none that says
 * anything. */
static bool find_kept(struct server *self, int64_t id, struct kept *ret_kept)
{
    struct page page = {.kept = ret_kept};

    memset(ret_kept, 0, sizeof *ret_kept);
    return records_one(tail_connection(self->tail), id, clock_utc_us(), keep, &page) == BRIDGE_OK &&
           page.count == 1 && ret_kept->attempt > 0 && ret_kept->service[0];
}

/* The core does not know ROW, which wants an answer. */
static void bring_back(struct server *self, int64_t now_us, int64_t id)
{
    struct tail_row row;
    struct kept kept;
    bool found = self->restored && find_kept(self, id, &kept); /* the start has fed them all */

    if (tail_load(self->tail, id, &row) != BRIDGE_OK)
        return; /* another look will come */
    self->stats.count[STAT_FOUND_AGAIN] += self->restored;
    if (found) {
        kept.leased = false;
        kept.due_at_us = 0;
        if (kept.dead) /* a person has set it unread: its failures are forgiven */
            kept.failed = 0;
        feed_restore(self, now_us, &kept, &row);
    } else {
        intake_see(self, now_us, &row);
    }
    tail_unload(self->tail);
}

void restore_end(struct server *self, int64_t now_us, int64_t id, const struct tail_row *row,
                 bool claimed)
{
    struct event event = {.kind = EVENT_ENDED};

    event.ended.id = id;
    submit_end(self, id, row, claimed, false);
    dispatch_feed(self->dispatch, now_us, &event);
}

/* What is to be done with a row that is looked at again. */
enum look { LOOK_LEAVE, LOOK_END, LOOK_UNPARK, LOOK_BRING_BACK };

/* True when the end of query ID, which is at PLACE, comes through the committer. */
static bool is_ending(const struct server *self, int64_t id, enum dispatch_place place)
{
    return place == PLACE_LEASED || place == PLACE_COMMITTING || submit_is_ending(self, id);
}

/* *ret_claimed: ROW's read flag is ours. */
static enum look judge(struct server *self, const struct tail_row *row, bool *ret_claimed)
{
    enum dispatch_place place = dispatch_where(self->dispatch, row->id, ret_claimed);
    int64_t utc_us = clock_utc_us();
    struct message message;
    struct kept kept;

    if (place == PLACE_LEASED || place == PLACE_COMMITTING)
        return LOOK_LEAVE;
    if (place == PLACE_UNKNOWN && row->read)
        *ret_claimed = find_kept(self, row->id, &kept) && kept.claimed;
    if ((row->read && !*ret_claimed) || !intake_is_live(row, utc_us))
        return is_ending(self, row->id, place) ? LOOK_LEAVE : LOOK_END;
    if (place == PLACE_WAITS || row->id <= self->skip_to || settle_is_stuck(self, row->id) ||
        intake_is_agents(self, row, utc_us))
        return LOOK_LEAVE;
    if (*ret_claimed)
        return span_is(row->to_session, self->config.serve_session) ? LOOK_BRING_BACK : LOOK_LEAVE;
    if (!intake_is_ours(self, row, utc_us, &message))
        return LOOK_UNPARK;
    if (self->restored &&
        dispatch_is_beyond(self->dispatch, intake_service(row, &message), row->id))
        return LOOK_LEAVE; /* refilling brings it */
    return LOOK_BRING_BACK;
}

bool restore_look(struct server *self, int64_t now_us, int64_t id)
{
    struct tail_row row;
    enum look look;
    struct job *job;
    bool claimed;
    int error;

    carry_let_go(self);
    error = tail_load(self->tail, id, &row);
    if (error == BRIDGE_ABSENT &&
        !is_ending(self, id, dispatch_where(self->dispatch, id, &claimed)))
        restore_end(self, now_us, id, NULL, claimed);
    if (error == BRIDGE_ABSENT || !intake_could_read(self, error))
        return error == BRIDGE_ABSENT;
    look = judge(self, &row, &claimed);
    if (look == LOOK_END)
        restore_end(self, now_us, id, &row, claimed);
    tail_unload(self->tail);
    if (look == LOOK_BRING_BACK)
        bring_back(self, now_us, id);
    if (look == LOOK_UNPARK) {
        job = job_new(JOB_UNPARK, id, span_str(""), span_str(""), span_str(""));
        committer_submit(self->committer, job);
    }
    carry_actions(self, now_us);
    return true;
}

bool restore_parked(struct server *self, int64_t now_us, size_t limit, bool *ret_more)
{
    struct upkeep *upkeep = &self->upkeep;
    int64_t id[500];
    size_t count = 0;

    if (limit > sizeof id / sizeof id[0])
        limit = sizeof id / sizeof id[0];
    if (!intake_could_read(
            self, records_parked(tail_connection(self->tail), upkeep->looked, limit, id, &count)))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!restore_look(self, now_us, id[i]))
            return false;
        upkeep->looked = id[i];
    }
    *ret_more = count == limit;
    return true;
}

void restore_check_holders(struct server *self, int64_t now_us)
{
    struct upkeep *upkeep = &self->upkeep;
    struct event event = {.kind = EVENT_RELEASE};
    size_t left = 0;

    for (size_t i = 0; i < upkeep->holder_count; i++) {
        struct holder holder = upkeep->holders[i];
        if (!dispatch_holds(self->dispatch, holder.id))
            continue;
        if (!is_gone(holder.pid)) {
            upkeep->holders[left++] = holder;
            continue;
        }
        event.release.id = holder.id;
        event.release.reason = "the gateway stopped, and its worker is gone";
        dispatch_feed(self->dispatch, now_us, &event);
    }
    upkeep->holder_count = left;
    carry_actions(self, now_us);
}
