#include "gateway/actions.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/buffer.h"

struct item {
    struct action action;
    struct item *next;
};

struct actions {
    struct item *first, *last; /* to take */
    struct item *taken;        /* given out, the caller may be looking at it */
    struct item *spare;        /* for reuse */
};

struct actions *actions_new(void)
{
    return memory_zero(1, sizeof(struct actions));
}

static void items_free(struct item *item)
{
    while (item) {
        struct item *next = item->next;
        free(item);
        item = next;
    }
}

void actions_destroy(struct actions **self)
{
    if (!*self)
        return;
    items_free((*self)->first);
    items_free((*self)->taken);
    items_free((*self)->spare);
    free(*self);
    *self = NULL;
}

struct action *actions_add(struct actions *self, enum action_kind kind)
{
    struct item *item = self->spare;

    if (item)
        self->spare = item->next;
    else
        item = memory_new(sizeof *item);
    memset(&item->action, 0, sizeof item->action);
    item->action.kind = kind;
    item->next = NULL;
    if (self->first)
        self->last->next = item;
    else
        self->first = item;
    self->last = item;
    return &item->action;
}

static void name_worker(struct action *action, const struct worker *worker)
{
    action->peer = worker->peer;
    action->protocol = worker->protocol;
    action->pid = worker->pid;
    action->verified = worker->verified;
    memcpy(action->worker, worker->options.name, sizeof action->worker);
    memcpy(action->adapter, worker->options.adapter, sizeof action->adapter);
}

struct action *actions_add_flight(struct actions *self, enum action_kind kind,
                                  const struct flight *flight, const struct worker *worker)
{
    struct action *action = actions_add(self, kind);

    action->id = flight->id;
    action->attempt = flight->lease ? flight->lease->attempt : flight->attempt;
    action->failed = flight->failed;
    action->claimed = flight->claimed || flight->claiming;
    action->recorded = flight->recorded;
    action->seen_us = flight->seen_us;
    action->leased_us = flight->leased_us;
    memcpy(action->service, flight->service->name, sizeof action->service);
    if (flight->reason)
        snprintf(action->reason, sizeof action->reason, "%s", flight->reason);
    if (worker)
        name_worker(action, worker);
    else if (flight->worker)
        snprintf(action->worker, sizeof action->worker, "%s", flight->worker);
    return action;
}

struct action *actions_add_worker(struct actions *self, enum action_kind kind,
                                  const struct worker *worker)
{
    struct action *action = actions_add(self, kind);

    name_worker(action, worker);
    snprintf(action->service, sizeof action->service, "%s", worker_service(worker));
    return action;
}

const struct action *actions_take(struct actions *self)
{
    if (self->taken) {
        self->taken->next = self->spare;
        self->spare = self->taken;
    }
    self->taken = self->first;
    if (!self->taken)
        return NULL;
    self->first = self->taken->next;
    self->taken->next = NULL;
    return &self->taken->action;
}
