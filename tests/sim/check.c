/* What is promised, judged from what goes into the core and what comes out of it, by counts of the
 * checker's own.
 *
 *   I1  every query ends in exactly one way, or still waits for want of a living worker
 *   I2  one reply, in one commit with the read flag and its audit row; one decision in each run
 *   I5  answers count with the valid token of any attempt, errors only for the current one
 *   I7  no more outstanding than `queue` when something is given out, no more leases than slots,
 *       no lease beyond its end, nothing held for ever
 *   D1  one current lease for each query
 *   D4  `attempts` failed ones, each counted once; what was not handed over costs nothing, nor
 *       does what is given back, RETURNS_FREE times
 *   D5  what was held back goes on by itself
 *   D6  a failure is in the file before the next attempt; an attempt that lasts is, too
 *   D7  with `claim`, nothing is handed over that is not claimed in the file
 *   D8  what was in a worker's hands before a restart is given to nobody else before its time
 *   D9  what waits is withdrawn, and nothing else: it ends once, dead for that reason or dropped
 *   W2  Majordomo workers are beaten to and missed for silence, no others; who is given up is told,
 *       but for REQ workers
 *   P1  by id within a conversation, or a service that is FIFO
 *   P2  where the order is by conversation, one in flight for each */
#include "tests/sim/sim.h"

#define PAUSE_US (10 * MS) /* the core's, after a row could not be read */

void check_broke(struct sim *self, const char *promise, int64_t id, const char *text)
{
    trace_violation(self, promise, id, text);
}

struct known *check_known(struct sim *self, int64_t id)
{
    return &self->known[id - 1];
}

void check_start(struct sim *self)
{
    for (size_t i = 0; i < ROWS_MAX; i++)
        self->known[i] = (struct known){.holder = NOBODY};
    self->outstanding = 0;
    self->records_at_once = self->config.record_at_once;
}

void check_let_go(struct sim *self, struct known *known)
{
    self->outstanding -= known->holder != NOBODY || known->committing;
    known->holder = NOBODY;
    known->committing = known->held = false;
}

bool check_end_lease(struct sim *self, struct connection *connection, int64_t id, uint32_t attempt)
{
    connection->quiet_us = self->now_us;
    for (unsigned i = 0; i < connection->held; i++) {
        if (connection->lease[i].id == id && connection->lease[i].attempt == attempt) {
            connection->lease[i] = connection->lease[--connection->held];
            return true;
        }
    }
    return false;
}

int64_t check_last(struct sim *self, int64_t id)
{
    return check_known(self, id)->begun_us +
           run_rules(self, self->row[id - 1].service)->attempt_hard_max_us;
}

void check_lease_times(struct sim *self, struct known *known, int64_t id, int64_t most_us)
{
    const struct rules *rules = run_rules(self, self->row[id - 1].service);
    int64_t end_us = known->begun_us + rules->attempt_max_us;

    if (end_us < self->now_us + most_us)
        end_us = self->now_us + most_us;
    if (!self->connection[known->holder].heartbeats && end_us > self->now_us + rules->lease_us)
        end_us = self->now_us + rules->lease_us;
    if (end_us > known->hard_us)
        end_us = known->hard_us;
    known->lease_end_us = end_us;
}

/* Giving out. */

static bool is_fresh(const struct sim *self, const struct known *known, const struct row *row)
{
    return store_open(self, row, false) && !row->left && known->seen && known->begun == 0 &&
           !known->over && !known->settled && !known->held && !known->claiming &&
           known->holder == NOBODY && known->undelivered_us != self->now_us;
}

static bool is_under_way(const struct sim *self, const struct known *known)
{
    return known->holder != NOBODY || known->committing || known->held ||
           (known->resting && self->now_us < known->due_us);
}

/* What comes back may be ahead of what waits in the file (P5). */
static void check_order(struct sim *self, int64_t id)
{
    const struct row *row = &self->row[id - 1];
    enum order order = run_rules(self, row->service)->order;
    bool again = check_known(self, id)->begun > 0 || check_known(self, id)->undelivered_us;

    for (int64_t i = 1; i <= (int64_t)self->rows && !self->order_changed; i++) {
        const struct row *other = &self->row[i - 1];
        const struct known *known = check_known(self, i);
        bool same = other->conversation == row->conversation;
        if (i == id || other->service != row->service || (!same && order != ORDER_FIFO))
            continue;
        if (i < id && !again && is_fresh(self, known, other)) {
            trace(self, "the older one", i, 0, 0);
            check_broke(self, "P1", id, "given out before an older one of its queue");
        } else if (same && order == ORDER_CONVERSATION && is_under_way(self, known)) {
            trace(self, "the other one", i, known->held, known->holder);
            check_broke(self, "P2", id, "given out while another one of its conversation is");
        }
    }
}

static void check_counts(struct sim *self, const struct action *action)
{
    const struct known *known = check_known(self, action->id);
    const struct row *row = &self->row[action->id - 1];
    const struct delivery_row *delivery = &row->delivery;
    const struct rules *rules = run_rules(self, row->service);
    bool standing = delivery->state == DELIVERY_LEASED || delivery->state == DELIVERY_WAITING;

    if (action->attempt != known->begun + 1)
        check_broke(self, "D4", action->id, "its number is not one more than was handed over");
    else if (action->failed != known->failed)
        check_broke(self, "D4", action->id, "its failures are miscounted");
    else if (action->failed >= rules->attempts && !self->reloaded)
        check_broke(self, "D4", action->id, "more attempts than there may be");
    else if ((standing ? delivery->failed : 0) < action->failed && store_unsettled(self, row))
        check_broke(self, "D6", action->id, "given out before its failure is in the file");
    else if (known->resting && self->now_us < known->due_us)
        check_broke(self, "D4", action->id, "given out before its back-off is over");
}

/* A lease begins. UNSAID: it began before, when the row was being claimed for another worker. */
static void begin(struct sim *self, const struct action *action, bool unsaid)
{
    int number = network_connection(&action->peer);
    struct connection *to = &self->connection[number];
    struct known *known = check_known(self, action->id);
    unsigned service = self->row[action->id - 1].service;

    check_counts(self, action);
    if (!known->seen || known->settled || known->over)
        check_broke(self, "I2", action->id, "given out after its end was decided");
    else if (known->holder != NOBODY)
        check_broke(self, "D1", action->id, "leased to two workers at once");
    else if (known->held)
        check_broke(self, "D8", action->id, "given out while its worker may still have it");
    else if (!to->registered || (to->service != SERVICES && to->service != service))
        check_broke(self, "D1", action->id, "given to a worker that does not serve it");
    else if (to->held >= to->slots)
        check_broke(self, "I7", action->id, "more leases than the worker has slots");
    else if (self->outstanding >= self->config.queue && !unsaid)
        check_broke(self, "I7", action->id, "more outstanding than the queue allows");
    else if ((self->paused[service] || self->paused[SERVICES]) && !unsaid)
        check_broke(self, "D5", action->id, "given out while its service is paused");
    else if (self->full && !action->claimed)
        check_broke(self, "D5", action->id, "given out while commits have no room");
    else if (self->draining && !unsaid)
        check_broke(self, "D5", action->id, "given out while the gateway is to stop");
    if (!unsaid)
        check_order(self, action->id);
    if (self->broken)
        return;
    to->lease[to->held++] = (struct held){action->id, action->attempt};
    to->quiet_us = self->now_us;
    known->holder = number;
    known->holder_sent = known->recorded = known->at_once = known->prolonged = false;
    known->resting = known->relet = false;
    known->attempt = action->attempt;
    self->outstanding++;
}

static void on_claim(struct sim *self, const struct action *action)
{
    struct known *known = check_known(self, action->id);

    trace(self, "claim", action->id, network_connection(&action->peer), action->attempt);
    if (known->claiming)
        check_broke(self, "D7", action->id, "claimed twice at once");
    begin(self, action, false);
    known->claiming = true;
}

/* The holder's lease begins now, and keeps its times when the rules change before it is sent. */
static void set_lease(struct sim *self, struct known *known, int64_t id)
{
    const int64_t last_us = known->begun_us;

    known->begun_us = known->given_us = self->now_us;
    known->hard_us = check_last(self, id);
    if (known->holder != NOBODY)
        check_lease_times(self, known, id, 0);
    known->begun_us = last_us;
}

static void on_deliver(struct sim *self, const struct action *action)
{
    int number = network_connection(&action->peer);
    struct known *known = check_known(self, action->id);
    unsigned service = self->row[action->id - 1].service;

    trace(self, "deliver", action->id, number, action->attempt);
    if (self->config.claim && !self->row[action->id - 1].delivery.claimed)
        check_broke(self, "D7", action->id, "handed over before it was claimed");
    else if (self->config.claim && !action->claimed)
        check_broke(self, "D7", action->id, "handed over without a claim");
    if (known->holder != number || known->holder_sent || known->attempt != action->attempt)
        begin(self, action, known->relet);
    else if (self->paused[service] || self->paused[SERVICES] || self->draining)
        check_broke(self, "D7", action->id, "handed over after its claim, and nothing may be");
    else if (!self->config.claim)
        check_broke(self, "D1", action->id, "handed over twice");
    set_lease(self, known, action->id);
}

void check_delivered(struct sim *self, const struct action *action)
{
    struct known *known = check_known(self, action->id);

    if (known->holder != network_connection(&action->peer) || known->attempt != action->attempt) {
        check_broke(self, "D1", action->id, "sent to a worker that does not have it");
        return;
    }
    known->holder_sent = true;
    known->begun = action->attempt;
    known->begun_us = known->given_us;
    known->delivered_us = self->now_us;
    known->at_once = self->records_at_once > 0;
    self->records_at_once -= known->at_once;
}

void check_undelivered(struct sim *self, const struct action *action, enum undeliverable why)
{
    static const char *const what[] = {"not delivered: ended", "not delivered: peer gone",
                                       "not delivered: peer full", "not delivered: row busy"};
    struct known *known = check_known(self, action->id);
    int number = network_connection(&action->peer);

    trace(self, what[why], action->id, number, action->attempt);
    if (why == UNDELIVERABLE_BUSY)
        self->paused_until_us = self->now_us + PAUSE_US + 1;
    if (known->holder != number || known->attempt != action->attempt)
        return;
    check_end_lease(self, &self->connection[number], action->id, action->attempt);
    check_let_go(self, known);
    known->undelivered_us = self->now_us;
    known->over = known->over || why == UNDELIVERABLE_ENDED;
}

/* Failing. */

/* Whether what KNOWN's worker had before the restart may be let go now (D8). */
static bool may_let_go(struct sim *self, const struct known *known, int64_t id)
{
    const struct frame *frame = self->joining;

    if (self->now_us >= known->held_until_us || self->now_us >= check_last(self, id) ||
        self->releasing == id || !store_row(self, id) || (!self->nested && self->heard_of == id))
        return true;
    for (unsigned i = 0; frame && i < frame->holdings; i++)
        if (frame->holding[i].message_id == id && frame->genuine[i])
            return false;
    return frame && self->joining_pid && self->joining_pid == known->held_pid &&
           strcmp(self->joining_name, known->held_worker) == 0;
}

static void check_failure(struct sim *self, const struct action *action)
{
    struct known *known = check_known(self, action->id);
    const struct rules *rules = run_rules(self, self->row[action->id - 1].service);
    bool dead = action->kind == ACTION_DEAD;
    bool said_so = !self->nested && self->no_retry == action->id;

    if (known->settled)
        check_broke(self, "I2", action->id, "failed after its end was decided");
    else if (known->held && !may_let_go(self, known, action->id))
        check_broke(self, "D8", action->id, "let go while its worker may still have it");
    else if (!known->held &&
             (known->holder == NOBODY || !known->holder_sent || action->attempt != known->begun))
        check_broke(self, "D4", action->id, "an attempt failed that nobody has");
    else if (!known->held && check_keeps(self, known->holder, action->id, action->attempt))
        check_broke(self, "D8", action->id, "failed, and its worker says that it has it");
    else if (!self->nested && self->past_error == action->id)
        check_broke(self, "I5", action->id, "an error counted that is not of the current attempt");
    else if (action->failed != known->failed + 1)
        check_broke(self, "D4", action->id, "a failure was not counted once");
    else if (self->returning == action->id && known->returned < RETURNS_FREE)
        check_broke(self, "D4", action->id, "what was given back counts as failed");
    else if (dead && !said_so && action->failed < rules->attempts)
        check_broke(self, "D4", action->id, "dead before its attempts were made");
    else if (!dead && (action->failed >= rules->attempts || self->no_retry == action->id))
        check_broke(self, "D4", action->id, "another attempt where there is none");
    else if (!dead && action->due_us < self->now_us + rules->backoff_first_us * 3 / 4)
        check_broke(self, "D4", action->id, "no back-off");
}

static void on_failed(struct sim *self, const struct action *action)
{
    struct known *known = check_known(self, action->id);
    bool dead = action->kind == ACTION_DEAD;

    if (dead && self->withdrawing == action->id && !self->nested) {
        check_withdrawn(self, action);
        return;
    }
    trace(self, dead ? "dead" : "retry", action->id, known->holder, action->attempt);
    check_failure(self, action);
    check_let_go(self, known);
    known->failed = action->failed;
    known->resting = !dead;
    known->writing += !dead;
    known->due_us = action->due_us;
    if (dead) {
        known->settled = known->committing = true;
        self->outstanding++;
    }
}

static void on_returned(struct sim *self, const struct action *action)
{
    struct known *known = check_known(self, action->id);

    trace(self, "returned", action->id, known->holder, known->returned);
    if (self->returning != action->id)
        check_broke(self, "I5", action->id, "a return counted that is not of the current attempt");
    else if (known->returned >= RETURNS_FREE)
        check_broke(self, "D4", action->id, "given back for nothing too often");
    else if (action->failed != known->failed)
        check_broke(self, "D4", action->id, "what was given back counts as failed");
    check_let_go(self, known);
    known->returned++;
    known->writing += action->recorded;
    known->resting = true;
    known->due_us = action->due_us;
}

static void on_record(struct sim *self, const struct action *action)
{
    struct known *known = check_known(self, action->id);
    const struct connection *at = known->holder == NOBODY ? NULL : &self->connection[known->holder];

    trace(self, "record", action->id, known->holder, action->attempt);
    if (!at || !known->holder_sent || known->attempt != action->attempt)
        check_broke(self, "D6", action->id, "a lease was recorded that nobody has");
    else if (!known->at_once && !known->prolonged &&
             self->now_us < known->delivered_us + self->config.record_after_us)
        check_broke(self, "D6", action->id, "fast work was recorded");
    else if (at->heartbeats != (action->due_us == 0))
        check_broke(self, "D8", action->id, "its worker's lease was recorded as another's");
    else if (action->leased_us != known->begun_us)
        check_broke(self, "D8", action->id, "recorded as begun when it did not");
    known->recorded = true;
    known->recorded_due_us = action->due_us;
}

/* The rest. */

static void on_answer(struct sim *self, const struct action *action)
{
    struct known *known = check_known(self, action->id);

    trace(self, action->kind == ACTION_GONE ? "gone" : "accepted", action->id, 0, action->attempt);
    if (known->settled)
        check_broke(self, "I2", action->id, "its end was decided twice");
    if (!self->in_hand)
        check_broke(self, "I2", action->id, "an answer out of nothing");
    self->took = true;
    if (known->holder != NOBODY && !known->holder_sent)
        check_end_lease(self, &self->connection[known->holder], action->id, known->attempt);
    check_let_go(self, known);
    known->settled = known->committing = true;
    known->resting = false;
    self->outstanding++;
}

void check_action(struct sim *self, const struct action *action)
{
    static void (*const on[])(struct sim *, const struct action *) = {
        [ACTION_DELIVER] = on_deliver,
        [ACTION_CLAIM] = on_claim,
        [ACTION_RECORD] = on_record,
        [ACTION_ANSWER] = on_answer,
        [ACTION_DEAD] = on_failed,
        [ACTION_GONE] = on_answer,
        [ACTION_DROP] = check_withdrawn,
        [ACTION_HEARTBEAT] = check_beaten,
        [ACTION_DISCONNECT] = check_dismissed,
        [ACTION_RETRY] = on_failed,
        [ACTION_RETURNED] = on_returned,
        [ACTION_JOINED] = check_joined,
        [ACTION_LEFT] = check_left,
        [ACTION_ADOPTED] = check_adopted,
        [ACTION_PARTIAL] = check_prolonged,
        [ACTION_REFUSED] = NULL,
    };

    if (on[action->kind])
        on[action->kind](self, action);
    else if (action->kind == ACTION_REFUSED)
        trace(self, "refused", action->id, action->refusal, action->attempt);
}
