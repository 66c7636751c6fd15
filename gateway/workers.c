#include "gateway/workers.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/buffer.h"

#define LOOK_AGAIN_US 10000 /* at a worker whose silence could not be judged yet */
#define RECENT 4096         /* conversations whose last worker is remembered; a power of two */

/* Who was given a conversation's last query. One place for many conversations: whoever comes last
 * has it. */
struct recent {
    uint64_t conversation;
    struct worker *worker;
};

struct workers {
    struct table table; /* by peer */
    int64_t beat_us;
    struct timers *timers;
    struct pending *pending;
    struct worker *all_first, *all_last; /* idle ones for all services */
    size_t for_all;                      /* registered for all services */
    int64_t left_us;                     /* when the last of those left; 0: none did */
    uint64_t named;                      /* names given */
    struct recent recent[RECENT];
};

struct workers *workers_new(uint64_t seed, int64_t beat_us, struct timers *timers,
                            struct pending *pending)
{
    struct workers *self = memory_zero(1, sizeof *self);
    table_init(&self->table, seed);
    self->beat_us = beat_us;
    self->timers = timers;
    self->pending = pending;
    return self;
}

void workers_destroy(struct workers **self)
{
    struct table_node *node;

    if (!*self)
        return;
    while ((node = table_walk(&(*self)->table, NULL)))
        workers_remove(*self, 0, table_owner(node, struct worker, node));
    table_done(&(*self)->table);
    free(*self);
    *self = NULL;
}

static uint64_t hash_peer(const struct workers *self, const struct peer *peer)
{
    return table_hash(&self->table, peer->id, peer->size) ^ peer->door;
}

/* The idle list that WORKER belongs to. */
static struct worker **list_first(struct workers *self, struct worker *worker)
{
    return worker->service ? &worker->service->idle_first : &self->all_first;
}

static struct worker **list_last(struct workers *self, struct worker *worker)
{
    return worker->service ? &worker->service->idle_last : &self->all_last;
}

static void idle_leave(struct workers *self, struct worker *worker)
{
    if (!worker->idle)
        return;
    if (worker->idle_previous)
        worker->idle_previous->idle_next = worker->idle_next;
    else
        *list_first(self, worker) = worker->idle_next;
    if (worker->idle_next)
        worker->idle_next->idle_previous = worker->idle_previous;
    else
        *list_last(self, worker) = worker->idle_previous;
    worker->idle_next = worker->idle_previous = NULL;
    worker->idle = false;
}

static void idle_join(struct workers *self, struct worker *worker)
{
    struct worker **last = list_last(self, worker);

    worker->idle_previous = *last;
    worker->idle_next = NULL;
    if (*last)
        (*last)->idle_next = worker;
    else
        *list_first(self, worker) = worker;
    *last = worker;
    worker->idle = true;
}

/* WORKER, which is nobody's yet, is registered for OWN (held; NULL: all services). */
static void join(struct workers *self, int64_t now_us, struct worker *worker, struct service *own,
                 const struct worker_options *options)
{
    worker->options = *options;
    worker->service = own;
    if (own)
        own->workers++;
    self->for_all += !own;
    worker->since_us = worker->heard_us = worker->sent_us = now_us;
    worker->served = 0;
    worker->stalled = false;
    if (options->name[0] == '\0')
        snprintf(worker->options.name, sizeof worker->options.name, "worker-%llu",
                 (unsigned long long)++self->named);
    workers_used(self, worker);
    if (worker_beats(worker->protocol))
        workers_rearm(self, worker, now_us);
}

/* WORKER is registered for nothing any more. */
static void leave(struct workers *self, int64_t now_us, struct worker *worker)
{
    idle_leave(self, worker);
    timers_disarm(self->timers, &worker->timer);
    for (size_t i = 0; i < RECENT; i++)
        if (self->recent[i].worker == worker)
            self->recent[i].worker = NULL;
    if (!worker->service) {
        self->for_all--;
        self->left_us = now_us;
    } else {
        worker->service->left_us = now_us;
        worker->service->workers--;
        pending_release(self->pending, worker->service);
    }
}

/* *RET_OWN is the service of that NAME, held; NULL: all. False: there is no room for it. */
static bool hold(struct workers *self, struct span name, struct service **ret_own)
{
    *ret_own = span_is(name, SERVICE_ALL) ? NULL : pending_hold(self->pending, name);
    return *ret_own || span_is(name, SERVICE_ALL);
}

struct worker *workers_add(struct workers *self, int64_t now_us, const struct peer *peer,
                           enum worker_protocol protocol, const struct envelope *envelope,
                           struct span service, const struct worker_options *options)
{
    struct worker *worker;
    struct service *own;

    assert(!workers_find(self, peer));
    if (self->table.count == LIMIT_WORKERS || !hold(self, service, &own))
        return NULL;
    worker = memory_zero(1, sizeof *worker);
    worker->peer = *peer;
    worker->protocol = protocol;
    worker->envelope = *envelope;
    worker->timer.kind = TIMER_WORKER;
    table_add(&self->table, &worker->node, hash_peer(self, peer));
    join(self, now_us, worker, own, options);
    return worker;
}

bool workers_again(struct workers *self, int64_t now_us, struct worker *worker,
                   enum worker_protocol protocol, const struct envelope *envelope,
                   struct span service, const struct worker_options *options)
{
    struct service *own;

    if (!hold(self, service, &own))
        return false;
    leave(self, now_us, worker);
    worker->protocol = protocol;
    worker->envelope = *envelope;
    join(self, now_us, worker, own, options);
    return true;
}

void workers_remove(struct workers *self, int64_t now_us, struct worker *worker)
{
    assert(!worker->leases);
    leave(self, now_us, worker);
    table_remove(&self->table, &worker->node);
    free(worker);
}

struct worker *workers_find(const struct workers *self, const struct peer *peer)
{
    struct table_node *node = table_first(&self->table, hash_peer(self, peer));

    for (; node; node = table_next(node)) {
        struct worker *worker = table_owner(node, struct worker, node);
        if (peer_equal(&worker->peer, peer))
            return worker;
    }
    return NULL;
}

void workers_heard(struct workers *self, struct worker *worker, int64_t now_us)
{
    worker->heard_us = now_us;
    if (worker->stalled) {
        worker->stalled = false;
        workers_used(self, worker);
    }
}

void workers_used(struct workers *self, struct worker *worker)
{
    idle_leave(self, worker);
    if (!worker->stalled && worker->in_flight < worker->options.slots)
        idle_join(self, worker);
}

void workers_stall(struct workers *self, struct worker *worker)
{
    worker->stalled = true;
    idle_leave(self, worker);
}

bool workers_free(const struct workers *self, const struct service *service)
{
    return service->idle_first || self->all_first;
}

struct worker *workers_pick(const struct workers *self, const struct service *service,
                            uint64_t conversation)
{
    const struct recent *recent = &self->recent[conversation & (RECENT - 1)];
    struct worker *first = service->idle_first ? service->idle_first : self->all_first;
    struct worker *warm = recent->conversation == conversation ? recent->worker : NULL;

    if (!first || !warm || !warm->idle || warm->service != first->service)
        return first;
    return warm->in_flight <= first->in_flight ? warm : first;
}

void workers_chose(struct workers *self, struct worker *worker, uint64_t conversation)
{
    struct recent *recent = &self->recent[conversation & (RECENT - 1)];

    recent->conversation = conversation;
    recent->worker = worker;
}

bool workers_any_idle(const struct workers *self)
{
    return self->all_first != NULL;
}

bool workers_serve(const struct workers *self, const struct service *service)
{
    return self->for_all > 0 || (service && service->workers > 0);
}

int64_t workers_left(const struct workers *self, const struct service *service)
{
    return service && service->left_us > self->left_us ? service->left_us : self->left_us;
}

int64_t workers_silent_from(const struct workers *self, const struct worker *worker)
{
    int64_t interval_us =
        worker->options.interval_ms ? (int64_t)worker->options.interval_ms * 1000 : self->beat_us;

    if (!worker_beats(worker->protocol) || (worker->in_flight > 0 && !worker->options.heartbeats))
        return INT64_MAX;
    return worker->heard_us + WORKERS_MISSED_BEATS * interval_us;
}

int64_t workers_beat(const struct workers *self, const struct worker *worker)
{
    int64_t theirs_us = (int64_t)worker->options.interval_ms * 1000;

    return theirs_us && theirs_us < self->beat_us ? theirs_us : self->beat_us;
}

void workers_rearm(struct workers *self, struct worker *worker, int64_t now_us)
{
    int64_t due_us = worker->sent_us + workers_beat(self, worker);
    int64_t silent_us = workers_silent_from(self, worker);

    if (silent_us < due_us)
        due_us = silent_us;
    if (due_us < now_us + LOOK_AGAIN_US)
        due_us = now_us + LOOK_AGAIN_US;
    timers_arm(self->timers, &worker->timer, due_us);
}

size_t workers_count(const struct workers *self)
{
    return self->table.count;
}

struct worker *workers_walk(const struct workers *self, const struct worker *after)
{
    struct table_node *node = table_walk(&self->table, after ? &after->node : NULL);
    return node ? table_owner(node, struct worker, node) : NULL;
}

const char *worker_service(const struct worker *worker)
{
    return worker->service ? worker->service->name : SERVICE_ALL;
}

const char *worker_protocol_name(enum worker_protocol protocol)
{
    static const char *const name[WORKER_PROTOCOLS] = {"MDP/0.2", "MDP/0.1", "REQ", "REP"};
    return name[protocol];
}

bool worker_is_majordomo(enum worker_protocol protocol)
{
    return protocol == WORKER_MDP_02 || protocol == WORKER_MDP_01;
}

bool worker_beats(enum worker_protocol protocol)
{
    return worker_is_majordomo(protocol);
}

bool worker_is_dismissed(enum worker_protocol protocol)
{
    return protocol != WORKER_REQ;
}
