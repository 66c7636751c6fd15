/* What clients ask: taken, or to wait for its turn, and which of it has a row made. */
#include "gateway/clients_inside.h"

/* A new request at the end of its connection's line; NULL when it hears nothing (C4). */
static struct request *append(struct clients *self, const struct client_request *from)
{
    struct client *client = client_find_or_add(self, from->peer);
    struct request *request;
    size_t size = from->service.size < LIMIT_SERVICE ? from->service.size : LIMIT_SERVICE;

    if (!client || client->cut)
        return NULL;
    if (client->count >= self->limits.window + 2 * LIMIT_CLIENT_WAITING ||
        self->requests.count >= 2 * LIMIT_REQUESTS) {
        client_cut(self, client); /* it asks and asks, and hears nothing of what it is told */
        return NULL;
    }
    request = memory_zero(1, sizeof *request);
    request->number = ++self->numbers;
    request->client = client;
    request->state = REQUEST_MAKING;
    request->protocol = from->protocol;
    request->envelope = *from->envelope;
    memcpy(request->service, from->service.data, size);
    if (client->last)
        client->last->next = request;
    else
        client->first = request;
    client->last = request;
    client->count++;
    client->running++;
    table_add(&self->requests, &request->node,
              table_hash(&self->requests, &request->number, sizeof request->number));
    client_line_up(self, client);
    return request;
}

uint64_t clients_hear(struct clients *self, const struct client_request *request)
{
    struct request *heard = append(self, request);

    return heard ? heard->number : 0;
}

/* REQUEST attaches to a row whose asker is gone, where there is one (C3). */
static bool attach(struct clients *self, int64_t now_us, struct request *request)
{
    struct asked *asked = request->ticket ? NULL : asked_orphan(self, now_us, request->digest);

    if (!asked)
        return false;
    asked_join(asked, now_us, request);
    request_asks(self, request, 0);
    request_enter(self, request, asked->making ? REQUEST_MAKING : REQUEST_ASKED);
    self->attached++;
    return true;
}

static void make(struct clients *self, int64_t now_us, struct request *request, bool *ret_look)
{
    *ret_look = asked_look(self, now_us, request);
    request->maker = true;
    request_enter(self, request, REQUEST_MAKING);
    asked_join(asked_new(self, now_us, request), now_us, request);
}

/* True when there is no room for SIZE bytes that CLIENT asks (C2, C7). */
static bool is_full(const struct clients *self, const struct client *client, size_t size)
{
    return self->asked >= LIMIT_REQUESTS || self->requests.count > LIMIT_REQUESTS ||
           client->waiters >= LIMIT_CLIENT_WAITING || client->asking + size > LIMIT_CLIENT_BYTES ||
           self->asking + size > LIMIT_CLIENTS_BYTES;
}

/* The first WAITING request of CLIENT is another one: when it may go (C3). */
static void set_waiting(struct clients *self, struct client *client, struct request *request)
{
    client->waiting = request;
    if (request && request->not_before_us)
        timers_arm(&self->timers, &client->twin, request->not_before_us);
    else
        timers_disarm(&self->timers, &client->twin);
}

enum clients_verdict clients_take(struct clients *self, int64_t now_us,
                                  const struct client_request *from,
                                  const unsigned char digest[CLIENT_DIGEST_SIZE], bool ticket,
                                  void *cargo, size_t size, uint64_t *ret_number, bool *ret_look)
{
    struct request *request;
    struct client *client;

    self->now_us = now_us;
    request = append(self, from);
    if (!request)
        return CLIENTS_IGNORED;
    client = request->client;
    *ret_number = request->number;
    request->ticket = ticket;
    memcpy(request->digest, digest, CLIENT_DIGEST_SIZE);
    if (is_full(self, client, size))
        return CLIENTS_FULL;
    if (!client->waiting && client->running <= self->limits.window) {
        if (attach(self, now_us, request))
            return CLIENTS_ATTACHED;
        if (asked_twin(self, now_us, digest, client))
            request->not_before_us = now_us + TWIN_WAIT_US;
    }
    if (!client->waiting && client->running <= self->limits.window && !request->not_before_us) {
        make(self, now_us, request, ret_look);
        request_asks(self, request, size);
        return CLIENTS_MAKE;
    }
    request_enter(self, request, REQUEST_WAITING);
    request_asks(self, request, size);
    request->cargo = cargo;
    if (!client->waiting)
        set_waiting(self, client, request);
    client_line_up(self, client);
    return CLIENTS_LATER;
}

bool clients_next(struct clients *self, int64_t now_us, uint64_t *ret_number, void **ret_cargo,
                  bool *ret_look)
{
    while (self->maker) {
        struct client *client = table_owner(self->maker, struct client, maker);
        struct request *request = client->waiting;
        struct request *next = request->next;
        void *cargo = request->cargo;

        self->maker = self->maker->next; /* the next one's turn */
        while (next && next->state != REQUEST_WAITING)
            next = next->next;
        set_waiting(self, client, next);
        request->cargo = NULL;
        if (attach(self, now_us, request)) {
            self->discard(cargo);
            client_line_up(self, client);
            continue;
        }
        make(self, now_us, request, ret_look);
        client_line_up(self, client);
        *ret_number = request->number;
        *ret_cargo = cargo;
        return true;
    }
    return false;
}
