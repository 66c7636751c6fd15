#include "adapters/worker/link.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "adapters/worker/letterbox.h"
#include "adapters/zmq/frameset.h"
#include "adapters/zmq/link_monitor.h"
#include "proto/buffer.h"
#include "proto/mdp.h"

#define BEATS_MISSED 3
#define BACKOFF_FIRST_US 250000
#define BACKOFF_MAX_US 5000000
#define LINGER_MS 1000
#define RECONNECT_MS 100
#define RECONNECT_MAX_MS 2000
#define HANDSHAKE_MS 5000
#define TURN 100                                  /* messages read in one call at most */
#define QUEUE 1000                                /* messages waiting in the socket, each way */
#define FRAME_MAX ((int64_t)2 * LIMIT_FRAME_SIZE) /* a query is a row and what rides along */

enum state { DOWN, CONNECTING, UP };

struct link {
    struct link_setup setup;
    struct buffer options; /* READY's JSON frame */
    enum state state;
    void *socket; /* NULL while DOWN */
    struct link_monitor monitor;
    bool wanted;        /* link_join() was called last */
    bool registered;    /* READY was said on this connection, and nothing ended it since */
    bool waiting;       /* LINK_WAITING was said since the link was last up */
    int64_t retry_us;   /* DOWN: when to try again */
    int64_t backoff_us; /* the pause before the next fresh socket */
    int64_t beat_us;    /* registered: when our next heartbeat is due */
    int64_t silence_us; /* registered: when the gateway counts as gone */
    struct letterbox kept;
    struct frameset received;
};

static int64_t interval_us(const struct link *self)
{
    return (int64_t)self->setup.options.interval_ms * 1000;
}

struct link *link_new(const struct link_setup *setup)
{
    struct link *self = memory_zero(1, sizeof *self);
    assert(setup->options.interval_ms > 0);
    self->setup = *setup;
    buffer_init(&self->options);
    options_write(&setup->options, &self->options);
    self->state = DOWN;
    self->backoff_us = BACKOFF_FIRST_US;
    letterbox_init(&self->kept, setup->keep);
    frameset_init(&self->received);
    return self;
}

static int send_command(struct link *self, const struct mdp_message *message)
{
    struct span frame[MDP_FRAMES_MAX];
    return frameset_send(self->socket, frame, mdp_write(message, frame));
}

static void say(struct link *self, enum mdp_command command)
{
    struct mdp_message message = {.command = command};
    /* A full queue means that the gateway takes nothing: its silence will end the link. */
    (void)send_command(self, &message);
}

static void close_socket(struct link *self)
{
    if (!self->socket)
        return;
    link_monitor_close(&self->monitor);
    zmq_close(self->socket);
    self->socket = NULL;
}

void link_destroy(struct link **self)
{
    struct link *link = *self;
    *self = NULL;
    if (!link)
        return;
    link_leave(link);
    close_socket(link);
    frameset_done(&link->received);
    letterbox_done(&link->kept);
    buffer_done(&link->options);
    free(link);
}

/* A pause between half of SPAN_US and all of it, so that many workers do not come back in step. */
static int64_t jitter(int64_t span_us)
{
    uint32_t dice = 0;
    if (getrandom(&dice, sizeof dice, GRND_NONBLOCK) != (ssize_t)sizeof dice)
        dice = UINT32_MAX;
    return span_us / 2 + (span_us / 2 * (int64_t)(dice >> 16) >> 16);
}

/* Gives the socket up; a fresh one follows after a pause. */
static void drop(struct link *self, int64_t now_us)
{
    close_socket(self);
    self->state = DOWN;
    self->registered = false;
    self->retry_us = now_us + jitter(self->backoff_us);
    self->backoff_us *= 2;
    if (self->backoff_us > BACKOFF_MAX_US)
        self->backoff_us = BACKOFF_MAX_US;
}

static int set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value);
}

static int configure(void *socket, const char *endpoint)
{
    const int64_t frame_max = FRAME_MAX;
    int code = set_int(socket, ZMQ_LINGER, LINGER_MS);
    code |= set_int(socket, ZMQ_SNDHWM, QUEUE);
    code |= set_int(socket, ZMQ_RCVHWM, QUEUE);
    code |= set_int(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS);
    code |= set_int(socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS);
    code |= set_int(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
    code |= set_int(socket, ZMQ_IPV6, strchr(endpoint, '[') != NULL);
    code |= zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &frame_max, sizeof frame_max);
    return code == 0 ? 0 : -errno;
}

static int open_socket(struct link *self)
{
    self->socket = zmq_socket(self->setup.context, ZMQ_DEALER);
    if (!self->socket)
        return -errno;
    int code = configure(self->socket, self->setup.endpoint);
    if (code == 0)
        code = link_monitor_open(&self->monitor, self->setup.context, self->socket);
    if (code == 0 && zmq_connect(self->socket, self->setup.endpoint) != 0)
        code = -errno;
    if (code != 0)
        close_socket(self);
    return code;
}

static struct link_news news(enum link_news_kind kind, const char *text)
{
    return (struct link_news){kind, {NULL, 0}, span_str(text)};
}

static struct link_news connect_again(struct link *self, int64_t now_us)
{
    int code = open_socket(self);
    if (code != 0) {
        drop(self, now_us);
        return news(LINK_LOST, zmq_strerror(-code));
    }
    self->state = CONNECTING;
    return news(LINK_NOTHING, NULL);
}

static struct link_news lose(struct link *self, int64_t now_us, const char *reason)
{
    if (self->registered)
        say(self, MDP_DISCONNECT); /* so that it does not hold us for a second worker */
    drop(self, now_us);
    return news(LINK_LOST, reason);
}

/* What arrived over the last connection means nothing on this one, and on a new one nothing can be
 * for us before READY: a query would be done twice, a DISCONNECT would end what has just begun. */
static void forget_received(struct link *self)
{
    int got;
    do
        got = frameset_receive(&self->received, self->socket);
    while (got == 1 || got == -E2BIG);
}

/* What the monitor tells. Returns LINK_NOTHING when there is nothing to pass on. */
static struct link_news watch(struct link *self, int64_t now_us)
{
    enum link_monitor_event event;
    while ((event = link_monitor_next(&self->monitor)) != LINK_MONITOR_NONE) {
        bool was_up = self->state == UP;
        if (event == LINK_MONITOR_REFUSED) {
            drop(self, now_us);
            return news(LINK_REFUSED, NULL);
        }
        self->state = event == LINK_MONITOR_UP ? UP : CONNECTING;
        self->registered = false;
        if (event == LINK_MONITOR_UP) {
            self->waiting = false;
            forget_received(self);
        } else if (was_up) {
            return news(LINK_LOST, "the connection to the gateway was lost");
        } else if (!self->waiting) {
            self->waiting = true;
            return news(LINK_WAITING, NULL);
        }
    }
    return news(LINK_NOTHING, NULL);
}

/* Hands over what is kept, oldest first; stops when ZeroMQ takes no more. */
static void flush(struct link *self)
{
    const struct letter *letter;
    while ((letter = letterbox_first(&self->kept))) {
        struct mdp_message message = {
            .command = MDP_FINAL, .address = letter->token, .body = &letter->text, .body_count = 1};
        if (send_command(self, &message) != 0)
            return;
        letterbox_drop(&self->kept);
    }
}

static struct link_news say_ready(struct link *self, int64_t now_us)
{
    struct mdp_message message = {.command = MDP_READY,
                                  .service = span_str(self->setup.service),
                                  .options = buffer_span(&self->options)};
    int code = send_command(self, &message);
    if (code != 0) {
        drop(self, now_us);
        return news(LINK_LOST, zmq_strerror(-code));
    }
    self->registered = true;
    self->beat_us = now_us + interval_us(self);
    self->silence_us = now_us + BEATS_MISSED * interval_us(self);
    return news(LINK_READY, NULL);
}

static struct link_news take_query(struct link *self, const struct mdp_message *message)
{
    if (!self->registered)
        return news(LINK_ODD, "a query although this worker is not registered");
    if (message->body_count != 1 || message->address.size > LINK_TOKEN_MAX)
        return news(LINK_ODD, "a query of several frames, or with an address that is too long");
    return (struct link_news){LINK_QUERY, message->address, message->body[0]};
}

/* Reads one message. Returns LINK_NOTHING with *ret_any false when none waits. */
static struct link_news receive(struct link *self, int64_t now_us, bool *ret_any)
{
    struct mdp_message message;
    int got = frameset_receive(&self->received, self->socket);
    *ret_any = got == 1 || got == -E2BIG;
    if (!*ret_any)
        return news(LINK_NOTHING, NULL);
    const struct frameset *set = &self->received;
    if (got != 1 || set->count < 2 || !span_is(set->frame[0], MDP_WORKER_02) ||
        mdp_read(&set->frame[1], set->count - 1, &message) != 0)
        return news(LINK_ODD, "frames that are not MDP/0.2");
    if (message.command == MDP_DISCONNECT)
        return lose(self, now_us, "the gateway said DISCONNECT");
    self->silence_us = now_us + BEATS_MISSED * interval_us(self);
    self->backoff_us = BACKOFF_FIRST_US;
    if (message.command == MDP_REQUEST)
        return take_query(self, &message);
    if (message.command == MDP_HEARTBEAT)
        return news(LINK_NOTHING, NULL);
    return news(LINK_ODD, "a command that only workers send");
}

static void beat(struct link *self, int64_t now_us)
{
    if (!self->registered || now_us < self->beat_us)
        return;
    say(self, MDP_HEARTBEAT);
    self->beat_us = now_us + interval_us(self);
}

struct link_news link_next(struct link *self, int64_t now_us)
{
    struct link_news some = news(LINK_NOTHING, NULL);
    if (self->state == DOWN && now_us < self->retry_us)
        return some;
    if (self->state == DOWN)
        some = connect_again(self, now_us);
    if (some.kind == LINK_NOTHING)
        some = watch(self, now_us);
    if (some.kind != LINK_NOTHING || self->state != UP)
        return some;
    flush(self);
    if (self->wanted && !self->registered)
        return say_ready(self, now_us);
    beat(self, now_us);
    bool any = true;
    for (int i = 0; i < TURN && any && some.kind == LINK_NOTHING; i++)
        some = receive(self, now_us, &any);
    /* Only what was not waiting to be read counts as silence: we may have been stopped. */
    if (!any && self->registered && now_us >= self->silence_us)
        return lose(self, now_us, "the gateway gives no sign of life");
    return some;
}

void link_join(struct link *self)
{
    self->wanted = true;
}

void link_leave(struct link *self)
{
    self->wanted = false;
    if (self->state == UP && self->registered)
        say(self, MDP_DISCONNECT);
    self->registered = false;
}

int link_final(struct link *self, struct span token, struct span body)
{
    if (self->state == UP) {
        flush(self);
        struct mdp_message message = {
            .command = MDP_FINAL, .address = token, .body = &body, .body_count = 1};
        if (self->kept.count == 0 && send_command(self, &message) == 0)
            return 0;
    }
    return letterbox_put(&self->kept, token, body) ? 1 : -ENOBUFS;
}

void link_partial(struct link *self, struct span token, struct span body)
{
    struct mdp_message message = {
        .command = MDP_PARTIAL, .address = token, .body = &body, .body_count = 1};
    if (self->state == UP)
        (void)send_command(self, &message); /* what it would renew is renewed by our beats, too */
}

size_t link_kept(const struct link *self)
{
    return self->kept.count;
}

size_t link_items(const struct link *self, zmq_pollitem_t ret_item[LINK_ITEMS])
{
    if (self->state == DOWN)
        return 0;
    ret_item[0] = (zmq_pollitem_t){.socket = self->monitor.events, .events = ZMQ_POLLIN};
    if (self->state == CONNECTING)
        return 1;
    bool blocked = self->kept.count > 0;
    ret_item[1] = (zmq_pollitem_t){.socket = self->socket,
                                   .events = (short)(ZMQ_POLLIN | (blocked ? ZMQ_POLLOUT : 0))};
    return 2;
}

int64_t link_due(const struct link *self)
{
    if (self->state == DOWN)
        return self->retry_us;
    if (!self->registered)
        return INT64_MAX;
    return self->beat_us < self->silence_us ? self->beat_us : self->silence_us;
}
