#include "gateway/manager.h"

#include <inttypes.h>
#include <stdio.h>

#include "adapters/host/clock.h"
#include "adapters/host/notify.h"

/* For the last commit, the workers of --work and the goodbyes, besides drain.timeout. */
#define ENDING_US INT64_C(30000000)
#define MESSAGE_SIZE (VITALS_STATUS_SIZE + 200)

void manager_init(struct vitals *vitals)
{
    vitals_init(vitals, notify_is_wanted(), notify_watchdog_us(), clock_mono_us());
}

void manager_ready(struct vitals *vitals, const char *status)
{
    char message[MESSAGE_SIZE];

    if (!vitals_changed(vitals, clock_mono_us(), status))
        return;
    snprintf(message, sizeof message, "READY=1\nSTATUS=%s", vitals->status);
    (void)notify_send(message); /* a manager that is gone has nobody to be told */
}

int manager_wait(struct vitals *vitals, int most_ms)
{
    int64_t now_us = clock_mono_us(), left_ms;

    if (vitals_beats(vitals, now_us, 0))
        (void)notify_send("WATCHDOG=1");
    if (vitals_due(vitals) == INT64_MAX)
        return most_ms;
    left_ms = (vitals_due(vitals) - now_us) / 1000 + 1;
    if (left_ms > INT32_MAX)
        left_ms = INT32_MAX;
    return most_ms >= 0 && most_ms < left_ms ? most_ms : (int)left_ms;
}

void manager_reloading(const struct vitals *vitals)
{
    char message[MESSAGE_SIZE];

    if (!vitals->wanted)
        return;
    snprintf(message, sizeof message, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_mono_us());
    (void)notify_send(message);
}

void manager_reloaded(const struct vitals *vitals)
{
    if (vitals->wanted)
        (void)notify_send("READY=1");
}

void manager_stopping(struct vitals *vitals, int64_t timeout_us, const char *why)
{
    char message[MESSAGE_SIZE], status[VITALS_STATUS_SIZE];

    snprintf(status, sizeof status, "stopping: %s", why);
    if (!vitals_changed(vitals, clock_mono_us(), status))
        return;
    snprintf(message, sizeof message, "STOPPING=1\nSTATUS=%s\nEXTEND_TIMEOUT_USEC=%" PRId64,
             vitals->status, timeout_us + ENDING_US);
    (void)notify_send(message);
}

/* Queries that wait for a worker, in memory and in the file. */
static size_t waiting(const struct server *server)
{
    const struct pending *pending = dispatch_pending(server->dispatch);
    struct service *service = NULL;
    size_t count = 0;

    while ((service = pending_walk(pending, service)))
        count += service->backlog + service->beyond;
    return count;
}

static const char *condition(const struct server *server)
{
    if (server->draining)
        return "stopping";
    if (server->committer_state != COMMITTER_OK)
        return "not committing";
    if (server->blocked_since_us)
        return "not reading";
    return dispatch_paused(server->dispatch) ? "paused" : "serving";
}

void manager_run(struct server *server, int64_t now_us)
{
    struct vitals *vitals = &server->vitals;
    char message[MESSAGE_SIZE], status[VITALS_STATUS_SIZE];

    if (vitals_beats(vitals, now_us, committer_busy_since(server->committer)))
        (void)notify_send("WATCHDOG=1");
    if (!vitals_looks(vitals, now_us))
        return;
    snprintf(status, sizeof status,
             "%s: %" PRIu64 " answered, %zu in flight, %zu waiting, %zu workers", condition(server),
             server->stats.count[STAT_ANSWERED], dispatch_outstanding(server->dispatch),
             waiting(server), workers_count(dispatch_workers(server->dispatch)));
    if (!vitals_changed(vitals, now_us, status))
        return;
    snprintf(message, sizeof message, "STATUS=%s", vitals->status);
    (void)notify_send(message);
}
