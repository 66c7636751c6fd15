/* What workers do with a query, with every bad habit that the run's faults allow. What they give is
 * written down, so that the checker knows later what was theirs to give. */
#include "tests/sim/sim.h"

#define STEP_US (200 * MS) /* between two looks for a connection */

bool task_busy(const struct worker_sim *worker)
{
    for (unsigned i = 0; i < TASKS_MAX; i++)
        if (worker->task[i].used)
            return true;
    return false;
}

void task_drop(struct task *task)
{
    task->used = false;
    task->generation++;
}

void task_drop_all(struct worker_sim *worker)
{
    for (unsigned i = 0; i < TASKS_MAX; i++)
        task_drop(&worker->task[i]);
}

static bool give(struct sim *self, const struct given *given, struct frame *frame)
{
    if (self->givens == GIVEN_MAX)
        return false;
    self->given[self->givens] = *given;
    frame->given = (unsigned)self->givens++;
    return true;
}

void task_forge(struct sim *self, struct token *token)
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
    struct given given = {.id = task->id};
    bool majordomo = is_majordomo(worker->protocol);
    int to = worker->protocol == WORKER_REP ? task->connection : worker->connection;

    given.genuine = task->plan != PLAN_FORGED;
    given.error = task->plan == PLAN_ERROR || task->plan == PLAN_NO_RETRY;
    given.returned = task->plan == PLAN_RETURN;
    frame.named = worker->protocol != WORKER_REQ || !given.genuine || task->plan == PLAN_FOREIGN ||
                  task->connection != worker->connection || below(self, 2);
    frame.retry = task->plan != PLAN_NO_RETRY;
    if (!given.genuine) {
        task_forge(self, &frame.token);
        given.id = frame.token.message_id;
    }
    if (task->plan == PLAN_FOREIGN && worker->foreign_id) {
        frame.token = worker->foreign;
        given.id = worker->foreign_id;
    }
    if (task->connection != worker->connection && !self->calm)
        self->totals->faults[FAULT_ANSWER_LATE]++;
    worker->foreign = task->token;
    worker->foreign_id = task->id;
    worker->waits = true;
    if (!give(self, &given, &frame))
        return;
    network_to_gate(self, to, &frame);
    if (task->plan == PLAN_TWICE && majordomo && give(self, &given, &frame))
        network_to_gate(self, to, &frame);
}

static void task_again(struct sim *self, int number, unsigned at, int64_t pause_us)
{
    run_at(self, self->now_us + pause_us, WHAT_TASK, (unsigned)number, at,
           self->worker[number].task[at].generation);
}

/* Those plans that end otherwise than by a word to the gate. */
static void run_away(struct sim *self, int number, unsigned at)
{
    struct worker_sim *worker = &self->worker[number];
    struct task *task = &worker->task[at];
    enum plan plan = task->plan;

    task->plan = PLAN_ANSWER; /* it has second thoughts */
    if (plan == PLAN_LEAVE) {
        worker_say(self, worker, FRAME_DISCONNECT);
        task_again(self, number, at, between(self, MS, 3 * SECOND));
        if (below(self, 2))
            worker_say_ready(self, worker);
        return;
    }
    if (plan == PLAN_CRASH_GATEWAY)
        task_again(self, number, at, between(self, MS, 3 * SECOND));
    if (plan != PLAN_CRASH_GATEWAY)
        worker_crash(self, number);
    if (plan != PLAN_CRASH && self->dispatch)
        trouble_crash(self);
}

void task_step(struct sim *self, int number, unsigned at)
{
    struct worker_sim *worker = &self->worker[number];
    struct task *task = &worker->task[at];

    if (worker->connection == NOBODY) {
        task_again(self, number, at, STEP_US);
        return;
    }
    if (task->partials > 0 && worker->protocol == WORKER_MDP_02) {
        const struct frame frame = {.kind = FRAME_PARTIAL, .named = true, .token = task->token};
        task->partials--;
        network_to_gate(self, worker->connection, &frame);
        task_again(self, number, at,
                   between(self, 100 * MS, self->peaceful || self->calm ? 300 * MS : 3 * SECOND));
        return;
    }
    if (task->plan == PLAN_CRASH || task->plan == PLAN_CRASH_GATEWAY ||
        task->plan == PLAN_CRASH_BOTH || task->plan == PLAN_LEAVE) {
        run_away(self, number, at);
        return;
    }
    if (worker->protocol != WORKER_REQ || !worker->waits)
        finish(self, worker, task);
    task_drop(task);
}

static enum plan poisoned(struct sim *self)
{
    static const enum plan plan[] = {PLAN_CRASH, PLAN_CRASH_GATEWAY, PLAN_CRASH_BOTH};
    return plan[below(self, 3)];
}

static enum plan make_plan(struct sim *self, const struct worker_sim *worker, const struct row *row)
{
    if (row->poison && !self->calm)
        return poisoned(self);
    if (row->returned && !self->calm && below(self, 30))
        return PLAN_RETURN;
    if (strikes(self, FAULT_WORKER_CRASH, 12))
        return PLAN_CRASH;
    if (strikes(self, FAULT_WORKER_SILENT, 12))
        return PLAN_SILENCE;
    if (strikes(self, FAULT_ERROR, 4))
        return PLAN_ERROR;
    if (strikes(self, FAULT_NO_RETRY, 15))
        return PLAN_NO_RETRY;
    if (strikes(self, FAULT_RETURNED, 12))
        return PLAN_RETURN;
    if (strikes(self, FAULT_ANSWER_TWICE, 8))
        return PLAN_TWICE;
    if (strikes(self, FAULT_TOKEN_FORGED, 10))
        return PLAN_FORGED;
    if (strikes(self, FAULT_TOKEN_FOREIGN, 10))
        return PLAN_FOREIGN;
    if (is_majordomo(worker->protocol) && strikes(self, FAULT_WORKER_LEAVES, 20))
        return PLAN_LEAVE;
    return PLAN_ANSWER;
}

static int64_t how_long(struct sim *self, const struct row *row)
{
    if (self->peaceful && !self->calm)
        return between(self, MS, below(self, 2) ? 2500 * MS : SECOND);
    if (row->returned && !self->calm)
        return between(self, MS, 100 * MS);
    if (below(self, 8) || self->calm)
        return between(self, MS, SECOND);
    return between(self, SECOND, 14 * SECOND);
}

void task_request(struct sim *self, int number, const struct frame *frame)
{
    struct worker_sim *worker = &self->worker[number];
    const struct row *row = &self->row[frame->id - 1];
    unsigned at = 0;
    struct task *task;

    worker->waits = false;
    check_execution(self, (unsigned)number, row);
    while (at < TASKS_MAX && worker->task[at].used)
        at++;
    if (at == TASKS_MAX)
        return; /* it has lost count of what it does */
    task = &worker->task[at];
    task->used = true;
    task->id = frame->id;
    task->token = frame->token;
    task->connection = worker->connection;
    task->plan = make_plan(self, worker, row);
    task->partials =
        below(self, 5) ? 0 : 1 + below(self, self->peaceful || below(self, 4) ? 3 : 14);
    if (task->plan != PLAN_SILENCE)
        task_again(self, number, at, how_long(self, row));
}

bool task_answers_first(struct sim *self, struct worker_sim *worker)
{
    for (unsigned i = 0; i < TASKS_MAX; i++) {
        struct task *task = &worker->task[i];
        if (!task->used || task->plan != PLAN_ANSWER)
            continue;
        finish(self, worker, task);
        task_drop_all(worker);
        return true;
    }
    task_drop_all(worker);
    return false;
}
