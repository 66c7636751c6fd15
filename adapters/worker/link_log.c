#include "adapters/worker/link_log.h"

#include "adapters/worker/absence.h"
#include "gateway/log.h"
#include "proto/limits.h"

static void say_waiting(const struct worker_setup *setup)
{
    char why[LIMIT_REASON] = "no gateway there yet; connecting as soon as it is";
    if (setup->db)
        absence_explain(setup->db, why, sizeof why);
    log_event(LOG_INFO, "waiting", LOG_STR("worker", setup->gate.name),
              LOG_STR("gate", setup->gate.endpoint), LOG_STR("say", why));
}

void link_log(const struct worker_setup *setup, const struct tailgate_event *event)
{
    const struct tailgate_worker_options *gate = &setup->gate;
    switch (event->kind) {
    case TAILGATE_EVENT_READY:
        log_event(LOG_INFO, "ready", LOG_STR("worker", gate->name),
                  LOG_STR("service", gate->service), LOG_INT("slots", gate->slots),
                  LOG_INT("holding", event->count), LOG_STR("gate", gate->endpoint));
        break;
    case TAILGATE_EVENT_LOST:
    case TAILGATE_EVENT_DISMISSED:
        log_event(LOG_WARN, "disconnected", LOG_STR("worker", gate->name),
                  LOG_STR("say", event->text));
        break;
    case TAILGATE_EVENT_ABSENT:
        say_waiting(setup);
        break;
    case TAILGATE_EVENT_REFUSED:
        log_event(LOG_ERROR, "refused", LOG_STR("worker", gate->name),
                  LOG_STR("gate", gate->endpoint), LOG_STR("say", event->text));
        break;
    case TAILGATE_EVENT_ODD:
        log_event(LOG_WARN, "odd-frames", LOG_STR("worker", gate->name),
                  LOG_STR("say", event->text));
        break;
    default:
        break;
    }
}
