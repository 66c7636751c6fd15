#include "gateway/pending.h"

#include <assert.h>
#include <stdlib.h>

#include "gateway/pending_inside.h"
#include "proto/buffer.h"

struct pending *pending_new(uint64_t seed, const struct rulebook *rulebook)
{
    struct pending *self = memory_zero(1, sizeof *self);

    self->rulebook = rulebook;
    table_init(&self->services, seed);
    queues_init(self, seed + 1);
    return self;
}

static void forget(struct pending *self, struct service *service)
{
    window_forget(service);
    table_remove(&self->services, &service->node);
    free(service);
}

void pending_destroy(struct pending **self)
{
    struct service *service;

    if (!*self)
        return;
    queues_done(*self);
    while ((service = pending_walk(*self, NULL)))
        forget(*self, service);
    table_done(&(*self)->services);
    free(*self);
    *self = NULL;
}

/* Services. */

static void belong(struct ring **turn, struct ring *node, bool belongs)
{
    if (belongs && !ring_holds(node))
        ring_join(turn, node);
    else if (!belongs && ring_holds(node))
        ring_leave(turn, node);
}

void pending_settle(struct pending *self, struct service *service)
{
    belong(&self->turn, &service->in_turn, pending_gives(service));
    belong(&self->wanting, &service->in_want, window_wants(service));
    if (service->holds == 0 && service->backlog == 0 && !service->more_from)
        forget(self, service);
}

static struct service *find(const struct pending *self, struct span name, uint64_t hash)
{
    for (struct table_node *node = table_first(&self->services, hash); node;
         node = table_next(node)) {
        struct service *service = table_owner(node, struct service, node);
        if (span_is(name, service->name))
            return service;
    }
    return NULL;
}

struct service *pending_find(const struct pending *self, struct span name)
{
    return find(self, name, table_hash(&self->services, name.data, name.size));
}

bool pending_is_full(const struct pending *self)
{
    return self->services.count == LIMIT_SERVICES;
}

struct service *pending_hold(struct pending *self, struct span name)
{
    uint64_t hash = table_hash(&self->services, name.data, name.size);
    struct service *service = find(self, name, hash);

    if (service) {
        service->holds++;
        return service;
    }
    assert(name.size > 0 && name.size <= LIMIT_SERVICE);
    if (pending_is_full(self))
        return NULL;
    service = memory_zero(1, sizeof *service);
    memcpy(service->name, name.data, name.size);
    service->rules = rulebook_find(self->rulebook, name);
    service->order = service->rules->order;
    service->holds = 1;
    table_add(&self->services, &service->node, hash);
    return service;
}

void pending_hold_again(struct service *service)
{
    service->holds++;
}

void pending_release(struct pending *self, struct service *service)
{
    assert(service->holds > 0);
    service->holds--;
    pending_settle(self, service);
}

void pending_pause(struct pending *self, struct service *service, bool paused)
{
    service->paused = paused;
    pending_settle(self, service);
}

struct service *pending_turn(struct pending *self)
{
    struct ring *turn = self->turn;

    if (!turn)
        return NULL;
    self->turn = turn->next;
    return table_owner(turn, struct service, in_turn);
}

bool pending_gives(const struct service *service)
{
    return service->turn && !service->paused;
}

/* Queries. */

uint64_t pending_conversation(const struct pending *self, struct span conversation_id)
{
    return table_hash(&self->conversations, conversation_id.data, conversation_id.size);
}

static struct waiting waiting_of(const struct entry *entry)
{
    return (struct waiting){
        .id = entry->id, .seen_us = entry->seen_us, .conversation = entry->conversation};
}

bool pending_take(struct pending *self, struct service *service, struct waiting *ret_query)
{
    struct conversation *queue;
    struct waiting query;

    if (!service->turn)
        return false;
    queue = table_owner(service->turn, struct conversation, ring);
    query = waiting_of(&self->entry[queue->head]);
    query.single = service->order == ORDER_CONVERSATION;
    service->turn = service->turn->next;
    if (query.single)
        queues_engage(self, service, queue->key)->out = query.id;
    queues_drop(self, queue->head);
    pending_settle(self, service);
    *ret_query = query;
    return true;
}

void pending_return(struct pending *self, struct service *service, const struct waiting *query)
{
    const struct entry entry = {.id = query->id,
                                .seen_us = query->seen_us,
                                .conversation = query->conversation,
                                .returned = true};
    struct conversation *queue = queues_get(self, service, query->conversation);

    assert(queues_find(self, query->id) == NONE);
    queues_put(self, service, &entry);
    if (queue && (query->single || queue->out == query->id) && queues_free(self, queue))
        service->holds--;
    pending_settle(self, service);
}

bool pending_engage(struct pending *self, struct service *service, uint64_t conversation)
{
    if (service->order != ORDER_CONVERSATION)
        return false;
    queues_engage(self, service, conversation);
    pending_settle(self, service);
    return true;
}

void pending_free(struct pending *self, struct service *service, uint64_t conversation)
{
    struct conversation *queue = queues_get(self, service, conversation);

    if (queue && queues_free(self, queue))
        service->holds--;
    pending_settle(self, service);
}

bool pending_remove(struct pending *self, int64_t id, struct waiting *ret_query,
                    struct service **ret_service)
{
    uint32_t at = queues_find(self, id);
    struct service *service;

    if (at == NONE)
        return false;
    service = self->entry[at].queue->service;
    if (ret_query)
        *ret_query = waiting_of(&self->entry[at]);
    if (ret_service) {
        pending_hold_again(service);
        *ret_service = service;
    }
    queues_drop(self, at);
    pending_settle(self, service);
    return true;
}

bool pending_waits(const struct pending *self, int64_t id)
{
    return queues_find(self, id) != NONE;
}

/* Figures. */

size_t pending_backlog(const struct pending *self)
{
    return self->backlog;
}

static int64_t oldest_of(const struct pending *self, const struct ring *turn, int64_t oldest)
{
    const struct ring *node = turn;

    if (!turn)
        return oldest;
    do {
        const struct conversation *queue = table_owner(node, const struct conversation, ring);
        if (self->entry[queue->head].seen_us < oldest)
            oldest = self->entry[queue->head].seen_us;
        node = node->next;
    } while (node != turn);
    return oldest;
}

int64_t pending_oldest(const struct pending *self, const struct service *service)
{
    return oldest_of(self, service->shut, oldest_of(self, service->turn, INT64_MAX));
}

struct service *pending_walk(const struct pending *self, const struct service *after)
{
    struct table_node *node = table_walk(&self->services, after ? &after->node : NULL);

    return node ? table_owner(node, struct service, node) : NULL;
}
