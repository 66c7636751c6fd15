/* What is promised of workers: who is beaten to, who is missed, who is told (W2), and what becomes
 * of what one had. */
#include "tests/sim/sim.h"

void check_beaten(struct sim *self, const struct action *action)
{
    if (!is_majordomo(self->connection[network_connection(&action->peer)].protocol))
        check_broke(self, "W2", 0, "a heartbeat for a worker that would take it for a query");
}

void check_dismissed(struct sim *self, const struct action *action)
{
    struct connection *connection = &self->connection[network_connection(&action->peer)];

    connection->dismissed = true;
    if (connection->protocol == WORKER_REQ)
        check_broke(self, "W2", 0, "a DISCONNECT for a worker that would take it for a query");
}

bool check_keeps(struct sim *self, int number, int64_t id, uint32_t attempt)
{
    const struct known *known = check_known(self, id);
    bool current = known->holder == number && known->attempt == attempt;

    return !self->nested && self->joining && self->joining_at == number &&
           (!current || known->holder_sent) && check_names(self, id, attempt);
}

/* Its worker is none any more. What was not handed over goes back without a word. */
static void lose(struct sim *self, struct known *known, int64_t id)
{
    if (known->holder_sent)
        check_broke(self, "I1", id, "its worker was lost, and nothing was said of it");
    check_let_go(self, known);
    known->relet = known->claiming;
    known->undelivered_us = self->now_us;
}

void check_left(struct sim *self, const struct action *action)
{
    int number = network_connection(&action->peer);
    struct connection *connection = &self->connection[number];
    unsigned kept = 0;

    trace(self, "left", 0, number, connection->held);
    if (self->ticking && !self->nested && !connection->dismissed &&
        connection->protocol != WORKER_REQ)
        check_broke(self, "W2", 0, "a worker was given up without a word to it");
    connection->registered = false;
    for (unsigned i = 0; i < connection->held; i++) {
        const struct held *held = &connection->lease[i];
        struct known *known = check_known(self, held->id);
        bool current = known->holder == number && known->attempt == held->attempt;
        if (check_keeps(self, number, held->id, held->attempt))
            connection->lease[kept++] = *held;
        else if (current)
            lose(self, known, held->id);
    }
    connection->held = kept;
}

void check_silence(struct sim *self)
{
    for (size_t i = 0; i < self->connections && !self->config.claim; i++) {
        const struct connection *connection = &self->connection[i];
        uint32_t interval_ms = self->worker[connection->worker].interval_ms;
        int64_t interval_us = interval_ms ? interval_ms * MS : self->config.beat_us;
        int64_t last_us =
            connection->quiet_us + WORKERS_MISSED_BEATS * interval_us + self->config.beat_us;
        if (!connection->registered || !is_majordomo(connection->protocol) ||
            (connection->held > 0 && !connection->heartbeats) || self->now_us <= last_us)
            continue;
        trace(self, "silent", 0, (int64_t)i, self->now_us - connection->quiet_us);
        check_broke(self, "W2", 0, "a worker is silent, and still counted on");
    }
}
