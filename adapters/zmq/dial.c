#include "adapters/zmq/dial.h"

#include <errno.h>
#include <stdlib.h>

#include "adapters/zmq/link_monitor.h"
#include "proto/buffer.h"

#define QUEUE 1000 /* messages waiting in the socket, each way */
/* While nobody listens: doubling from the first to the last. */
#define RECONNECT_MS 100
#define RECONNECT_MAX_MS 1000
#define CONNECT_MS 5000 /* a host that does not answer: the kernel would wait for minutes */
#define HANDSHAKE_MS 5000
#define BEAT_MS 10000 /* ZMTP heartbeats: a dead link is closed, no more than that */
#define BEAT_TIMEOUT_MS 30000

/* One socket, which is one connection (L1). */
struct line {
    void *socket; /* NULL: there is none */
    struct link_monitor monitor;
    bool lost; /* its end was seen; what had come before it may still wait */
};

struct dial {
    void *context;
    char *endpoint;
    enum dial_state state;
    struct line line;
    struct line late; /* L3 */
    bool awaits;      /* something was sent on the line, and nothing has come since */
    bool absent;      /* DIAL_ABSENT was said since it was last UP */
    int64_t due_us;   /* WAITING: when to dial again */
    int64_t span_us;  /* of the next pause (L2) */
    uint64_t random;
};

static void line_close(struct line *self)
{
    if (!self->socket)
        return;
    link_monitor_close(&self->monitor);
    zmq_close(self->socket);
    *self = (struct line){.socket = NULL};
}

static int set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value);
}

static int configure(void *context, void *socket, const char *endpoint)
{
    const int64_t largest = LIMIT_FRAME_SIZE;
    const uint64_t last_thread = UINT64_C(1) << (zmq_ctx_get(context, ZMQ_IO_THREADS) - 1);
    int code = set_int(socket, ZMQ_LINGER, 0);

    code |= set_int(socket, ZMQ_SNDHWM, QUEUE);
    code |= set_int(socket, ZMQ_RCVHWM, QUEUE);
    code |= set_int(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS);
    code |= set_int(socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS);
    code |= set_int(socket, ZMQ_CONNECT_TIMEOUT, CONNECT_MS);
    code |= set_int(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
    code |= set_int(socket, ZMQ_HEARTBEAT_IVL, BEAT_MS);
    code |= set_int(socket, ZMQ_HEARTBEAT_TIMEOUT, BEAT_TIMEOUT_MS);
    code |= set_int(socket, ZMQ_IPV6, strchr(endpoint, '[') != NULL);
    code |= zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest);
    code |= zmq_setsockopt(socket, ZMQ_AFFINITY, &last_thread, sizeof last_thread);
    return code == 0 ? 0 : -errno;
}

static int line_open(struct line *self, void *context, const char *endpoint)
{
    int code;

    self->socket = zmq_socket(context, ZMQ_DEALER);
    if (!self->socket)
        return -errno;
    code = configure(context, self->socket, endpoint);
    if (code == 0)
        code = link_monitor_open(&self->monitor, context, self->socket);
    if (code == 0 && zmq_connect(self->socket, endpoint) != 0)
        code = -errno;
    if (code != 0)
        line_close(self);
    return code;
}

int dial_new(void *context, const char *endpoint, uint64_t seed, struct dial **ret_dial)
{
    struct dial *self = memory_zero(1, sizeof *self);
    int code;

    self->context = context;
    self->endpoint = memory_text(span_str(endpoint));
    self->state = DIAL_DOWN;
    self->span_us = DIAL_PAUSE_FIRST_US;
    self->random = seed | 1;
    code = line_open(&self->line, context, endpoint);
    if (code == 0)
        *ret_dial = self;
    else
        dial_destroy(&self);
    return code;
}

void dial_destroy(struct dial **self)
{
    if (!*self)
        return;
    line_close(&(*self)->line);
    line_close(&(*self)->late);
    free((*self)->endpoint);
    free(*self);
    *self = NULL;
}

enum dial_state dial_state(const struct dial *self)
{
    return self->state;
}

int dial_send(struct dial *self, const struct span *frame, size_t count)
{
    int code;

    if (self->state != DIAL_UP || self->line.lost)
        return -EHOSTUNREACH;
    code = frameset_send(self->line.socket, frame, count);
    self->line.lost = code != 0;
    self->awaits = true;
    return code;
}

void dial_answered(struct dial *self, int64_t now_us)
{
    self->span_us = DIAL_PAUSE_FIRST_US;
    if (self->state == DIAL_WAITING && self->due_us > now_us)
        self->due_us = now_us;
}

/* The pause before a fresh socket (L2). */
static void back_off(struct dial *self, int64_t now_us)
{
    int64_t half_us = self->span_us / 2;

    self->random ^= self->random >> 12; /* xorshift64* */
    self->random ^= self->random << 25;
    self->random ^= self->random >> 27;
    self->due_us = now_us + half_us +
                   (int64_t)((self->random * 2685821657736338717u >> 33) % (uint64_t)half_us);
    self->span_us *= 2;
    if (self->span_us > DIAL_PAUSE_MAX_US)
        self->span_us = DIAL_PAUSE_MAX_US;
    self->state = DIAL_WAITING;
    self->awaits = false;
}

void dial_hang_up(struct dial *self, int64_t now_us, bool hear)
{
    if (!hear || self->awaits)
        line_close(&self->late);
    if (hear && self->awaits)
        self->late = self->line;
    else
        line_close(&self->line);
    self->line = (struct line){.socket = NULL};
    back_off(self, now_us);
}

/* Whether the peer that SET came from may answer (L4). One that speaks an old ZMTP does not say
 * what it is. */
static bool may_answer(struct frameset *set)
{
    const char *type = zmq_msg_gets(&set->message[0], "Socket-Type");

    return !type || strcmp(type, "REP") == 0 || strcmp(type, "ROUTER") == 0;
}

/* Takes one message. Returns DIAL_NOTHING when none waits. */
static enum dial_news receive(struct line *line, struct frameset *set)
{
    int got = frameset_receive(set, line->socket);

    if (got == -E2BIG)
        return DIAL_BAD;
    if (got != 1)
        return DIAL_NOTHING;
    return may_answer(set) ? DIAL_MESSAGE : DIAL_STRANGE;
}

/* What is left of a connection that was hung up (L3). */
static enum dial_news hear_late(struct dial *self, struct frameset *set)
{
    enum link_monitor_event event;
    enum dial_news news;

    while ((event = link_monitor_next(&self->late.monitor)) != LINK_MONITOR_NONE)
        self->late.lost |= event == LINK_MONITOR_LOST;
    news = receive(&self->late, set);
    if (news != DIAL_NOTHING || self->late.lost)
        line_close(&self->late);
    return news;
}

/* What the monitor tells. */
static enum dial_news watch(struct dial *self, int64_t now_us)
{
    enum link_monitor_event event;

    while ((event = link_monitor_next(&self->line.monitor)) != LINK_MONITOR_NONE) {
        if (event == LINK_MONITOR_UP) {
            self->state = DIAL_UP;
            self->absent = false;
            return DIAL_CAME;
        }
        if (self->state == DIAL_UP) {
            self->line.lost |= event == LINK_MONITOR_LOST; /* L5 */
        } else if (event != LINK_MONITOR_RETRY) {
            dial_hang_up(self, now_us, false);
            return DIAL_REFUSED;
        } else if (!self->absent) {
            self->absent = true;
            return DIAL_ABSENT;
        }
    }
    return DIAL_NOTHING;
}

static enum dial_news dial_again(struct dial *self, int64_t now_us)
{
    int code = line_open(&self->line, self->context, self->endpoint);

    self->state = DIAL_DOWN;
    if (code == 0)
        return DIAL_NOTHING;
    back_off(self, now_us);
    errno = -code;
    return DIAL_FAILED;
}

/* What comes by a line that is UP, or was. */
static enum dial_news take(struct dial *self, int64_t now_us, struct frameset *set)
{
    enum dial_news news = receive(&self->line, set);

    if (news == DIAL_MESSAGE)
        self->awaits = false;
    if (news != DIAL_NOTHING || !self->line.lost)
        return news;
    if (!self->awaits)
        self->span_us = DIAL_PAUSE_FIRST_US;
    line_close(&self->line);
    back_off(self, now_us);
    return DIAL_WENT;
}

enum dial_news dial_next(struct dial *self, int64_t now_us, struct frameset *set)
{
    enum dial_news news = DIAL_NOTHING;

    if (self->late.socket)
        news = hear_late(self, set);
    if (news == DIAL_NOTHING && self->state == DIAL_WAITING && now_us >= self->due_us)
        news = dial_again(self, now_us);
    if (news == DIAL_NOTHING && self->state != DIAL_WAITING)
        news = watch(self, now_us);
    if (news == DIAL_NOTHING && self->state == DIAL_UP)
        news = take(self, now_us, set);
    return news;
}

static size_t line_items(const struct line *self, zmq_pollitem_t *ret_item)
{
    if (!self->socket)
        return 0;
    ret_item[0] = (zmq_pollitem_t){.socket = self->socket, .events = ZMQ_POLLIN};
    ret_item[1] = (zmq_pollitem_t){.socket = self->monitor.events, .events = ZMQ_POLLIN};
    return 2;
}

size_t dial_items(const struct dial *self, zmq_pollitem_t ret_item[DIAL_ITEMS])
{
    size_t count = line_items(&self->late, ret_item);

    return count + line_items(&self->line, ret_item + count);
}

int64_t dial_due(const struct dial *self)
{
    if (self->state == DIAL_WAITING)
        return self->due_us;
    return self->line.lost ? 0 : INT64_MAX;
}
