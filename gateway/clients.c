#include "gateway/clients.h"

#include <stdlib.h>

#include "gateway/clients_inside.h"

const char *client_protocol_name(enum client_protocol protocol)
{
    static const char *const name[] = {"MDP/0.2", "MDP/0.1", "REQ"};
    return name[protocol];
}

struct clients *clients_new(uint64_t seed, int64_t now_us, const struct clients_limits *limits,
                            clients_discard_fn *discard)
{
    struct clients *self = memory_zero(1, sizeof *self);

    self->limits = *limits;
    self->discard = discard;
    self->began_us = self->now_us = now_us;
    table_init(&self->clients, seed ^ 0x636c69656e747301);
    table_init(&self->requests, seed ^ 0x636c69656e747302);
    table_init(&self->by_id, seed ^ 0x636c69656e747303);
    table_init(&self->sheaves, seed ^ 0x636c69656e747304);
    timers_init(&self->timers);
    return self;
}

void clients_limit(struct clients *self, const struct clients_limits *limits)
{
    self->limits = *limits;
}

/* Connections. */

static uint64_t hash_of(const struct clients *self, const struct peer *peer)
{
    return table_hash(&self->clients, peer->id, peer->size);
}

static struct client *find(const struct clients *self, const struct peer *peer)
{
    struct table_node *node = table_first(&self->clients, hash_of(self, peer));

    for (; node; node = table_next(node)) {
        struct client *client = table_owner(node, struct client, node);
        if (peer_equal(&client->peer, peer))
            return client;
    }
    return NULL;
}

struct client *client_find_or_add(struct clients *self, const struct peer *peer)
{
    struct client *client = find(self, peer);

    if (client || self->clients.count == LIMIT_CLIENTS)
        return client;
    client = memory_zero(1, sizeof *client);
    client->peer = *peer;
    client->timer.kind = TIMER_STALLED;
    client->twin.kind = TIMER_TWIN;
    table_add(&self->clients, &client->node, hash_of(self, peer));
    return client;
}

static void set_ring(struct ring **turn, struct ring *node, bool in)
{
    if (in && !ring_holds(node))
        ring_join(turn, node);
    else if (!in && ring_holds(node))
        ring_leave(turn, node);
}

void client_line_up(struct clients *self, struct client *client)
{
    bool ready = client->first && client->first->state == REQUEST_DONE && !client->stalled;
    bool maker =
        client->waiting && client->running < self->limits.window && client->twin.place == 0;

    set_ring(&self->ready, &client->ready, ready);
    set_ring(&self->maker, &client->maker, maker);
}

void client_forget(struct clients *self, struct client *client)
{
    set_ring(&self->ready, &client->ready, false);
    set_ring(&self->maker, &client->maker, false);
    timers_disarm(&self->timers, &client->timer);
    timers_disarm(&self->timers, &client->twin);
    table_remove(&self->clients, &client->node);
    free(client);
}

/* Requests. */

static bool is_running(const struct request *request)
{
    return request->state == REQUEST_MAKING || request->state == REQUEST_ASKED;
}

void request_asks(struct clients *self, struct request *request, size_t bytes)
{
    self->asking += bytes - request->asking;
    if (request->client)
        request->client->asking += bytes - request->asking;
    request->asking = bytes;
}

static void hold_reply(struct clients *self, struct request *request, size_t bytes)
{
    self->replying += bytes - request->replying;
    request->client->replying += bytes - request->replying;
    request->replying = bytes;
}

void request_enter(struct clients *self, struct request *request, enum request_state state)
{
    struct client *client = request->client;

    client->running -= is_running(request);
    client->waiters -= request->state == REQUEST_WAITING;
    self->waiters -= request->state == REQUEST_WAITING;
    request->state = state;
    client->running += is_running(request);
    client->waiters += state == REQUEST_WAITING;
    self->waiters += state == REQUEST_WAITING;
}

void request_let_go(struct clients *self, struct request *request)
{
    request_enter(self, request, REQUEST_DONE);
    hold_reply(self, request, 0);
    request->client->asking -= request->asking;
    request->client = NULL;
    if (request->cargo)
        self->discard(request->cargo);
    request->cargo = NULL;
    buffer_done(&request->reply);
}

void request_destroy(struct clients *self, struct request *request)
{
    request_asks(self, request, 0);
    table_remove(&self->requests, &request->node);
    free(request);
}

struct request *client_pop(struct client *client)
{
    struct request *request = client->first;

    client->first = request->next;
    client->count--;
    if (!client->first)
        client->last = NULL;
    if (client->waiting == request)
        client->waiting = request->next; /* what comes behind one that waits, waits */
    return request;
}

/* Nobody gets the reply with which query ID has ended (C8). */
static void note_lost(struct clients *self, int64_t id, bool cut)
{
    if (self->lost_count == self->lost_room) {
        self->lost_room = self->lost_room ? self->lost_room * 2 : 16;
        self->lost = memory_grow(self->lost, self->lost_room * sizeof *self->lost);
    }
    self->lost[self->lost_count++] = (struct lost){id, cut};
}

bool clients_lost(struct clients *self, int64_t *ret_id, bool *ret_cut)
{
    if (self->lost_count == 0)
        return false;
    *ret_id = self->lost[--self->lost_count].id;
    *ret_cut = self->lost[self->lost_count].cut;
    return true;
}

void client_drop(struct clients *self, struct client *client)
{
    while (client->first) {
        struct request *request = client_pop(client);
        bool maker = request->state == REQUEST_MAKING && request->asked && !request->asked->id &&
                     request->asked->making && request->maker;
        struct asked *asked = request->asked;

        if (request->state == REQUEST_DONE && request->id && !request->ticket) {
            note_lost(self, request->id, client->cut);
            asked_lose(self, request);
        }
        request_let_go(self, request);
        if (asked)
            asked_leave(request);
        if (maker) { /* clients_made() will come for it */
            request->state = REQUEST_MAKING;
            request->asked = asked;
        } else {
            request_destroy(self, request);
        }
    }
    client->waiting = NULL;
    timers_disarm(&self->timers, &client->twin);
}

void client_cut(struct clients *self, struct client *client)
{
    client->cut = true;
    self->cut++;
    client_drop(self, client);
    client_line_up(self, client);
}

/* Whoever keeps most replies. There is one. */
static struct client *find_hoarder(const struct clients *self)
{
    struct client *hoarder = NULL;

    for (struct table_node *node = NULL; (node = table_walk(&self->clients, node));) {
        struct client *client = table_owner(node, struct client, node);
        if (!hoarder || client->replying > hoarder->replying)
            hoarder = client;
    }
    return hoarder;
}

void request_done(struct clients *self, struct request *request, struct span packed)
{
    struct client *client = request->client;

    buffer_add(&request->reply, packed);
    request_enter(self, request, REQUEST_DONE);
    request_asks(self, request, 0);
    hold_reply(self, request, packed.size);
    client_line_up(self, client);
    if (client->replying > LIMIT_CLIENT_BYTES)
        client_cut(self, client);
    while (self->replying > LIMIT_CLIENTS_BYTES)
        client_cut(self, find_hoarder(self));
}

void clients_destroy(struct clients **self)
{
    struct table_node *node;

    if (!*self)
        return;
    while ((node = table_walk(&(*self)->clients, NULL))) {
        struct client *client = table_owner(node, struct client, node);
        client_drop(*self, client);
        client_forget(*self, client);
    }
    while ((node = table_walk(&(*self)->sheaves, NULL))) {
        const struct sheaf *sheaf = table_owner(node, struct sheaf, node);
        struct ring *first = sheaf->orphans ? sheaf->orphans : sheaf->ended;
        asked_destroy(*self, table_owner(first, struct asked, alike));
    }
    while ((node = table_walk(&(*self)->requests, NULL)))
        request_destroy(*self, table_owner(node, struct request, node));
    table_done(&(*self)->clients);
    table_done(&(*self)->requests);
    table_done(&(*self)->by_id);
    table_done(&(*self)->sheaves);
    timers_done(&(*self)->timers);
    free((*self)->lost);
    free(*self);
    *self = NULL;
}

void clients_closed(struct clients *self, const struct peer *peer)
{
    struct client *client = find(self, peer);

    if (!client)
        return;
    client_drop(self, client);
    client_forget(self, client);
}

void clients_look(const struct clients *self, struct clients_view *ret_view)
{
    ret_view->clients = self->clients.count;
    ret_view->requests = self->requests.count;
    ret_view->waiting = self->waiters;
    ret_view->attached = self->attached;
    ret_view->cut = self->cut;
}
