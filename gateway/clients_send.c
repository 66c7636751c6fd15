/* What clients hear, in its turn; and what time brings. */
#include "gateway/clients_inside.h"

#define STALL_FIRST_US 10000 /* until a connection that takes nothing is tried again; doubles */
#define STALL_MAX_US 1000000

bool clients_parcel(struct clients *self, struct client_parcel *ret_parcel)
{
    const struct client *client;
    const struct request *request;

    if (!self->ready)
        return false;
    client = table_owner(self->ready, struct client, ready);
    request = client->first;
    *ret_parcel = (struct client_parcel){.peer = &client->peer,
                                         .protocol = request->protocol,
                                         .envelope = &request->envelope,
                                         .service = span_str(request->service),
                                         .packed = buffer_span(&request->reply),
                                         .id = request->id};
    return true;
}

static void forget_if_idle(struct clients *self, struct client *client)
{
    if (!client->first && !client->cut)
        client_forget(self, client);
}

/* The first reply of CLIENT is on its way. */
static void sent(struct clients *self, struct client *client)
{
    struct request *request = client_pop(client);
    struct asked *asked = request->asked; /* of a ticket: its receipt is delivered */

    client->pause_us = 0;
    request_let_go(self, request);
    if (asked)
        asked_leave(request);
    if (asked && !asked->asker)
        asked_destroy(self, asked);
    request_destroy(self, request);
    self->ready = client->ready.next; /* the next one's turn */
    client_line_up(self, client);
    forget_if_idle(self, client);
}

void clients_sent(struct clients *self, int64_t now_us, enum client_sent how)
{
    struct client *client = table_owner(self->ready, struct client, ready);

    self->now_us = now_us;
    if (how == CLIENT_SENT) {
        sent(self, client);
        return;
    }
    if (how == CLIENT_GONE) {
        client_drop(self, client);
        client_forget(self, client);
        return;
    }
    client->stalled = true;
    client->pause_us = client->pause_us ? client->pause_us * 2 : STALL_FIRST_US;
    if (client->pause_us > STALL_MAX_US)
        client->pause_us = STALL_MAX_US;
    timers_arm(&self->timers, &client->timer, now_us + client->pause_us);
    client_line_up(self, client);
}

int64_t clients_due(const struct clients *self)
{
    return timers_next(&self->timers);
}

void clients_tick(struct clients *self, int64_t now_us)
{
    struct timer *timer;

    self->now_us = now_us;
    while ((timer = timers_take(&self->timers, now_us))) {
        if (timer->kind == TIMER_ASKED) {
            asked_tick(self, now_us, table_owner(timer, struct asked, timer));
        } else if (timer->kind == TIMER_TWIN) {
            client_line_up(self, table_owner(timer, struct client, twin));
        } else {
            struct client *client = table_owner(timer, struct client, timer);
            client->stalled = false;
            client_line_up(self, client);
        }
    }
}
