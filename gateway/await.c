#include "gateway/await.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "adapters/host/clock.h"
#include "gateway/cli.h"
#include "gateway/log.h"
#include "gateway/manager.h"
#include "gateway/problem.h"

#define LOOK_AGAIN_MS 500 /* besides the watch's hints */
#define LOCK_PATIENCE_US INT64_C(10000000)
#define LOCK_PAUSE_MS 10
#define ENDPOINT_PATIENCE_US INT64_C(2000000)
#define ENDPOINT_PAUSE_MS 50

/* True when a signal that ends us has come. SIGHUP does not: there is nothing to reload yet. */
static bool is_stopped(int signal_fd)
{
    struct signalfd_siginfo info;

    while (read(signal_fd, &info, sizeof info) == sizeof info)
        if (info.ssi_signo != SIGHUP)
            return true;
    return false;
}

static void say_waiting(const struct place *place, int error)
{
    if (error == BRIDGE_BUSY)
        log_event(LOG_INFO, "waiting", LOG_STR("db", place->db),
                  LOG_INT("holder", db_lock_holder(place)),
                  LOG_STR("say", "the database is locked; waiting for it"));
    else
        log_event(LOG_INFO, "waiting", LOG_STR("db", place->db),
                  LOG_STR("say", "there is no bridge yet; waiting until one is made"));
}

int await_bridge(const struct place *place, struct watch *watch, int signal_fd, bool wait,
                 struct vitals *vitals, struct tail **ret_tail, struct place_identity *ret_identity)
{
    bool told = false;

    for (;;) {
        struct pollfd item[] = {{watch_fd(watch), POLLIN, 0}, {signal_fd, POLLIN, 0}};
        struct place_identity identity;
        int missing = place_identify(place, &identity);
        int error = tail_open(place, ret_tail);

        if (error == BRIDGE_OK && !missing) {
            *ret_identity = identity;
            return 0;
        }
        if (error == BRIDGE_OK) { /* it came between the two */
            tail_close(ret_tail);
            continue;
        }
        if (error != BRIDGE_BUSY && (error != BRIDGE_ABSENT || !wait))
            return problem_bridge("serve", place, error, NULL);
        if (!told)
            say_waiting(place, error);
        told = true;
        if (error == BRIDGE_ABSENT)
            manager_ready(vitals, "waiting until there is a bridge");
        poll(item, 2, manager_wait(vitals, LOOK_AGAIN_MS));
        watch_drain(watch);
        if (is_stopped(signal_fd))
            return -1;
    }
}

int await_unlocked(struct await_turn *self, const struct place *place, int signal_fd,
                   struct vitals *vitals)
{
    struct pollfd item = {signal_fd, POLLIN, 0};
    int64_t now_us = clock_mono_us();

    if (!self->until_us) {
        self->until_us = now_us + LOCK_PATIENCE_US;
        say_waiting(place, BRIDGE_BUSY);
    }
    if (now_us >= self->until_us)
        return problem_bridge("serve", place, BRIDGE_BUSY, NULL);
    poll(&item, 1, manager_wait(vitals, LOCK_PAUSE_MS));
    return is_stopped(signal_fd) ? CLI_OK : -1;
}

int await_endpoint(struct await_turn *self, const char *endpoint, bool for_good, int signal_fd,
                   struct vitals *vitals)
{
    struct pollfd item = {signal_fd, POLLIN, 0};
    int64_t now_us = clock_mono_us();

    if (!self->until_us) {
        self->until_us = for_good ? INT64_MAX : now_us + ENDPOINT_PATIENCE_US;
        if (for_good)
            log_event(LOG_INFO, "waiting", LOG_STR("endpoint", endpoint),
                      LOG_STR("say", "somebody else still listens there; waiting for its end"));
    }
    if (now_us >= self->until_us)
        return CLI_FAILED;
    poll(&item, 1, manager_wait(vitals, ENDPOINT_PAUSE_MS));
    return is_stopped(signal_fd) ? CLI_OK : -1;
}
