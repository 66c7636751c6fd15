/* What the gateway does around the core by itself: what a start restores, refilling from the file,
 * the slow second look at rows, what operators ask for, and what need wait no more. */
#include "tests/sim/sim.h"

static int64_t monotonic(const struct sim *self, int64_t wall_us)
{
    return wall_us - self->wall_ahead_us;
}

static bool process_lives(const struct sim *self, int64_t pid)
{
    for (int i = 0; i < WORKERS_MAX; i++)
        if (worker_pid(self, i) == pid)
            return true;
    return false;
}

/* Until when nobody else gets what DELIVERY says. */
static int64_t due_us(const struct sim *self, const struct delivery_row *delivery)
{
    bool leased = delivery->state == DELIVERY_LEASED;

    if (leased && delivery->pid && !process_lives(self, delivery->pid))
        return self->now_us;
    if (delivery->due_wall_us == 0)
        return self->now_us + self->config.grace_us;
    return monotonic(self, delivery->due_wall_us);
}

/* When the attempt that DELIVERY is about began, no longer ago than it may last. */
static int64_t leased_us(const struct sim *self, const struct row *row)
{
    int64_t most_us = run_rules(self, row->service)->attempt_hard_max_us;
    int64_t began_us = monotonic(self, row->delivery.leased_wall_us);

    if (began_us > self->now_us)
        return self->now_us;
    return began_us < self->now_us - most_us ? self->now_us - most_us : began_us;
}

static void feed_restore(struct sim *self, const struct row *row, bool leased, int64_t until_us)
{
    const struct delivery_row *delivery = &row->delivery;
    struct event event = {.kind = EVENT_RESTORE};

    event.restore.id = row->id;
    event.restore.conversation_id = span_str(self->conversation[row->conversation].name);
    event.restore.service = span_str(service_name[row->service]);
    event.restore.leased = leased;
    event.restore.claimed = delivery->claimed;
    event.restore.attempt = delivery->attempt;
    event.restore.failed = delivery->failed;
    event.restore.until_us = until_us;
    event.restore.leased_us = leased_us(self, row);
    event.restore.worker = span_str(delivery->worker);
    event.restore.pid = delivery->pid;
    event.restore.reason = span_str(delivery->failed ? "it has failed before" : "");
    self->totals->restored++;
    check_restored(self, &event);
    carry_feed(self, &event);
}

static bool is_on_record(const struct row *row)
{
    return row->delivery.state == DELIVERY_LEASED || row->delivery.state == DELIVERY_WAITING;
}

static void restore(struct sim *self, struct row *row)
{
    const struct delivery_row *delivery = &row->delivery;
    struct job *job;

    row->left = false;
    if (!is_on_record(row))
        return;
    if (!store_open(self, row, delivery->claimed)) {
        job = store_submit(self, JOB_END, row->id);
        job->claimed = delivery->claimed;
        job->recorded = true;
        return;
    }
    feed_restore(self, row, delivery->state == DELIVERY_LEASED, due_us(self, delivery));
}

static void feed_pause(struct sim *self, unsigned service, bool on)
{
    struct event event = {.kind = EVENT_PAUSE};

    if (service < SERVICES)
        event.pause.service = span_str(service_name[service]);
    event.pause.on = on;
    carry_feed(self, &event);
}

void upkeep_pause(struct sim *self, unsigned service, bool on)
{
    trace(self, on ? "paused" : "goes on", 0, service, 0);
    self->paused[service] = on;
    feed_pause(self, service, on);
}

void upkeep_start(struct sim *self)
{
    self->config.seed = self->random ^ self->run;
    if (self->claim_changes)
        self->config.claim = below(self, 2);
    self->config.record_at_once = self->run ? below(self, 10) : 0;
    self->totals->restarts += self->run > 0;
    self->run++;
    self->cursor = 0;
    self->order_changed = self->draining = false;
    self->dispatch = dispatch_new(&self->config);
    check_start(self);
    trace(self, "gateway starts", 0, self->run, self->config.claim);
    for (unsigned i = 0; i <= SERVICES; i++)
        if (self->paused[i])
            feed_pause(self, i, true);
    for (size_t i = 0; i < self->rows; i++)
        restore(self, &self->row[i]);
    self->tail_waits = true;
    run_at(self, self->now_us + between(self, MS, 20 * MS), WHAT_TAIL, self->run, 0, 0);
    run_at(self, self->now_us + between(self, 100 * MS, 3 * SECOND), WHAT_SWEEP, self->run, 0, 0);
}

struct event upkeep_query(const struct sim *self, const struct row *row)
{
    struct event event = {.kind = EVENT_QUERY};

    event.query.id = row->id;
    event.query.conversation_id = span_str(self->conversation[row->conversation].name);
    event.query.service = span_str(service_name[row->service]);
    return event;
}

/* Refilling (P5). */

void upkeep_refill_soon(struct sim *self)
{
    struct refill refill;

    if (self->broken || self->refilling || !dispatch_want(self->dispatch, &refill))
        return;
    self->refilling = true;
    run_at(self, self->now_us + between(self, 20, 5 * MS), WHAT_REFILL, self->run, 0, 0);
}

void upkeep_refill(struct sim *self)
{
    struct refill refill;
    unsigned most = 1 + below(self, 8);
    int64_t id;

    self->refilling = false;
    if (!dispatch_want(self->dispatch, &refill))
        return;
    for (id = refill.from; id <= self->cursor && most > 0; id++, most--) {
        struct row *row = &self->row[id - 1];
        const struct event query = upkeep_query(self, row);
        if (!span_is(query.query.service, refill.service) || !store_open(self, row, false))
            continue;
        if (store_agents(self, row)) {
            row->left = dispatch_where(self->dispatch, id, NULL) == PLACE_UNKNOWN;
            continue;
        }
        row->left &= dispatch_where(self->dispatch, id, NULL) == PLACE_UNKNOWN;
        if (!dispatch_refill(self->dispatch, self->now_us, &query))
            break;
        self->known[id - 1].seen = true;
        if (row->left)
            check_seen_again(self, id);
        row->left = false;
    }
    trace(self, "refilled", 0, refill.from, id);
    self->totals->refills++;
    dispatch_refilled(self->dispatch, self->now_us, span_str(refill.service),
                      id > self->cursor ? 0 : id);
    carry_all(self);
}

/* Withdrawing. */

void upkeep_withdraw(struct sim *self, int64_t id)
{
    struct event event = {.kind = EVENT_WITHDRAW};

    if (self->calm || !store_unsettled(self, &self->row[id - 1]))
        return;
    run_at(self, self->now_us + between(self, 20 * MS, SECOND), WHAT_WITHDRAW, (unsigned)id, 0, 0);
    if (!self->dispatch)
        return;
    event.withdraw.id = id;
    event.withdraw.dead = below(self, 2);
    event.withdraw.reason = event.withdraw.dead ? "nobody came for it" : NULL;
    trace(self, "to be withdrawn", id, event.withdraw.dead, 0);
    check_before_withdraw(self, &event);
    carry_feed(self, &event);
    check_after_withdraw(self, &event);
}

/* The second look. */

/* ROW is not to be served any more, and the core has it. */
static void end(struct sim *self, const struct row *row)
{
    struct event event = {.kind = EVENT_ENDED};
    struct job *job;
    bool claimed;

    if (dispatch_where(self->dispatch, row->id, &claimed) != PLACE_WAITS)
        return; /* it ends when its worker answers */
    trace(self, "seen to have ended", row->id, claimed, 0);
    event.ended.id = row->id;
    check_ended(self, row->id);
    carry_feed(self, &event);
    job = store_submit(self, JOB_END, row->id);
    job->claimed = claimed;
    job->recorded = true;
}

static void look_for_process(struct sim *self, const struct row *row)
{
    struct event event = {.kind = EVENT_RELEASE};

    if (!dispatch_holds(self->dispatch, row->id) || !row->delivery.pid ||
        process_lives(self, row->delivery.pid))
        return;
    trace(self, "its worker's process is gone", row->id, row->delivery.pid, 0);
    event.release.id = row->id;
    event.release.reason = "its process is gone";
    self->releasing = row->id;
    carry_feed(self, &event);
    self->releasing = 0;
}

/* The core does not know ROW, which wants an answer. */
static void bring_back(struct sim *self, struct row *row)
{
    const struct event event = upkeep_query(self, row);

    if (!check_unknown(self, row) || (!row->left && (!self->looks_again || below(self, 2))))
        return;
    trace(self, "seen again", row->id, row->left, 0);
    row->left = false;
    self->known[row->id - 1].seen = true;
    if (is_on_record(row)) {
        feed_restore(self, row, false, self->now_us);
    } else {
        check_seen_again(self, row->id);
        carry_feed(self, &event);
    }
}

void upkeep_sweep(struct sim *self)
{
    run_at(self, self->now_us + between(self, SECOND, 4 * SECOND), WHAT_SWEEP, self->run, 0, 0);
    for (int64_t id = 1; id <= self->cursor && !self->broken; id++) {
        struct row *row = &self->row[id - 1];
        bool known = dispatch_where(self->dispatch, id, NULL) != PLACE_UNKNOWN;
        if (known && !store_unsettled(self, row))
            end(self, row);
        else if (known)
            look_for_process(self, row);
        else if (store_unsettled(self, row) && !store_agents(self, row))
            bring_back(self, row);
    }
}
