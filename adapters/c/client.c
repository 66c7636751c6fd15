#include "adapters/c/client_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "adapters/c/bell.h"
#include "adapters/c/check.h"
#include "adapters/c/patience.h"
#include "proto/buffer.h"
#include "proto/mdp.h"

#define TURN 100 /* messages read in one turn at most */
/* MDP has no heartbeats for clients; ZeroMQ's own tell that a host has vanished. */
#define ZMTP_HEARTBEAT_MS 10000

/* --- under the lock --- */

void client_announce(struct tailgate_client *self)
{
    bool some = self->for_next > 0 || (self->notices.count > 0 && !self->notice);
    if (some && !self->ringing)
        bell_ring(self->bell);
    if (!some && self->ringing)
        bell_hush(self->bell);
    self->ringing = some;
    pthread_cond_broadcast(&self->news);
}

void client_ask(struct tailgate_client *self)
{
    if (!self->busy)
        loop_wake(self->loop);
    self->busy = true;
}

/* --- the thread's part --- */

static void tell(struct tailgate_client *self, enum tailgate_event_kind kind, const char *text)
{
    struct tailgate_event event = notice_of(kind, span_str(text));
    if (kind != TAILGATE_EVENT_ODD)
        snprintf(self->problem, sizeof self->problem, "%s", text);
    notices_put(&self->notices, &event);
}

static bool watch(struct tailgate_client *self, int64_t now_us)
{
    int error = 0;
    enum dial_event event = dial_next(&self->dial, now_us, &error);
    const char *words = dial_words(event, error);
    switch (event) {
    case DIAL_NOTHING:
        return false;
    case DIAL_OPEN:
        self->trouble = 0;
        tell(self, TAILGATE_EVENT_READY, words);
        break;
    case DIAL_LOST:
    case DIAL_FAILED:
        line_reset(self);
        tell(self, TAILGATE_EVENT_LOST, words);
        break;
    case DIAL_WAITING:
        self->trouble = TAILGATE_UNREACHABLE;
        tell(self, TAILGATE_EVENT_ABSENT, words);
        break;
    case DIAL_REFUSED:
        self->trouble = TAILGATE_REFUSED;
        line_reset(self);
        tell(self, TAILGATE_EVENT_REFUSED, words);
        break;
    }
    return true;
}

static void send_waiting(struct tailgate_client *self)
{
    struct tailgate_request *request;
    struct span frame[MDP_FRAMES_MAX];
    while ((request = line_waiting(self))) {
        const struct mdp_client_message message = {.command = MDP_CLIENT_REQUEST,
                                                   .service = span_str(request->service),
                                                   .body = request->body.frame,
                                                   .body_count = request->body.count};
        if (frameset_send(self->dial.socket, frame, mdp_client_write(MDP_02, &message, frame)) != 0)
            return;
        request->sent = true;
    }
}

/* The other side does not keep the order by which replies are known. */
static void fall_out(struct tailgate_client *self, int64_t now_us)
{
    dial_drop(&self->dial, now_us);
    line_reset(self);
    tell(self, TAILGATE_EVENT_ODD, "a reply that belongs to no request of ours");
}

static void take_reply(struct tailgate_client *self, const struct mdp_client_message *message,
                       int64_t now_us)
{
    struct tailgate_request *request = line_oldest(self);
    if (!request || !span_is(message->service, request->service)) {
        fall_out(self, now_us);
        return;
    }
    bool final = message->command == MDP_CLIENT_FINAL;
    if (request->owned && !request->over)
        inbox_put(self, request, final ? TAILGATE_EVENT_REPLY : TAILGATE_EVENT_PARTIAL,
                  message->body, message->body_count);
    if (!final)
        return;
    request->over = true;
    line_leave(self, request);
}

/* Returns false when nothing waits to be read. */
static bool receive(struct tailgate_client *self, int64_t now_us)
{
    struct mdp_client_message message;
    const struct frameset *set = &self->received;
    int got = frameset_receive(&self->received, self->dial.socket);
    if (got != 1 && got != -E2BIG)
        return false;
    if (got != 1 || set->count < 2 || !span_is(set->frame[0], MDP_CLIENT_02) ||
        mdp_client_read(MDP_02, &set->frame[1], set->count - 1, &message) != 0 ||
        message.command == MDP_CLIENT_REQUEST) {
        tell(self, TAILGATE_EVENT_ODD, "frames that are not MDP/0.2");
        return true;
    }
    dial_settle(&self->dial);
    take_reply(self, &message, now_us);
    return true;
}

/* Gives the notices to the caller's function, one at a time and without the lock. */
static void deliver(struct tailgate_client *self)
{
    struct tailgate_event event;
    bool some = true;
    while (self->notice && some) {
        pthread_mutex_lock(&self->lock);
        some = notices_take(&self->notices, &event);
        pthread_mutex_unlock(&self->lock);
        if (some)
            self->notice(self->context, &event);
    }
}

static void run(void *member, int64_t now_us)
{
    struct tailgate_client *self = member;
    pthread_mutex_lock(&self->lock);
    self->busy = false;
    int turn = 0;
    while (turn < TURN && watch(self, now_us))
        turn++;
    while (turn < TURN && self->dial.state == DIAL_UP && receive(self, now_us))
        turn++;
    self->busy = turn == TURN;
    line_expire(self, now_us);
    if (self->dial.state == DIAL_UP && line_is_abandoned(self)) {
        dial_break(&self->dial, now_us);
        line_reset(self);
    }
    if (self->dial.state == DIAL_UP)
        send_waiting(self);
    pthread_mutex_unlock(&self->lock);
    deliver(self);
    pthread_mutex_lock(&self->lock);
    client_announce(self);
    pthread_mutex_unlock(&self->lock);
}

static size_t items(void *member, zmq_pollitem_t ret_item[LOOP_ITEMS])
{
    struct tailgate_client *self = member;
    pthread_mutex_lock(&self->lock);
    size_t count = dial_items(&self->dial, line_waiting(self) != NULL, ret_item);
    pthread_mutex_unlock(&self->lock);
    return count;
}

static int64_t due(void *member)
{
    struct tailgate_client *self = member;
    pthread_mutex_lock(&self->lock);
    int64_t dial_us = dial_due(&self->dial);
    int64_t due_us = self->busy ? 0 : dial_us < self->soonest_us ? dial_us : self->soonest_us;
    pthread_mutex_unlock(&self->lock);
    return due_us;
}

static void close_dial(void *member)
{
    struct tailgate_client *self = member;
    pthread_mutex_lock(&self->lock);
    dial_done(&self->dial);
    frameset_done(&self->received);
    pthread_mutex_unlock(&self->lock);
}

static const struct loop_calls calls = {
    .items = items, .due = due, .run = run, .close = close_dial};

/* --- its life --- */

int tailgate_client_new(const struct tailgate_client_options *options,
                        struct tailgate_client **ret_client)
{
    struct tailgate_loop *loop = options->loop;
    int code = check_endpoint(options->endpoint) ? TAILGATE_OK : TAILGATE_INVALID;
    struct curve_client curve;
    if (code == TAILGATE_OK && !check_certs(options->cert, options->server_cert, &curve))
        code = TAILGATE_INVALID;
    if (code == TAILGATE_OK && !loop)
        code = tailgate_loop_new(&loop);
    if (code != TAILGATE_OK)
        return code;
    int bell = bell_new();
    if (bell < 0) {
        if (!options->loop)
            tailgate_loop_destroy(&loop);
        return TAILGATE_NO_RESOURCES;
    }
    struct tailgate_client *self = memory_zero(1, sizeof *self);
    self->bell = bell;
    self->curve = curve;
    explicit_bzero(&curve, sizeof curve);
    self->loop = loop;
    self->own_loop = !options->loop;
    pthread_mutex_init(&self->lock, NULL);
    patience_init(&self->news);
    self->endpoint = memory_text(span_str(options->endpoint));
    self->notice = options->notice;
    self->context = options->context;
    self->soonest_us = INT64_MAX;
    self->inbox_end = &self->inbox;
    notices_init(&self->notices, 0);
    frameset_init(&self->received);
    dial_init(&self->dial, loop_context(loop), self->endpoint, ZMTP_HEARTBEAT_MS);
    dial_secure(&self->dial, &self->curve);
    self->seat = (struct loop_seat){.calls = &calls, .member = self};
    loop_add(self->loop, &self->seat);
    *ret_client = self;
    return TAILGATE_OK;
}

void tailgate_client_destroy(struct tailgate_client **self)
{
    struct tailgate_client *client = *self;
    *self = NULL;
    if (!client)
        return;
    loop_remove(client->loop, &client->seat);
    if (client->own_loop)
        tailgate_loop_destroy(&client->loop);
    line_reset(client); /* what nobody waits for; the callers' own are theirs to destroy before */
    notices_done(&client->notices);
    close(client->bell);
    pthread_cond_destroy(&client->news);
    pthread_mutex_destroy(&client->lock);
    explicit_bzero(&client->curve, sizeof client->curve);
    free(client->endpoint);
    free(client);
}
