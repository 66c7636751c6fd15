#include "adapters/worker/link.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "adapters/worker/outbox.h"
#include "adapters/zmq/frameset.h"
#include "adapters/zmq/link_monitor.h"
#include "proto/buffer.h"
#include "proto/mdp.h"

#define BEATS_MISSED 3
#define BACKOFF_FIRST_US 100000
#define BACKOFF_MAX_US 5000000
#define LINGER_MS 1000
/* While nobody listens: ZeroMQ waits for one to two times the first, up to their sum in the end. So
 * a gateway is found a quarter of a second after it came back, at the price of five calls a second.
 */
#define RECONNECT_MS 50
#define RECONNECT_MAX_MS 200
#define CONNECT_MS 5000 /* a host that does not answer: the kernel would wait for minutes */
#define HANDSHAKE_MS 5000
#define TURN 100                                  /* messages read in one call at most */
#define QUEUE 1000                                /* messages waiting in the socket, each way */
#define FRAME_MAX ((int64_t)2 * LIMIT_FRAME_SIZE) /* a query is a row and what rides along */

enum state { DOWN, CONNECTING, UP };

struct link {
    struct link_setup setup;
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
    struct outbox answers;
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
    self->state = DOWN;
    self->backoff_us = BACKOFF_FIRST_US;
    outbox_init(&self->answers, setup->keep);
    frameset_init(&self->received);
    return self;
}

static int set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value);
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
    outbox_done(&link->answers);
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
static void drop(struct link *self, int64_t now_us, int64_t pause_us)
{
    close_socket(self);
    outbox_recall(&self->answers, now_us);
    self->state = DOWN;
    self->registered = false;
    self->retry_us = now_us + jitter(pause_us);
}

/* The same with a pause that doubles from one time to the next. */
static void back_off(struct link *self, int64_t now_us)
{
    drop(self, now_us, self->backoff_us);
    self->backoff_us *= 2;
    if (self->backoff_us > BACKOFF_MAX_US)
        self->backoff_us = BACKOFF_MAX_US;
}

static int configure(void *socket, const char *endpoint)
{
    const int64_t frame_max = FRAME_MAX;
    int code = set_int(socket, ZMQ_LINGER, LINGER_MS);
    code |= set_int(socket, ZMQ_SNDHWM, QUEUE);
    code |= set_int(socket, ZMQ_RCVHWM, QUEUE);
    code |= set_int(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS);
    code |= set_int(socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS);
    code |= set_int(socket, ZMQ_CONNECT_TIMEOUT, CONNECT_MS);
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
        back_off(self, now_us);
        return news(LINK_LOST, zmq_strerror(-code));
    }
    self->state = CONNECTING;
    return news(LINK_NOTHING, NULL);
}

static struct link_news lose(struct link *self, int64_t now_us, enum link_news_kind kind,
                             const char *reason)
{
    if (self->registered)
        say(self, MDP_DISCONNECT); /* so that it does not hold us for a second worker */
    back_off(self, now_us);
    return news(kind, reason);
}

/* The connection is gone, and what waits in the socket is not to reach whoever listens next. The
 * gateway was most likely ended: to look for it again soon, every time, is cheap. */
static struct link_news break_off(struct link *self, int64_t now_us)
{
    (void)set_int(self->socket, ZMQ_LINGER, 0);
    drop(self, now_us, RECONNECT_MAX_MS * INT64_C(1000));
    return news(LINK_LOST, "the connection to the gateway was lost");
}

/* What the monitor tells. Returns LINK_NOTHING when there is nothing to pass on. */
static struct link_news watch(struct link *self, int64_t now_us)
{
    enum link_monitor_event event;
    while ((event = link_monitor_next(&self->monitor)) != LINK_MONITOR_NONE) {
        if (event == LINK_MONITOR_REFUSED) {
            back_off(self, now_us);
            return news(LINK_REFUSED, NULL);
        }
        if (event == LINK_MONITOR_UP) {
            self->state = UP;
            self->waiting = false;
        } else if (self->state == UP) {
            return break_off(self, now_us);
        } else if (!self->waiting) {
            self->waiting = true;
            return news(LINK_WAITING, NULL);
        }
    }
    return news(LINK_NOTHING, NULL);
}

/* Hands over what is kept, oldest first; stops when ZeroMQ takes no more. */
static void flush(struct link *self, int64_t now_us)
{
    const struct letter *letter;
    if (self->state != UP || (self->wanted && !self->registered))
        return;
    while ((letter = outbox_first(&self->answers))) {
        struct mdp_message message = {
            .command = MDP_FINAL, .address = letter->token, .body = &letter->text, .body_count = 1};
        if (send_command(self, &message) != 0)
            return;
        outbox_handed(&self->answers, now_us);
    }
}

/* What is worked on comes first: only so many are taken up again as the worker has slots, and the
 * answers follow at once. */
static void write_options(const struct link *self, struct buffer *ret_json)
{
    struct worker_options options = self->setup.options;
    struct span token[LIMIT_SLOTS];
    struct buffer holding;
    size_t count = self->setup.holding(self->setup.holder, token, LIMIT_SLOTS);
    count += outbox_tokens(&self->answers, token + count, LIMIT_SLOTS - count);
    buffer_init(&holding);
    if (options_hold(token, count, &holding) > 0)
        options.holding = buffer_span(&holding);
    options_write(&options, ret_json);
    buffer_done(&holding);
}

static struct link_news say_ready(struct link *self, int64_t now_us)
{
    struct buffer options;
    buffer_init(&options);
    write_options(self, &options);
    struct mdp_message message = {.command = MDP_READY,
                                  .service = span_str(self->setup.service),
                                  .options = buffer_span(&options)};
    int code = send_command(self, &message);
    buffer_done(&options);
    if (code != 0) {
        back_off(self, now_us);
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
    if (message.command == MDP_DISCONNECT && self->registered)
        return lose(self, now_us, LINK_DISMISSED, "the gateway said DISCONNECT");
    self->silence_us = now_us + BEATS_MISSED * interval_us(self);
    self->backoff_us = BACKOFF_FIRST_US;
    if (message.command == MDP_REQUEST)
        return take_query(self, &message);
    if (message.command == MDP_HEARTBEAT || message.command == MDP_DISCONNECT)
        return news(LINK_NOTHING, NULL);
    return news(LINK_ODD, "a command that only workers send");
}

static void beat(struct link *self, int64_t now_us)
{
    if (!self->registered || now_us < self->beat_us)
        return;
    say(self, MDP_HEARTBEAT);
    outbox_forget(&self->answers, now_us);
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
    if (self->wanted && !self->registered)
        return say_ready(self, now_us);
    flush(self, now_us);
    beat(self, now_us);
    bool any = true;
    for (int i = 0; i < TURN && any && some.kind == LINK_NOTHING; i++)
        some = receive(self, now_us, &any);
    /* Only what was not waiting to be read counts as silence: we may have been stopped. */
    if (!any && self->registered && now_us >= self->silence_us)
        return lose(self, now_us, LINK_LOST, "the gateway gives no sign of life");
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

int link_final(struct link *self, struct span token, struct span body, int64_t now_us)
{
    size_t lost = outbox_put(&self->answers, token, body);
    flush(self, now_us);
    if (lost > 0)
        return -ENOBUFS;
    return link_kept(self) == 0 ? 0 : 1;
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
    return outbox_waiting(&self->answers);
}

size_t link_items(const struct link *self, zmq_pollitem_t ret_item[LINK_ITEMS])
{
    if (self->state == DOWN)
        return 0;
    ret_item[0] = (zmq_pollitem_t){.socket = self->monitor.events, .events = ZMQ_POLLIN};
    if (self->state == CONNECTING)
        return 1;
    bool blocked = link_kept(self) > 0;
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
