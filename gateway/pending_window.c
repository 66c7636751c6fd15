/* P5: what may wait here, and what waits in the file.
 *
 *  W1. What was turned away has an id of service->more_from or above, and its queue's bit is set.
 *
 *  W2. Nothing that waits in a queue has an id above one that its queue has beyond, except what has
 *      come back: so that P1 holds across the two.
 *
 *  W3. Queries that came in ahead of what waits in the file never keep it from being refilled:
 *      there is a limit on them, which leaves a backlog that window_wants() finds small enough. */
#include <stdlib.h>

#include "gateway/pending_inside.h"
#include "proto/buffer.h"

#define BITS 65536u
#define WORD 64u

void window_forget(struct service *service)
{
    service->more_from = 0;
    service->beyond = 0;
    free(service->beyond_bits);
    service->beyond_bits = NULL;
}

bool window_wants(const struct service *service)
{
    return service->more_from && service->backlog <= service->rules->window / 2;
}

static bool has_beyond(const struct service *service, uint64_t key)
{
    const uint64_t *bits = service->beyond_bits;

    return bits && (bits[key % BITS / WORD] >> key % WORD & 1);
}

/* No telling any more which queues have something beyond. */
static void blur(struct service *service)
{
    if (!service->beyond_bits)
        service->beyond_bits = memory_new(BITS / 8);
    memset(service->beyond_bits, 0xff, BITS / 8);
}

static void turn_away(struct service *service, uint64_t key, int64_t id)
{
    if (!service->beyond_bits)
        service->beyond_bits = memory_zero(BITS / WORD, sizeof(uint64_t));
    service->beyond_bits[key % BITS / WORD] |= (uint64_t)1 << key % WORD;
    if (!service->more_from || id < service->more_from)
        service->more_from = id;
    service->beyond++;
}

static bool is_ahead(const struct service *service, int64_t id)
{
    return service->more_from && id >= service->more_from;
}

/* Room for query ID, whose queue is QUEUE or NULL. */
static bool has_room(const struct service *service, const struct conversation *queue, int64_t id)
{
    size_t window = service->rules->window;
    size_t reserve = window < 8 ? 1 : window / 4;
    size_t ahead = window / 2 < reserve ? window / 2 : reserve; /* W3 */

    if (is_ahead(service, id) && service->ahead >= ahead)
        return false;
    return service->backlog < window + (queue && queue->head != NONE ? 0 : reserve);
}

static struct entry entry_of(const struct service *service, const struct waiting *query)
{
    return (struct entry){.id = query->id,
                          .seen_us = query->seen_us,
                          .conversation = query->conversation,
                          .ahead = is_ahead(service, query->id)};
}

/* The last entry of QUEUE (or NULL) that has not come back, if ID comes before it; else NONE. */
static uint32_t last_after(const struct pending *self, const struct conversation *queue, int64_t id)
{
    uint32_t at = queue ? queue->tail : NONE;

    while (at != NONE && self->entry[at].id > id && self->entry[at].returned)
        at = self->entry[at].previous;
    return at != NONE && self->entry[at].id > id ? at : NONE;
}

enum pending_seen pending_append(struct pending *self, struct service *service,
                                 const struct waiting *query)
{
    uint64_t key = queues_key(service, query->conversation);
    struct conversation *queue = queues_get(self, service, key);
    bool room = has_room(service, queue, query->id);
    struct entry entry;
    uint32_t last;

    if (queues_find(self, query->id) != NONE)
        return PENDING_KNOWN;
    last = last_after(self, queue, query->id);
    if (last == NONE && (!room || (is_ahead(service, query->id) && has_beyond(service, key)))) {
        turn_away(service, key, query->id);
        pending_settle(self, service);
        return PENDING_BEYOND;
    }
    entry = entry_of(service, query);
    queues_put(self, service, &entry);
    if (!room) { /* a row that is fed late: the last of its queue gives way (W2) */
        turn_away(service, key, self->entry[last].id);
        queues_drop(self, last);
    }
    pending_settle(self, service);
    return PENDING_WAITS;
}

struct service *pending_want(const struct pending *self)
{
    return self->wanting ? table_owner(self->wanting, struct service, in_want) : NULL;
}

bool pending_refill(struct pending *self, struct service *service, const struct waiting *query)
{
    struct entry entry = entry_of(service, query);

    if (queues_find(self, query->id) != NONE)
        return true;
    if (service->backlog >= service->rules->window)
        return false; /* the reserve is for newcomers */
    entry.ahead = false;
    queues_put(self, service, &entry);
    if (service->beyond > 0)
        service->beyond--;
    pending_settle(self, service);
    return true;
}

void pending_refilled(struct pending *self, struct service *service, int64_t more_from)
{
    if (self->wanting == &service->in_want)
        self->wanting = self->wanting->next;
    if (!more_from) {
        window_forget(service);
    } else {
        if (!service->beyond_bits)
            blur(service);
        if (service->beyond == 0)
            service->beyond = 1;
        service->more_from = more_from;
    }
    pending_settle(self, service);
}

/* A new order. */

static int compare_ids(const void *a, const void *b)
{
    const struct entry *left = a, *right = b;

    return (left->id > right->id) - (left->id < right->id);
}

/* Takes everything out of SERVICE's queues and puts it where it belongs now. What came in ahead of
 * the file for its old queue might break W2 in its new one: back into the file with it. */
static void lay_out(struct pending *self, struct service *service)
{
    size_t count = 0, backlog = service->backlog;
    struct entry *entry = backlog ? memory_new(backlog * sizeof *entry) : NULL;
    struct ring *turn;

    while ((turn = service->turn ? service->turn : service->shut)) {
        uint32_t head = table_owner(turn, struct conversation, ring)->head;
        entry[count++] = self->entry[head];
        queues_drop(self, head);
    }
    if (count)
        qsort(entry, count, sizeof *entry, compare_ids);
    for (size_t i = 0; i < count; i++) {
        if (is_ahead(service, entry[i].id) && !entry[i].returned)
            turn_away(service, queues_key(service, entry[i].conversation), entry[i].id);
        else
            queues_put(self, service, &entry[i]);
    }
    free(entry);
}

void pending_rules(struct pending *self, const struct rulebook *rulebook)
{
    struct service *service = NULL;

    self->rulebook = rulebook;
    while ((service = pending_walk(self, service))) {
        service->rules = rulebook_find(rulebook, span_str(service->name));
        if (service->order != service->rules->order) {
            service->order = service->rules->order;
            if (service->more_from)
                blur(service); /* by other keys */
            lay_out(self, service);
        }
        pending_settle(self, service);
    }
}
