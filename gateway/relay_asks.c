/* What clients may ask of a relay: its status, mmi.service, and the rows that observers missed. The
 * last is asked of the gateway above, over one connection, on which replies leave in the order of
 * the requests. */
#include <errno.h>
#include <stdio.h>

#include "gateway/builtin_name.h"
#include "gateway/log.h"
#include "gateway/relay_inside.h"
#include "proto/jtext.h"

#define REPLAY "tailgate.replay"
#define MESSAGES_AT_ONCE 1000
#define FULL_AGAIN_US 2000   /* until an observer that has no room is tried again */
#define FULL_MAX_US 10000000 /* so long; then its replay is dropped */

void relay_asks_init(struct relay *self)
{
    frameset_init(&self->ask_set);
    if (!self->setup->from_gate)
        return;
    dial_init(&self->ask_dial, gate_context(self->gate), self->setup->from_gate,
              relay_zmtp_beat_ms(self));
    dial_secure(&self->ask_dial, self->setup->client);
}

void relay_asks_done(struct relay *self)
{
    if (self->setup->from_gate)
        dial_done(&self->ask_dial);
    frameset_done(&self->ask_set);
}

size_t relay_asks_items(const struct relay *self, zmq_pollitem_t ret_item[DIAL_ITEMS])
{
    size_t count = self->setup->from_gate ? dial_items(&self->ask_dial, false, ret_item) : 0;

    return self->ask_waits && count > 1 ? 1 : count; /* then only the connection's end counts */
}

int64_t relay_asks_due(const struct relay *self)
{
    int64_t due_us = self->setup->from_gate ? dial_due(&self->ask_dial) : INT64_MAX;

    return self->ask_waits && self->ask_again_us < due_us ? self->ask_again_us : due_us;
}

/* Replies. */

static int reply(struct relay *self, const struct relay_request *request, struct span body)
{
    struct span frame[MDP_FRAMES_MAX];
    const struct mdp_client_message message = {
        .command = MDP_CLIENT_FINAL, .service = request->service, .body = &body, .body_count = 1};

    if (request->version < 0)
        return relay_send(self, request->peer, request->envelope, &body, 1);
    return relay_send(self, request->peer, request->envelope, frame,
                      mdp_client_write((enum mdp_version)request->version, &message, frame));
}

void relay_asks_refuse(struct relay *self, const struct relay_request *request, const char *error)
{
    struct buffer json;

    buffer_init(&json);
    buffer_text(&json, "{");
    jtext_member(&json, "type", span_str("error"));
    jtext_member(&json, "error", span_str(error));
    buffer_text(&json, "}");
    reply(self, request, buffer_span(&json));
    buffer_done(&json);
}

/* The status. */

static void tell_status(struct relay *self, int64_t now_us, const struct relay_request *request)
{
    struct buffer json;

    buffer_init(&json);
    relay_status(self, now_us, &json);
    reply(self, request, buffer_span(&json));
    buffer_done(&json);
}

/* Replays. */

static struct relay_ask *ask_at(struct relay *self, size_t place)
{
    return &self->ask[(self->ask_first + place) % RELAY_ASKS];
}

static void ask_replay(struct relay *self, const struct relay_request *request)
{
    const struct mdp_client_message message = {.command = MDP_CLIENT_REQUEST,
                                               .service = span_str(REPLAY),
                                               .body = request->body,
                                               .body_count = request->count};
    struct span frame[MDP_FRAMES_MAX];

    if (request->version != MDP_02) {
        relay_asks_refuse(self, request, "a replay is for Majordomo 0.2 clients");
    } else if (self->ask_count == RELAY_ASKS) {
        relay_asks_refuse(self, request, "too many replays at once: try again later");
    } else if (!self->setup->from_gate || self->ask_dial.state != DIAL_UP ||
               frameset_send(self->ask_dial.socket, frame,
                             mdp_client_write(MDP_02, &message, frame)) != 0) {
        relay_asks_refuse(self, request, "the gateway above is away: try again later");
    } else {
        *ask_at(self, self->ask_count++) =
            (struct relay_ask){.peer = *request->peer, .envelope = *request->envelope};
        self->count[RELAY_REPLAYS]++;
    }
}

static void pop_ask(struct relay *self)
{
    self->ask_first = (self->ask_first + 1) % RELAY_ASKS;
    self->ask_count--;
}

/* Whoever still waits is told that nothing comes. */
static void fail_asks(struct relay *self)
{
    self->ask_waits = false;
    while (self->ask_count > 0) {
        const struct relay_ask *ask = ask_at(self, 0);
        const struct relay_request request = {.peer = &ask->peer,
                                              .envelope = &ask->envelope,
                                              .version = MDP_02,
                                              .service = span_str(REPLAY)};
        if (!ask->gone)
            relay_asks_refuse(self, &request, "the gateway above was lost: ask again");
        pop_ask(self);
    }
}

/* Gives the message in the set to whoever asked first. False: there is no room for it yet. */
static bool give(struct relay *self, int64_t now_us)
{
    const struct frameset *set = &self->ask_set;
    struct relay_ask *ask = ask_at(self, 0);
    int error = 0;

    if (self->ask_count == 0 || set->count < 4 || !span_is(set->frame[0], MDP_CLIENT_02) ||
        set->frame[1].size != 1)
        return true;
    if (!ask->gone)
        error = relay_send(self, &ask->peer, &ask->envelope, set->frame, set->count);
    if (error == -EAGAIN) {
        if (!self->ask_waits)
            self->ask_until_us = now_us + FULL_MAX_US;
        self->ask_waits = now_us < self->ask_until_us;
        self->ask_again_us = now_us + FULL_AGAIN_US;
        if (self->ask_waits)
            return false;
    }
    self->ask_waits = false;
    ask->gone = ask->gone || error != 0;
    if (set->frame[1].data[0] == MDP_CLIENT_FINAL)
        pop_ask(self);
    return true;
}

void relay_asks_run(struct relay *self, int64_t now_us)
{
    int error = 0;
    enum dial_event event;

    if (!self->setup->from_gate)
        return;
    event = dial_next(&self->ask_dial, now_us, &error);
    if (event != DIAL_NOTHING && event != DIAL_OPEN)
        fail_asks(self);
    if (self->ask_waits && !give(self, now_us))
        return;
    for (int i = 0; i < MESSAGES_AT_ONCE && self->ask_dial.state == DIAL_UP; i++) {
        int got = frameset_receive(&self->ask_set, self->ask_dial.socket);
        if (got == 1)
            dial_settle(&self->ask_dial);
        if (got != 1 && got != -E2BIG)
            return;
        if (got == 1 && !give(self, now_us))
            return;
    }
}

void relay_asks_hear(struct relay *self, int64_t now_us, const struct relay_request *request)
{
    struct span word = request->count > 0 ? request->body[0] : span_str("");

    if (span_is(request->service, "tailgate.status"))
        tell_status(self, now_us, request);
    else if (span_is(request->service, REPLAY))
        ask_replay(self, request);
    else if (span_is(request->service, "mmi.service"))
        reply(self, request,
              span_str(workers_serve(self->workers, pending_find(self->pending, word)) ? "200"
                                                                                       : "404"));
    else if (request->service.size > 4 && memcmp(request->service.data, "mmi.", 4) == 0)
        reply(self, request, span_str("501"));
    else
        relay_asks_refuse(self, request, "this is a relay: ask at the gateway above it");
}
