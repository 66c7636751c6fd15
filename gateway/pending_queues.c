/* Entries, their index by id, and the queues that they stand in.
 *
 *  Q1. An entry stands in one queue, the queue's entries by ascending id.
 *
 *  Q2. A queue with entries is in one ring of its service: `shut` while it is busy and the order is
 *      ORDER_CONVERSATION, `turn` otherwise. One without entries is in none, and is busy. */
#include <assert.h>
#include <stdlib.h>

#include "gateway/pending_inside.h"
#include "proto/buffer.h"

#define ROOM_FIRST 16

void queues_init(struct pending *self, uint64_t seed)
{
    table_init(&self->conversations, seed);
    self->free = NONE;
}

void queues_done(struct pending *self)
{
    struct table_node *node;

    while ((node = table_walk(&self->conversations, NULL))) {
        table_remove(&self->conversations, node);
        free(table_owner(node, struct conversation, node));
    }
    table_done(&self->conversations);
    free(self->entry);
    free(self->bucket);
}

/* The index. */

static uint32_t *bucket_of(const struct pending *self, int64_t id)
{
    return &self->bucket[table_hash_id(&self->conversations, id) & (self->room - 1)];
}

static void index_add(struct pending *self, uint32_t at)
{
    uint32_t *bucket = bucket_of(self, self->entry[at].id);

    self->entry[at].same = *bucket;
    *bucket = at;
}

static void index_remove(struct pending *self, uint32_t at)
{
    uint32_t *link = bucket_of(self, self->entry[at].id);

    while (*link != at)
        link = &self->entry[*link].same;
    *link = self->entry[at].same;
}

uint32_t queues_find(const struct pending *self, int64_t id)
{
    uint32_t at = self->room ? *bucket_of(self, id) : NONE;

    while (at != NONE && self->entry[at].id != id)
        at = self->entry[at].same;
    return at;
}

/* Entries. */

/* Makes room for twice as many entries; there is no free one. */
static void grow(struct pending *self)
{
    uint32_t room = self->room ? self->room * 2 : ROOM_FIRST;

    assert(room > self->room);
    self->entry = memory_grow(self->entry, room * sizeof *self->entry);
    self->bucket = memory_grow(self->bucket, room * sizeof *self->bucket);
    self->room = room;
    for (uint32_t i = 0; i < room; i++)
        self->bucket[i] = NONE;
    for (uint32_t at = 0; at < self->entries; at++)
        index_add(self, at);
}

static uint32_t entry_new(struct pending *self, const struct entry *like)
{
    uint32_t at = self->free;

    if (at != NONE) {
        self->free = self->entry[at].next;
    } else {
        if (self->entries == self->room)
            grow(self);
        at = self->entries++;
    }
    self->entry[at] = *like;
    index_add(self, at);
    return at;
}

/* Queues. */

uint64_t queues_key(const struct service *service, uint64_t conversation)
{
    return service->order == ORDER_FIFO ? 0 : conversation;
}

/* Both parts come out of keyed hashes. */
static uint64_t queue_hash(const struct service *service, uint64_t key)
{
    return service->node.hash ^ key;
}

struct conversation *queues_get(const struct pending *self, const struct service *service,
                                uint64_t key)
{
    struct table_node *node = table_first(&self->conversations, queue_hash(service, key));

    for (; node; node = table_next(node)) {
        struct conversation *queue = table_owner(node, struct conversation, node);
        if (queue->service == service && queue->key == key)
            return queue;
    }
    return NULL;
}

static struct conversation *queue_new(struct pending *self, struct service *service, uint64_t key)
{
    struct conversation *queue = memory_zero(1, sizeof *queue);

    queue->service = service;
    queue->key = key;
    queue->head = queue->tail = NONE;
    table_add(&self->conversations, &queue->node, queue_hash(service, key));
    return queue;
}

/* Puts QUEUE into the ring that it belongs to (Q2), or forgets it. */
static void queue_settle(struct pending *self, struct conversation *queue)
{
    struct service *service = queue->service;
    bool waits = queue->head != NONE;
    bool shut = queue->busy > 0 && service->order == ORDER_CONVERSATION;

    if (ring_holds(&queue->ring) && (!waits || queue->shut != shut))
        ring_leave(queue->shut ? &service->shut : &service->turn, &queue->ring);
    if (waits && !ring_holds(&queue->ring)) {
        queue->shut = shut;
        ring_join(shut ? &service->shut : &service->turn, &queue->ring);
    }
    if (!waits && queue->busy == 0) {
        table_remove(&self->conversations, &queue->node);
        free(queue);
    }
}

/* The entry of QUEUE after which ID belongs, or NONE: from both ends at once, as what is out of
 * order has come back and belongs to the front, or there is little behind it. */
static uint32_t place_of(const struct pending *self, const struct conversation *queue, int64_t id)
{
    const struct entry *entry = self->entry;
    uint32_t front = queue->head, back = queue->tail;

    while (back != NONE && entry[back].id > id) {
        if (entry[front].id > id)
            return entry[front].previous;
        front = entry[front].next;
        back = entry[back].previous;
    }
    return back;
}

void queues_put(struct pending *self, struct service *service, const struct entry *like)
{
    uint64_t key = queues_key(service, like->conversation);
    struct conversation *queue = queues_get(self, service, key);
    uint32_t at = entry_new(self, like), previous, next;

    if (!queue)
        queue = queue_new(self, service, key);
    previous = place_of(self, queue, like->id);
    next = previous == NONE ? queue->head : self->entry[previous].next;
    self->entry[at].queue = queue;
    self->entry[at].previous = previous;
    self->entry[at].next = next;
    *(previous == NONE ? &queue->head : &self->entry[previous].next) = at;
    *(next == NONE ? &queue->tail : &self->entry[next].previous) = at;
    service->ahead += like->ahead;
    service->backlog++;
    self->backlog++;
    queue_settle(self, queue);
}

void queues_drop(struct pending *self, uint32_t at)
{
    struct entry *entry = &self->entry[at];
    struct conversation *queue = entry->queue;
    struct service *service = queue->service;

    *(entry->previous == NONE ? &queue->head : &self->entry[entry->previous].next) = entry->next;
    *(entry->next == NONE ? &queue->tail : &self->entry[entry->next].previous) = entry->previous;
    index_remove(self, at);
    service->ahead -= entry->ahead;
    service->backlog--;
    self->backlog--;
    entry->next = self->free;
    self->free = at;
    queue_settle(self, queue);
}

struct conversation *queues_engage(struct pending *self, struct service *service, uint64_t key)
{
    struct conversation *queue = queues_get(self, service, key);

    if (!queue)
        queue = queue_new(self, service, key);
    queue->busy++;
    queue_settle(self, queue);
    pending_hold_again(service);
    return queue;
}

bool queues_free(struct pending *self, struct conversation *queue)
{
    if (queue->busy == 0)
        return false;
    queue->busy--;
    queue_settle(self, queue);
    return true;
}
