/* Workers: Majordomo ones that heartbeat while they are busy, Majordomo ones that do not, and plain
 * REQ ones, with every bad habit that the run's faults allow. What they give is written down, so
 * that the checker knows later what was theirs to give. */
#include "tests/sim/sim.h"

#define SILENT_US (8 * SECOND) /* of the gate, after which a worker connects again */
#define HUNG_US (30 * SECOND)  /* after which somebody restarts a REQ worker that hangs */

static bool busy(const struct worker_sim *worker)
{
    for (unsigned i = 0; i < TASKS_MAX; i++)
        if (worker->task[i].used)
            return true;
    return false;
}

static void drop(struct task *task)
{
    task->used = false;
    task->generation++;
}

static void drop_all(struct worker_sim *worker)
{
    for (unsigned i = 0; i < TASKS_MAX; i++)
        drop(&worker->task[i]);
}

static void say(struct sim *self, const struct worker_sim *worker, enum frame_kind kind)
{
    const struct frame frame = {.kind = kind};

    if (worker->connection != NOBODY)
        network_to_gate(self, worker->connection, &frame);
}

static void connect_soon(struct sim *self, int worker, bool with_ready)
{
    run_at(self, self->now_us + between(self, MS, 400 * MS), WHAT_CONNECT, (unsigned)worker,
           self->worker[worker].life, with_ready);
}

void worker_hire(struct sim *self, int number, bool for_all)
{
    static const uint32_t interval_ms[] = {0, 700, 1500};
    struct worker_sim *worker = &self->worker[number];

    if (!worker->hired) {
        worker->hired = true;
        worker->protocol = below(self, 4) ? WORKER_MDP_02 : WORKER_REQ;
        worker->heartbeats = worker->protocol == WORKER_MDP_02 && below(self, 2);
        worker->slots = worker->protocol == WORKER_REQ ? 1 : 1 + below(self, SLOTS_MAX);
        worker->interval_ms = interval_ms[below(self, 3)];
        worker->service = for_all ? SERVICES : below(self, SERVICES + 1);
    }
    worker->alive = true;
    worker->waits = false;
    worker->life++;
    worker->connection = NOBODY;
    worker->heard_us = self->now_us;
    connect_soon(self, number, true);
    run_at(self, self->now_us + between(self, 0, SECOND), WHAT_BEAT, (unsigned)number, worker->life,
           0);
}

void worker_crash(struct sim *self, int number)
{
    struct worker_sim *worker = &self->worker[number];
    bool noticed = !strikes(self, FAULT_CLOSE_UNNOTICED, 3);

    trace(self, "worker crashes", 0, number, worker->connection);
    if (worker->connection != NOBODY)
        network_cut(self, worker->connection, noticed);
    worker->connection = NOBODY;
    worker->alive = false;
    worker->life++;
    drop_all(worker);
    run_at(self, self->now_us + between(self, 10 * MS, 4 * SECOND), WHAT_REVIVE, (unsigned)number,
           worker->life, 0);
}

void worker_reconnect(struct sim *self, int number)
{
    struct worker_sim *worker = &self->worker[number];

    if (!worker->alive)
        return;
    if (worker->connection != NOBODY)
        network_cut(self, worker->connection, !strikes(self, FAULT_CLOSE_UNNOTICED, 3));
    worker->connection = NOBODY;
    connect_soon(self, number, below(self, 2) == 0);
}

/* Answers. */

static bool give(struct sim *self, int64_t id, bool genuine, bool error, struct frame *frame)
{
    if (self->givens == GIVEN_MAX)
        return false;
    self->given[self->givens] = (struct given){id, genuine, error};
    frame->given = (unsigned)self->givens++;
    return true;
}

static void forge(struct sim *self, struct token *token)
{
    switch (below(self, 3)) {
    case 0:
        token->mac[below(self, TOKEN_MAC_SIZE)] ^= (unsigned char)(1 + below(self, 255));
        break;
    case 1:
        token->attempt++;
        break;
    default: /* the MAC of one row under the id of another */
        token->message_id = token->message_id > 1 ? token->message_id - 1 : 2;
        if (token->message_id > (int64_t)self->rows)
            token->attempt += 7, token->message_id = 1;
        break;
    }
}

static void finish(struct sim *self, struct worker_sim *worker, struct task *task)
{
    struct frame frame = {.kind = FRAME_FINAL, .token = task->token, .retry = true};
    int64_t id = task->id;
    bool error = task->plan == PLAN_ERROR || task->plan == PLAN_NO_RETRY;
    bool forged = task->plan == PLAN_FORGED;

    frame.named = worker->protocol != WORKER_REQ || forged || task->plan == PLAN_FOREIGN ||
                  task->connection != worker->connection || below(self, 2);
    frame.retry = task->plan != PLAN_NO_RETRY;
    if (forged)
        forge(self, &frame.token);
    if (task->plan == PLAN_FOREIGN && worker->foreign_id) {
        frame.token = worker->foreign;
        id = worker->foreign_id;
    }
    if (task->connection != worker->connection && !self->calm)
        self->totals->faults[FAULT_ANSWER_LATE]++;
    worker->foreign = task->token;
    worker->foreign_id = task->id;
    worker->waits = true;
    if (!give(self, forged ? frame.token.message_id : id, !forged, error, &frame))
        return;
    network_to_gate(self, worker->connection, &frame);
    if (task->plan == PLAN_TWICE && worker->protocol != WORKER_REQ) {
        if (give(self, id, true, false, &frame))
            network_to_gate(self, worker->connection, &frame);
    }
}

static void task_again(struct sim *self, int number, unsigned at, int64_t pause_us)
{
    run_at(self, self->now_us + pause_us, WHAT_TASK, (unsigned)number, at,
           self->worker[number].task[at].generation);
}

void worker_task(struct sim *self, int number, unsigned at)
{
    struct worker_sim *worker = &self->worker[number];
    struct task *task = &worker->task[at];

    if (worker->connection == NOBODY) {
        task_again(self, number, at, 200 * MS);
        return;
    }
    if (task->partials > 0 && worker->protocol != WORKER_REQ) {
        const struct frame frame = {.kind = FRAME_PARTIAL, .named = true, .token = task->token};
        task->partials--;
        network_to_gate(self, worker->connection, &frame);
        task_again(self, number, at, between(self, 100 * MS, 3 * SECOND));
        return;
    }
    if (task->plan == PLAN_CRASH) {
        worker_crash(self, number);
        return;
    }
    if (task->plan == PLAN_LEAVE) {
        say(self, worker, FRAME_DISCONNECT);
        task->plan = PLAN_ANSWER; /* it has second thoughts */
        task_again(self, number, at, between(self, MS, 3 * SECOND));
        if (below(self, 2))
            say(self, worker, FRAME_READY);
        return;
    }
    if (worker->protocol != WORKER_REQ || !worker->waits)
        finish(self, worker, task);
    drop(task);
}

static enum plan plan(struct sim *self, const struct worker_sim *worker)
{
    if (strikes(self, FAULT_WORKER_CRASH, 12))
        return PLAN_CRASH;
    if (strikes(self, FAULT_WORKER_SILENT, 12))
        return PLAN_SILENCE;
    if (strikes(self, FAULT_ERROR, 4))
        return PLAN_ERROR;
    if (strikes(self, FAULT_NO_RETRY, 15))
        return PLAN_NO_RETRY;
    if (strikes(self, FAULT_ANSWER_TWICE, 8))
        return PLAN_TWICE;
    if (strikes(self, FAULT_TOKEN_FORGED, 10))
        return PLAN_FORGED;
    if (strikes(self, FAULT_TOKEN_FOREIGN, 10))
        return PLAN_FOREIGN;
    if (worker->protocol != WORKER_REQ && strikes(self, FAULT_WORKER_LEAVES, 20))
        return PLAN_LEAVE;
    return PLAN_ANSWER;
}

static void on_request(struct sim *self, int number, const struct frame *frame)
{
    struct worker_sim *worker = &self->worker[number];
    unsigned at = 0;
    struct task *task;

    worker->waits = false;
    while (at < TASKS_MAX && worker->task[at].used)
        at++;
    if (at == TASKS_MAX)
        return; /* it has lost count of what it does */
    task = &worker->task[at];
    task->used = true;
    task->id = frame->id;
    task->token = frame->token;
    task->connection = worker->connection;
    task->plan = plan(self, worker);
    task->partials = below(self, 5) ? 0 : 1 + below(self, 3);
    if (task->plan != PLAN_SILENCE)
        task_again(self, number, at,
                   below(self, 8) || self->calm ? between(self, MS, SECOND)
                                                : between(self, SECOND, 14 * SECOND));
}

/* The gate does not know it, or has given it up. */
static void on_dismissed(struct sim *self, struct worker_sim *worker)
{
    bool forgets = below(self, 2) || worker->protocol == WORKER_REQ;

    for (unsigned i = 0; i < TASKS_MAX; i++)
        if (worker->task[i].used && (forgets || worker->task[i].plan == PLAN_SILENCE))
            drop(&worker->task[i]);
    worker->waits = true;
    say(self, worker, FRAME_READY);
}

void worker_frame(struct sim *self, int number, const struct frame *frame)
{
    struct worker_sim *worker = &self->worker[number];

    worker->heard_us = self->now_us;
    if (frame->kind == FRAME_REQUEST) {
        trace(self, "worker has", frame->id, number, frame->token.attempt);
        on_request(self, number, frame);
    } else if (frame->kind == FRAME_DISCONNECT || frame->kind == FRAME_ERROR) {
        trace(self, "worker is dismissed", 0, number, worker->connection);
        on_dismissed(self, worker);
    }
}

/* An REQ socket that had not answered yet says its answer in place of READY. */
static bool answers_first(struct sim *self, struct worker_sim *worker)
{
    for (unsigned i = 0; i < TASKS_MAX; i++) {
        struct task *task = &worker->task[i];
        if (!task->used || task->plan != PLAN_ANSWER)
            continue;
        finish(self, worker, task);
        drop_all(worker);
        return true;
    }
    drop_all(worker);
    return false;
}

void worker_connect(struct sim *self, int number)
{
    struct worker_sim *worker = &self->worker[number];

    if (!self->dispatch) {
        connect_soon(self, number, true);
        return;
    }
    if (worker->connection != NOBODY)
        return;
    worker->connection = network_open(self, number);
    worker->heard_us = self->now_us;
    trace(self, "worker connects", 0, number, worker->connection);
}

/* What else an idle moment may bring. Returns false when it has no connection after it. */
static bool misbehaves(struct sim *self, int number)
{
    struct worker_sim *worker = &self->worker[number];

    if (strikes(self, FAULT_LINK_CUT, 25)) {
        bool noticed = !strikes(self, FAULT_CLOSE_UNNOTICED, 3);
        network_cut(self, worker->connection, noticed);
        if (noticed || below(self, 2))
            worker_reconnect(self, number);
        return false;
    }
    if (worker->protocol != WORKER_REQ && strikes(self, FAULT_READY_AGAIN, 25))
        say(self, worker, FRAME_READY);
    if (worker->protocol != WORKER_REQ && strikes(self, FAULT_GARBAGE, 40))
        say(self, worker, FRAME_GARBAGE);
    return true;
}

void worker_ready(struct sim *self, int number)
{
    struct worker_sim *worker = &self->worker[number];

    if (worker->protocol == WORKER_REQ && answers_first(self, worker))
        return;
    worker->waits = true;
    say(self, worker, FRAME_READY);
}

void worker_beat(struct sim *self, int number)
{
    struct worker_sim *worker = &self->worker[number];
    int64_t interval_us = worker->interval_ms ? worker->interval_ms * MS : self->config.beat_us;
    int64_t silent_us = self->now_us - worker->heard_us;
    bool req = worker->protocol == WORKER_REQ;

    run_at(self, self->now_us + interval_us, WHAT_BEAT, (unsigned)number, worker->life, 0);
    if (worker->connection == NOBODY || !misbehaves(self, number))
        return;
    if (req && busy(worker) && silent_us > HUNG_US) {
        worker_crash(self, number);
    } else if ((!req || !busy(worker)) && silent_us > SILENT_US) {
        network_cut(self, worker->connection, !strikes(self, FAULT_CLOSE_UNNOTICED, 3));
        worker->connection = NOBODY;
        connect_soon(self, number, true);
    } else if (!req && (worker->heartbeats || !busy(worker))) {
        say(self, worker, FRAME_BEAT);
    }
}
