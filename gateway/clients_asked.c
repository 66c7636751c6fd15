#include <stdlib.h>

#include "gateway/clients_inside.h"

#define LOOK_US 1000000 /* between two looks at a row, however short `coalesce` is */

/* The ring of its sheaf that ASKED, as it is now, stands in. */
static struct ring **ring_of(const struct asked *asked)
{
    struct sheaf *sheaf = asked->sheaf;

    return asked->asker ? &sheaf->awaited : asked->ended ? &sheaf->ended : &sheaf->orphans;
}

static void sort_in(struct asked *asked)
{
    ring_join(ring_of(asked), &asked->alike);
}

static void take_out(struct asked *asked)
{
    ring_leave(ring_of(asked), &asked->alike);
}

void asked_join(struct asked *asked, int64_t now_us, struct request *request)
{
    bool first = !asked->asker;

    if (first)
        take_out(asked);
    request->asked = asked;
    request->next_asker = asked->asker;
    asked->asker = request;
    if (!first)
        return;
    asked->waited_us = now_us;
    sort_in(asked);
}

void asked_leave(struct request *request)
{
    struct asked *asked = request->asked;
    struct request **at = &asked->asker;
    bool last = *at == request && !request->next_asker;

    if (last)
        take_out(asked);
    while (*at && *at != request)
        at = &(*at)->next_asker;
    if (*at)
        *at = request->next_asker;
    request->next_asker = NULL;
    request->asked = NULL;
    if (last)
        sort_in(asked);
}

static uint64_t hash_of(const struct clients *self, const unsigned char *digest)
{
    return table_hash(&self->sheaves, digest, CLIENT_DIGEST_SIZE);
}

/* NULL when no row of DIGEST is known. */
static struct sheaf *find_sheaf(const struct clients *self, const unsigned char *digest)
{
    struct table_node *node = table_first(&self->sheaves, hash_of(self, digest));

    for (; node; node = table_next(node)) {
        struct sheaf *sheaf = table_owner(node, struct sheaf, node);
        if (memcmp(sheaf->digest, digest, CLIENT_DIGEST_SIZE) == 0)
            return sheaf;
    }
    return NULL;
}

/* The one after NODE in the ring that begins at FIRST; NULL: it was the last. */
static struct ring *next_in(const struct ring *first, const struct ring *node)
{
    return node->next == first ? NULL : node->next;
}

/* The first of RING whose time to be attached to is not over; NULL: none. */
static struct asked *find_young(const struct clients *self, int64_t now_us, struct ring *ring)
{
    for (struct ring *node = ring; node; node = next_in(ring, node)) {
        struct asked *asked = table_owner(node, struct asked, alike);
        if (now_us - asked->since_us < self->limits.coalesce_us)
            return asked;
    }
    return NULL;
}

struct asked *asked_orphan(const struct clients *self, int64_t now_us,
                           const unsigned char digest[CLIENT_DIGEST_SIZE])
{
    const struct sheaf *sheaf = find_sheaf(self, digest);

    return sheaf ? find_young(self, now_us, sheaf->orphans) : NULL;
}

/* True when all who wait for ASKED are on CLIENT's connection. */
static bool is_all_of(const struct asked *asked, const struct client *client)
{
    const struct request *request = asked->asker;

    while (request && request->client == client)
        request = request->next_asker;
    return !request;
}

bool asked_twin(const struct clients *self, int64_t now_us,
                const unsigned char digest[CLIENT_DIGEST_SIZE], const struct client *client)
{
    const struct sheaf *sheaf = find_sheaf(self, digest);
    struct ring *node = sheaf ? sheaf->awaited : NULL;

    for (; node; node = next_in(sheaf->awaited, node)) {
        const struct asked *asked = table_owner(node, struct asked, alike);
        if (now_us - asked->waited_us < TWIN_OLD_US)
            return false; /* so have all behind it */
        if (!is_all_of(asked, client))
            return true;
    }
    return false;
}

bool asked_look(const struct clients *self, int64_t now_us, const struct request *request)
{
    const struct sheaf *sheaf = find_sheaf(self, request->digest);

    if (!sheaf)
        return now_us - self->began_us < self->limits.coalesce_us;
    return find_young(self, now_us, sheaf->orphans) || find_young(self, now_us, sheaf->ended);
}

static void arm(struct clients *self, int64_t now_us, struct asked *asked)
{
    int64_t wait_us = self->limits.coalesce_us;

    if (wait_us < LOOK_US)
        wait_us = LOOK_US;
    if (self->limits.expire_us < wait_us)
        wait_us = self->limits.expire_us;
    timers_arm(&self->timers, &asked->timer, now_us + wait_us);
}

static struct sheaf *find_or_add_sheaf(struct clients *self, const unsigned char *digest)
{
    struct sheaf *sheaf = find_sheaf(self, digest);

    if (sheaf)
        return sheaf;
    sheaf = memory_zero(1, sizeof *sheaf);
    memcpy(sheaf->digest, digest, CLIENT_DIGEST_SIZE);
    table_add(&self->sheaves, &sheaf->node, hash_of(self, digest));
    return sheaf;
}

struct asked *asked_new(struct clients *self, int64_t now_us, const struct request *request)
{
    struct asked *asked = memory_zero(1, sizeof *asked);

    asked->making = true;
    asked->ticket = request->ticket;
    asked->since_us = now_us;
    asked->timer.kind = TIMER_ASKED;
    memcpy(asked->service, request->service, sizeof asked->service);
    asked->sheaf = find_or_add_sheaf(self, request->digest);
    sort_in(asked);
    self->asked++;
    arm(self, now_us, asked);
    return asked;
}

/* ASKED, for which nobody waits, has ended. */
static void end(struct clients *self, struct asked *asked)
{
    take_out(asked);
    asked->ended = true;
    sort_in(asked);
    asked->making = false;
    if (asked->id)
        table_remove(&self->by_id, &asked->by_id);
    asked->id = 0;
    if (ring_holds(&asked->overdue))
        ring_leave(&self->overdue, &asked->overdue);
}

void asked_lose(struct clients *self, const struct request *request)
{
    end(self, asked_new(self, self->now_us, request));
}

void asked_destroy(struct clients *self, struct asked *asked)
{
    struct sheaf *sheaf = asked->sheaf;

    take_out(asked);
    if (!sheaf->orphans && !sheaf->awaited && !sheaf->ended) {
        table_remove(&self->sheaves, &sheaf->node);
        free(sheaf);
    }
    self->asked--;
    if (asked->id)
        table_remove(&self->by_id, &asked->by_id);
    if (ring_holds(&asked->overdue))
        ring_leave(&self->overdue, &asked->overdue);
    timers_disarm(&self->timers, &asked->timer);
    free(asked);
}

void asked_tick(struct clients *self, int64_t now_us, struct asked *asked)
{
    int64_t age_us = now_us - asked->since_us;

    if (!asked->asker && !asked->making && age_us >= self->limits.coalesce_us) {
        asked_destroy(self, asked);
        return;
    }
    if (!asked->ticket && asked->id && age_us >= self->limits.expire_us &&
        !ring_holds(&asked->overdue))
        ring_join(&self->overdue, &asked->overdue);
    arm(self, now_us, asked);
}

static struct asked *find(const struct clients *self, int64_t id)
{
    struct table_node *node = table_first(&self->by_id, table_hash(&self->by_id, &id, sizeof id));

    for (; node; node = table_next(node)) {
        struct asked *asked = table_owner(node, struct asked, by_id);
        if (asked->id == id)
            return asked;
    }
    return NULL;
}

bool clients_know(const struct clients *self, int64_t id)
{
    return find(self, id) != NULL;
}

/* The row of ASKED is ID. One that has been known under it gets its askers. */
static void set_id(struct clients *self, struct asked *asked, int64_t id)
{
    struct asked *other = find(self, id);
    struct request *request;

    asked->id = id;
    asked->making = false;
    for (request = asked->asker; request; request = request->next_asker) {
        request->state = REQUEST_ASKED;
        request_asks(self, request, 0);
    }
    while (other && (request = asked->asker)) {
        int64_t waited_us = asked->waited_us;
        asked_leave(request);
        asked_join(other, waited_us, request);
    }
    if (other) {
        asked->id = 0;
        asked_destroy(self, asked);
        return;
    }
    table_add(&self->by_id, &asked->by_id, table_hash(&self->by_id, &id, sizeof id));
}

static struct request *find_request(const struct clients *self, uint64_t number)
{
    struct table_node *node =
        table_first(&self->requests, table_hash(&self->requests, &number, sizeof number));

    for (; node; node = table_next(node)) {
        struct request *request = table_owner(node, struct request, node);
        if (request->number == number)
            return request;
    }
    return NULL;
}

enum clients_turn clients_turn(const struct clients *self, uint64_t number,
                               struct client_parcel *ret_parcel)
{
    const struct request *request = find_request(self, number);

    if (!request || !request->client || request->state == REQUEST_DONE)
        return CLIENTS_GONE;
    if (request->client->first != request)
        return CLIENTS_WAITS;
    *ret_parcel = (struct client_parcel){.peer = &request->client->peer,
                                         .protocol = request->protocol,
                                         .envelope = &request->envelope,
                                         .service = span_str(request->service)};
    return CLIENTS_TURN;
}

void clients_made(struct clients *self, uint64_t number, int64_t id)
{
    struct request *request = find_request(self, number);

    if (!request || !request->asked || request->state != REQUEST_MAKING)
        return;
    set_id(self, request->asked, id);
    if (!request->client)
        request_destroy(self, request);
}

size_t clients_end(struct clients *self, int64_t id, struct span packed)
{
    struct asked *asked = find(self, id);
    struct request *request;
    size_t count = 0;

    while (asked && (request = asked->asker)) {
        asked_leave(request);
        request->id = id;
        request_done(self, request, packed);
        count++;
    }
    if (asked && count)
        asked_destroy(self, asked);
    else if (asked)
        end(self, asked);
    return count;
}

/* PACKED says why the row could not be made: to all that waited for it. */
static void end_making(struct clients *self, struct request *maker, int64_t id, struct span packed)
{
    struct asked *asked = maker->asked;
    struct request *request;
    size_t count = 0;

    if (!maker->client) {
        maker->asked = NULL;
        request_destroy(self, maker);
    }
    while ((request = asked->asker)) {
        asked_leave(request);
        request->id = id;
        request_done(self, request, packed);
        count++;
    }
    if (count || !id)
        asked_destroy(self, asked);
    else
        end(self, asked);
}

void clients_reply(struct clients *self, uint64_t number, int64_t id, struct span packed)
{
    struct request *request = find_request(self, number);

    if (!request || request->state == REQUEST_DONE)
        return;
    if (request->asked)
        request->asked->making = false;
    if (request->client)
        request->id = id;
    if (!request->asked)
        request_done(self, request, packed);
    else if (!request->ticket)
        end_making(self, request, id, packed);
    else if (request->client)
        request_done(self, request, packed); /* known until the receipt is on its way (C3) */
    else
        request_destroy(self, request);
}

bool clients_listener(struct clients *self, int64_t id, void **at, struct client_parcel *ret_parcel)
{
    struct asked *asked = *at ? NULL : find(self, id);
    struct request *request = *at     ? ((struct request *)*at)->next_asker
                              : asked ? asked->asker
                                      : NULL;

    for (; request; request = request->next_asker) {
        const struct client *client = request->client;
        if (client->first != request || client->stalled || request->protocol != CLIENT_MDP_02)
            continue;
        *at = request;
        *ret_parcel = (struct client_parcel){.peer = &client->peer,
                                             .protocol = request->protocol,
                                             .envelope = &request->envelope,
                                             .service = span_str(request->service)};
        return true;
    }
    return false;
}

bool clients_overdue(struct clients *self, int64_t *ret_id, const char **ret_service)
{
    struct asked *asked;

    if (!self->overdue)
        return false;
    asked = table_owner(self->overdue, struct asked, overdue);
    ring_leave(&self->overdue, &asked->overdue);
    *ret_id = asked->id;
    *ret_service = asked->service;
    return true;
}
