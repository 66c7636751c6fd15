/* Workers: Majordomo ones of both versions that heartbeat while they are busy and say what they
 * hold, others that do not, plain REQ ones, and plain REP ones. Those the gate dials: it says READY
 * for them, and what they answer to a connection that it has closed is lost. */
#include "tests/sim/sim.h"

#define SILENT_US (8 * SECOND) /* of the gate, after which a worker connects again */
#define HUNG_US (30 * SECOND)  /* after which somebody restarts a plain worker that hangs */

int64_t worker_pid(const struct sim *self, int number)
{
    const struct worker_sim *worker = &self->worker[number];
    return worker->alive && worker->has_pid ? 1000 * (number + 1) + (int64_t)worker->life : 0;
}

void worker_say(struct sim *self, const struct worker_sim *worker, enum frame_kind kind)
{
    const struct frame frame = {.kind = kind};

    if (worker->connection != NOBODY)
        network_to_gate(self, worker->connection, &frame);
}

static void hold(struct frame *frame, const struct token *token, bool genuine)
{
    frame->holding[frame->holdings] = *token;
    frame->genuine[frame->holdings++] = genuine;
}

void worker_say_ready(struct sim *self, const struct worker_sim *worker)
{
    struct frame frame = {.kind = FRAME_READY};

    if (worker->connection == NOBODY)
        return;
    for (unsigned i = 0; worker->holds && i < TASKS_MAX; i++)
        if (worker->task[i].used && !strikes(self, FAULT_HOLDING_LOST, 6))
            hold(&frame, &worker->task[i].token, true);
    if (worker->holds && worker->foreign_id && strikes(self, FAULT_HOLDING_FOREIGN, 3)) {
        struct token token = worker->foreign;
        bool forged = below(self, 2);
        if (forged)
            task_forge(self, &token);
        hold(&frame, &token, !forged);
    }
    network_to_gate(self, worker->connection, &frame);
}

static void connect_soon(struct sim *self, int worker, bool with_ready)
{
    run_at(self, self->now_us + between(self, MS, 400 * MS), WHAT_CONNECT, (unsigned)worker,
           self->worker[worker].life, with_ready);
}

static void be_born(struct sim *self, struct worker_sim *worker, bool for_all)
{
    static const uint32_t interval_ms[] = {0, 700, 1500};
    static const enum worker_protocol protocol[] = {WORKER_MDP_02, WORKER_MDP_02, WORKER_MDP_02,
                                                    WORKER_MDP_02, WORKER_MDP_01, WORKER_MDP_01,
                                                    WORKER_REQ,    WORKER_REQ,    WORKER_REP};
    bool majordomo;

    worker->hired = true;
    worker->protocol = protocol[below(self, sizeof protocol / sizeof protocol[0])];
    majordomo = is_majordomo(worker->protocol);
    worker->heartbeats = majordomo && below(self, 2);
    worker->holds = majordomo && below(self, 8) < (worker->heartbeats ? 6 : 1);
    worker->has_pid = below(self, 3) > 0;
    worker->has_name = worker->heartbeats && below(self, 4);
    worker->slots = majordomo ? 1 + below(self, SLOTS_MAX) : 1;
    worker->interval_ms = interval_ms[below(self, 3)];
    worker->service = for_all ? SERVICES : below(self, SERVICES + 1);
}

void worker_hire(struct sim *self, int number, bool for_all)
{
    struct worker_sim *worker = &self->worker[number];

    if (!worker->hired)
        be_born(self, worker, for_all);
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
    task_drop_all(worker);
    run_at(self, self->now_us + between(self, 10 * MS, 4 * SECOND), WHAT_REVIVE, (unsigned)number,
           worker->life, 0);
}

void worker_hung_up(struct sim *self, int connection)
{
    int number = self->connection[connection].worker;
    struct worker_sim *worker = &self->worker[number];

    trace(self, "the gate hangs up", 0, number, connection);
    network_cut(self, connection, false);
    self->connection[connection].open = false;
    if (worker->connection != connection)
        return;
    worker->connection = NOBODY;
    connect_soon(self, number, true);
}

void worker_reconnect(struct sim *self, int number)
{
    struct worker_sim *worker = &self->worker[number];

    if (!worker->alive)
        return;
    if (worker->connection != NOBODY)
        network_cut(self, worker->connection, !strikes(self, FAULT_CLOSE_UNNOTICED, 3));
    worker->connection = NOBODY;
    connect_soon(self, number,
                 worker->protocol == WORKER_REP || (self->peaceful && worker->holds) ||
                     below(self, 2));
}

/* The gate does not know it, or has given it up. */
static void on_dismissed(struct sim *self, struct worker_sim *worker)
{
    bool forgets = worker->protocol == WORKER_REQ || (!self->peaceful && below(self, 2));

    for (unsigned i = 0; i < TASKS_MAX; i++)
        if (worker->task[i].used && (forgets || worker->task[i].plan == PLAN_SILENCE))
            task_drop(&worker->task[i]);
    worker->waits = true;
    worker_say_ready(self, worker);
}

void worker_frame(struct sim *self, int number, const struct frame *frame)
{
    struct worker_sim *worker = &self->worker[number];

    worker->heard_us = self->now_us;
    if (frame->kind == FRAME_REQUEST) {
        trace(self, "worker has", frame->id, number, frame->token.attempt);
        task_request(self, number, frame);
    } else if (frame->kind == FRAME_DISCONNECT || frame->kind == FRAME_ERROR) {
        trace(self, "worker is dismissed", 0, number, worker->connection);
        on_dismissed(self, worker);
    }
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
    if (is_majordomo(worker->protocol) && strikes(self, FAULT_READY_AGAIN, 25))
        worker_say_ready(self, worker);
    if (is_majordomo(worker->protocol) && strikes(self, FAULT_GARBAGE, 40))
        worker_say(self, worker, FRAME_GARBAGE);
    return true;
}

void worker_ready(struct sim *self, int number)
{
    struct worker_sim *worker = &self->worker[number];

    if (worker->protocol == WORKER_REQ && task_answers_first(self, worker))
        return;
    worker->waits = true;
    worker_say_ready(self, worker);
}

/* A heartbeat; of a worker that stands for several, now and then with how many of them are there.
 */
static void say_beat(struct sim *self, struct worker_sim *worker)
{
    struct frame frame = {.kind = FRAME_BEAT};

    if (worker->slots > 1 && (worker->closed || below(self, 8) == 0)) {
        frame.resized = true;
        frame.slots = below(self, SLOTS_MAX + 1);
        if (worker->closed && frame.slots == 0)
            frame.slots = worker->slots;
        worker->closed = frame.slots == 0;
    }
    network_to_gate(self, worker->connection, &frame);
}

void worker_beat(struct sim *self, int number)
{
    struct worker_sim *worker = &self->worker[number];
    int64_t interval_us = worker->interval_ms ? worker->interval_ms * MS : self->config.beat_us;
    int64_t silent_us = self->now_us - worker->heard_us;
    bool plain = !is_majordomo(worker->protocol);

    run_at(self, self->now_us + interval_us, WHAT_BEAT, (unsigned)number, worker->life, 0);
    if (worker->connection == NOBODY || !misbehaves(self, number))
        return;
    if (plain && task_busy(worker) && silent_us > HUNG_US) {
        worker_crash(self, number);
    } else if ((!plain || !task_busy(worker)) && silent_us > SILENT_US) {
        network_cut(self, worker->connection, !strikes(self, FAULT_CLOSE_UNNOTICED, 3));
        worker->connection = NOBODY;
        connect_soon(self, number, true);
    } else if (!plain && (worker->heartbeats || !task_busy(worker))) {
        say_beat(self, worker);
    }
}
