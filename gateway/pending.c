#include "gateway/pending.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/buffer.h"

#define NONE UINT32_MAX
#define RETURN_LOOK 1000

/* The waiting queries of one conversation in one service. */
struct conversation {
    struct table_node node;
    struct service *service;
    uint64_t key;
    uint32_t head, tail;                  /* entries; never NONE, an empty one is freed */
    struct conversation *next, *previous; /* in the ring of its service */
};

/* Entries live in one array, chained by index: 24 bytes for each waiting query. */
struct entry {
    int64_t id;
    int64_t seen_us;
    uint32_t next;
};

struct pending {
    struct table services;
    struct table conversations; /* by service and key */
    struct entry *entry;
    uint32_t entries, free; /* entries made; the first free one */
    size_t backlog;
    struct service *turn; /* the ring of P4 */
};

struct pending *pending_new(uint64_t seed)
{
    struct pending *self = memory_zero(1, sizeof *self);
    table_init(&self->services, seed);
    table_init(&self->conversations, seed + 1);
    self->free = NONE;
    return self;
}

void pending_destroy(struct pending **self)
{
    struct table_node *node;

    if (!*self)
        return;
    while ((node = table_walk(&(*self)->conversations, NULL))) {
        table_remove(&(*self)->conversations, node);
        free(table_owner(node, struct conversation, node));
    }
    while ((node = table_walk(&(*self)->services, NULL))) {
        table_remove(&(*self)->services, node);
        free(table_owner(node, struct service, node));
    }
    table_done(&(*self)->conversations);
    table_done(&(*self)->services);
    free((*self)->entry);
    free(*self);
    *self = NULL;
}

struct service *pending_hold(struct pending *self, struct span name)
{
    uint64_t hash = table_hash(&self->services, name.data, name.size);
    struct service *service;

    for (struct table_node *node = table_first(&self->services, hash); node;
         node = table_next(node)) {
        service = table_owner(node, struct service, node);
        if (span_is(name, service->name)) {
            service->holds++;
            return service;
        }
    }
    assert(name.size > 0 && name.size <= LIMIT_SERVICE);
    if (self->services.count == LIMIT_SERVICES)
        return NULL;
    service = memory_zero(1, sizeof *service);
    memcpy(service->name, name.data, name.size);
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
    if (--service->holds > 0 || service->backlog > 0)
        return;
    table_remove(&self->services, &service->node);
    free(service);
}

uint64_t pending_conversation(const struct pending *self, struct span conversation_id)
{
    return table_hash(&self->conversations, conversation_id.data, conversation_id.size);
}

/* Entries. */

static uint32_t entry_new(struct pending *self, const struct waiting *query)
{
    uint32_t at = self->free;

    if (at == NONE) {
        /* Doubling from 16 keeps entries a power of two whenever the array is full. */
        if (self->entries == 0 || (self->entries >= 16 && !(self->entries & (self->entries - 1)))) {
            size_t room = self->entries ? (size_t)self->entries * 2 : 16;
            assert(room < NONE);
            self->entry = memory_grow(self->entry, room * sizeof(struct entry));
        }
        at = self->entries++;
    } else {
        self->free = self->entry[at].next;
    }
    self->entry[at] = (struct entry){query->id, query->seen_us, NONE};
    return at;
}

static void entry_free(struct pending *self, uint32_t at)
{
    self->entry[at].next = self->free;
    self->free = at;
}

/* The two rings. */

static void service_join(struct pending *self, struct service *service)
{
    if (!self->turn) {
        self->turn = service->next = service->previous = service;
        return;
    }
    service->next = self->turn; /* before the one whose turn it is: the end of the line */
    service->previous = self->turn->previous;
    service->previous->next = service->next->previous = service;
}

static void service_leave(struct pending *self, struct service *service)
{
    if (service->next == service) {
        self->turn = NULL;
    } else {
        service->previous->next = service->next;
        service->next->previous = service->previous;
        if (self->turn == service)
            self->turn = service->next;
    }
    service->next = service->previous = NULL;
}

static void conversation_join(struct service *service, struct conversation *conversation)
{
    if (!service->turn) {
        service->turn = conversation->next = conversation->previous = conversation;
        return;
    }
    conversation->next = service->turn;
    conversation->previous = service->turn->previous;
    conversation->previous->next = conversation->next->previous = conversation;
}

static void conversation_leave(struct service *service, struct conversation *conversation)
{
    if (conversation->next == conversation) {
        service->turn = NULL;
        return;
    }
    conversation->previous->next = conversation->next;
    conversation->next->previous = conversation->previous;
    if (service->turn == conversation)
        service->turn = conversation->next;
}

/* The conversation KEY in SERVICE, or NULL; *ret_hash is its place in the table. */
static struct conversation *find(struct pending *self, struct service *service, uint64_t key,
                                 uint64_t *ret_hash)
{
    const struct {
        const struct service *service;
        uint64_t key;
    } name = {service, key};
    uint64_t hash = table_hash(&self->conversations, &name, sizeof name);

    *ret_hash = hash;
    for (struct table_node *node = table_first(&self->conversations, hash); node;
         node = table_next(node)) {
        struct conversation *conversation = table_owner(node, struct conversation, node);
        if (conversation->service == service && conversation->key == key)
            return conversation;
    }
    return NULL;
}

/* P3. Whoever comes back has been given out before all that has not, so the smaller ids in front of
 * it are those that came back already; of many, RETURN_LOOK are looked at. */
static void put_back(struct pending *self, struct conversation *conversation, uint32_t at)
{
    uint32_t *link = &conversation->head;

    for (int i = 0; i < RETURN_LOOK && *link != NONE; i++) {
        if (self->entry[*link].id > self->entry[at].id)
            break;
        link = &self->entry[*link].next;
    }
    self->entry[at].next = *link;
    if (*link == NONE)
        conversation->tail = at;
    *link = at;
}

static void add(struct pending *self, struct service *service, const struct waiting *query,
                bool front)
{
    uint32_t at = entry_new(self, query);
    uint64_t hash;
    struct conversation *conversation = find(self, service, query->conversation, &hash);

    if (!conversation) {
        conversation = memory_zero(1, sizeof *conversation);
        conversation->service = service;
        conversation->key = query->conversation;
        conversation->head = conversation->tail = at;
        table_add(&self->conversations, &conversation->node, hash);
        conversation_join(service, conversation);
    } else if (front) {
        put_back(self, conversation, at);
    } else {
        self->entry[conversation->tail].next = at;
        conversation->tail = at;
    }
    if (service->backlog++ == 0)
        service_join(self, service);
    self->backlog++;
}

void pending_append(struct pending *self, struct service *service, const struct waiting *query)
{
    add(self, service, query, false);
}

void pending_return(struct pending *self, struct service *service, const struct waiting *query)
{
    add(self, service, query, true);
}

bool pending_take(struct pending *self, struct service *service, struct waiting *ret_query)
{
    struct conversation *conversation = service->turn;
    uint32_t at;

    if (!conversation)
        return false;
    at = conversation->head;
    *ret_query = (struct waiting){self->entry[at].id, self->entry[at].seen_us, conversation->key};
    conversation->head = self->entry[at].next;
    entry_free(self, at);
    if (conversation->head == NONE) {
        conversation_leave(service, conversation);
        table_remove(&self->conversations, &conversation->node);
        free(conversation);
    } else {
        service->turn = conversation->next;
    }
    self->backlog--;
    if (--service->backlog == 0) {
        service_leave(self, service);
        service->holds++; /* it may go now, unless somebody else holds it */
        pending_release(self, service);
    }
    return true;
}

struct service *pending_turn(struct pending *self)
{
    struct service *service = self->turn;
    if (service)
        self->turn = service->next;
    return service;
}

size_t pending_backlog(const struct pending *self)
{
    return self->backlog;
}

int64_t pending_oldest(const struct pending *self, const struct service *service)
{
    const struct conversation *conversation = service->turn;
    int64_t oldest = INT64_MAX;

    if (!conversation)
        return oldest;
    do {
        if (self->entry[conversation->head].seen_us < oldest)
            oldest = self->entry[conversation->head].seen_us;
        conversation = conversation->next;
    } while (conversation != service->turn);
    return oldest;
}

struct service *pending_walk(const struct pending *self, const struct service *after)
{
    struct table_node *node = table_walk(&self->services, after ? &after->node : NULL);
    return node ? table_owner(node, struct service, node) : NULL;
}
