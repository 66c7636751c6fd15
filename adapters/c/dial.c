#include "adapters/c/dial.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "proto/limits.h"

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
#define QUEUE 1000                                /* messages waiting in the socket, each way */
#define FRAME_MAX ((int64_t)2 * LIMIT_FRAME_SIZE) /* a query is a row and what rides along */
#define TURNED_AWAY_MAX 3
#define CLOSED_US                                                                                  \
    1000000 /* far more than ZeroMQ takes to try again after a connection was closed */
#define KEEPALIVE_S 10
#define BEATS_MISSED 3 /* three times any interval that is given here is below ZMTP's 60 s */

void dial_init(struct dial *self, void *context, const char *endpoint, int heartbeat_ms)
{
    *self = (struct dial){.context = context,
                          .endpoint = endpoint,
                          .heartbeat_ms = heartbeat_ms,
                          .queue = QUEUE,
                          .state = DIAL_DOWN,
                          .backoff_us = BACKOFF_FIRST_US};
}

void dial_listen(struct dial *self, const char *const *topic, size_t count)
{
    self->topic = topic;
    self->topics = count;
}

void dial_queue(struct dial *self, int messages)
{
    self->queue = messages;
}

void dial_secure(struct dial *self, const struct curve_client *curve)
{
    self->curve = curve && curve->server_key[0] ? curve : NULL;
}

static int set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value);
}

static void close_socket(struct dial *self)
{
    if (!self->socket)
        return;
    link_monitor_close(&self->monitor);
    zmq_close(self->socket);
    self->socket = NULL;
}

void dial_done(struct dial *self)
{
    close_socket(self);
    self->state = DIAL_DOWN;
    self->retry_us = INT64_MAX;
}

/* A pause between half of SPAN_US and all of it, so that many do not come back in step. */
static int64_t jitter(int64_t span_us)
{
    uint32_t dice = 0;
    if (getrandom(&dice, sizeof dice, GRND_NONBLOCK) != (ssize_t)sizeof dice)
        dice = UINT32_MAX;
    return span_us / 2 + (span_us / 2 * (int64_t)(dice >> 16) >> 16);
}

static void give_up(struct dial *self, int64_t now_us, int64_t pause_us)
{
    close_socket(self);
    self->state = DIAL_DOWN;
    self->turned_away = 0;
    self->closed = false;
    self->retry_us = now_us + jitter(pause_us);
}

void dial_drop(struct dial *self, int64_t now_us)
{
    give_up(self, now_us, self->backoff_us);
    self->backoff_us *= 2;
    if (self->backoff_us > BACKOFF_MAX_US)
        self->backoff_us = BACKOFF_MAX_US;
}

/* To look for a gateway that was ended again soon, every time, is cheap. */
void dial_break(struct dial *self, int64_t now_us)
{
    if (self->socket)
        (void)set_int(self->socket, ZMQ_LINGER, 0);
    give_up(self, now_us, RECONNECT_MAX_MS * INT64_C(1000));
}

void dial_settle(struct dial *self)
{
    self->backoff_us = BACKOFF_FIRST_US;
}

/* Why we are turned away: what DIAL_REFUSED comes with. */
enum refusal { REFUSAL_STRANGE, REFUSAL_KEY, REFUSAL_NEEDS_KEY, REFUSAL_NO_CURVE, REFUSAL_CLOSED };

/* Before the handshake was over it closed. A gateway that cannot read what our key makes does that:
 * it has another certificate. */
static int closed_why(const struct dial *self)
{
    return self->curve ? REFUSAL_CLOSED : REFUSAL_STRANGE;
}

static int refused_why(const struct dial *self)
{
    if (self->monitor.refusal == LINK_MONITOR_KEY)
        return REFUSAL_KEY;
    if (self->monitor.refusal == LINK_MONITOR_SECURITY)
        return self->curve ? REFUSAL_NO_CURVE : REFUSAL_NEEDS_KEY;
    return REFUSAL_STRANGE;
}

/* A fresh socket, after a pause: ZeroMQ would not try again by itself. */
static enum dial_event turn_away(struct dial *self, int64_t now_us, int why, int *ret_error)
{
    /* One side closes when both find that they have no mechanism in common: whether we see that it
     * was so or only the end is a matter of luck. */
    bool vague = why == REFUSAL_STRANGE || why == REFUSAL_CLOSED;
    bool again = self->refused && (vague || self->refusal == why);
    dial_drop(self, now_us);
    self->waiting = false;
    self->refused = true;
    self->refusal = again ? self->refusal : why;
    *ret_error = why;
    return again ? DIAL_NOTHING : DIAL_REFUSED;
}

static const char *refusal_words(int refusal)
{
    switch (refusal) {
    case REFUSAL_KEY:
        return "the gateway does not let our key in: its public certificate belongs into the "
               "gateway's allow-list";
    case REFUSAL_NEEDS_KEY:
        return "the gateway wants a key (CURVE) and we have none: give a certificate of ours and "
               "the gateway's";
    case REFUSAL_NO_CURVE:
        return "what listens there does not speak CURVE, and we do: check the endpoint, or leave "
               "out the certificates";
    case REFUSAL_CLOSED:
        return "what listens there closes before we are known: the gateway has another server "
               "certificate than the one we have, or it is no gateway";
    default:
        return "what listens there is no gateway, or lets nobody in, perhaps for want of a key "
               "(CURVE): check the endpoint (tailgate status --json names a gateway's)";
    }
}

static int set_heartbeat(void *socket, int interval_ms)
{
    int code = set_int(socket, ZMQ_HEARTBEAT_IVL, interval_ms);
    code |= set_int(socket, ZMQ_HEARTBEAT_TIMEOUT, BEATS_MISSED * interval_ms);
    code |= set_int(socket, ZMQ_HEARTBEAT_TTL, BEATS_MISSED * interval_ms);
    return code;
}

/* What says nothing for long, and may not be read for long, cannot use ZMTP's heartbeats: their
 * answers would wait behind the events. So the kernel looks whether the host is there. */
static int set_listening(const struct dial *self, void *socket)
{
    int code = set_int(socket, ZMQ_TCP_KEEPALIVE, 1);
    code |= set_int(socket, ZMQ_TCP_KEEPALIVE_IDLE, KEEPALIVE_S);
    code |= set_int(socket, ZMQ_TCP_KEEPALIVE_INTVL, KEEPALIVE_S);
    code |= set_int(socket, ZMQ_TCP_KEEPALIVE_CNT, BEATS_MISSED);
    code |= set_int(socket, ZMQ_LINGER, 0); /* subscriptions that nobody took are no loss */
    for (size_t i = 0; i < self->topics; i++)
        code |= zmq_setsockopt(socket, ZMQ_SUBSCRIBE, self->topic[i], strlen(self->topic[i]));
    return code;
}

static int configure(const struct dial *self, void *socket)
{
    const int64_t frame_max = FRAME_MAX;
    int code = set_int(socket, ZMQ_LINGER, LINGER_MS);
    code |= set_int(socket, ZMQ_SNDHWM, self->queue);
    code |= set_int(socket, ZMQ_RCVHWM, self->queue);
    code |= set_int(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS);
    code |= set_int(socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS);
    code |= set_int(socket, ZMQ_CONNECT_TIMEOUT, CONNECT_MS);
    code |= set_int(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
    code |= set_int(socket, ZMQ_IPV6, strchr(self->endpoint, '[') != NULL);
    code |= zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &frame_max, sizeof frame_max);
    if (self->heartbeat_ms > 0)
        code |= set_heartbeat(socket, self->heartbeat_ms);
    if (self->topics > 0)
        code |= set_listening(self, socket);
    return code == 0 ? 0 : -errno;
}

static int open_socket(struct dial *self)
{
    self->socket = zmq_socket(self->context, self->topics > 0 ? ZMQ_SUB : ZMQ_DEALER);
    if (!self->socket)
        return -errno;
    int code = configure(self, self->socket);
    if (code == 0)
        code = curve_client_apply(self->curve, self->socket);
    if (code == 0)
        code = link_monitor_open(&self->monitor, self->context, self->socket);
    if (code == 0 && zmq_connect(self->socket, self->endpoint) != 0)
        code = -errno;
    if (code != 0)
        close_socket(self);
    return code;
}

/* The connection ended. Before the handshake, that is either a gateway that is being ended, or
 * something that lets us not in and says so by closing: then it does it again. ZeroMQ does not even
 * try again when the other side is a socket of a kind that cannot be spoken to. */
static enum dial_event hear_loss(struct dial *self, int64_t now_us, int *ret_error)
{
    bool up = self->state == DIAL_UP;
    if (up && self->topics == 0) {
        dial_break(self, now_us);
        return DIAL_LOST;
    }
    self->state = DIAL_CONNECTING;
    self->closed = true;
    self->retry_us = now_us + CLOSED_US;
    if (up)
        return DIAL_LOST;
    if (++self->turned_away < TURNED_AWAY_MAX)
        return DIAL_NOTHING;
    return turn_away(self, now_us, closed_why(self), ret_error);
}

/* ZeroMQ is about to try again. */
static enum dial_event hear_retry(struct dial *self)
{
    bool nobody = !self->closed;
    bool new = nobody && !self->waiting;
    if (nobody)
        self->turned_away = 0;
    self->closed = false;
    self->waiting = self->waiting || new;
    self->refused = self->refused && !new;
    return new ? DIAL_WAITING : DIAL_NOTHING;
}

/* What the monitor tells. */
static enum dial_event watch(struct dial *self, int64_t now_us, int *ret_error)
{
    enum dial_event heard = DIAL_NOTHING;
    while (heard == DIAL_NOTHING) {
        switch (link_monitor_next(&self->monitor)) {
        case LINK_MONITOR_NONE:
            if (!self->closed || now_us < self->retry_us)
                return DIAL_NOTHING;
            return turn_away(self, now_us, closed_why(self), ret_error);
        case LINK_MONITOR_REFUSED:
            return turn_away(self, now_us, refused_why(self), ret_error);
        case LINK_MONITOR_UP:
            self->state = DIAL_UP;
            self->closed = self->waiting = self->refused = false;
            self->turned_away = 0;
            return DIAL_OPEN;
        case LINK_MONITOR_LOST:
            heard = hear_loss(self, now_us, ret_error);
            break;
        case LINK_MONITOR_RETRY:
            heard = hear_retry(self);
            break;
        }
    }
    return heard;
}

enum dial_event dial_next(struct dial *self, int64_t now_us, int *ret_error)
{
    if (self->state != DIAL_DOWN)
        return watch(self, now_us, ret_error);
    if (now_us < self->retry_us)
        return DIAL_NOTHING;
    int code = open_socket(self);
    if (code != 0) {
        dial_drop(self, now_us);
        *ret_error = -code;
        return DIAL_FAILED;
    }
    self->state = DIAL_CONNECTING;
    return watch(self, now_us, ret_error);
}

const char *dial_words(enum dial_event event, int error)
{
    switch (event) {
    case DIAL_LOST:
        return "the connection to the gateway was lost";
    case DIAL_WAITING:
        return "no gateway there yet, or no way to it; connecting as soon as it is";
    case DIAL_REFUSED:
        return refusal_words(error);
    case DIAL_FAILED:
        return zmq_strerror(error);
    case DIAL_OPEN:
    case DIAL_NOTHING:
        break;
    }
    return "";
}

size_t dial_items(const struct dial *self, bool blocked, zmq_pollitem_t ret_item[DIAL_ITEMS])
{
    if (self->state == DIAL_DOWN)
        return 0;
    ret_item[0] = (zmq_pollitem_t){.socket = self->monitor.events, .events = ZMQ_POLLIN};
    if (self->state == DIAL_CONNECTING)
        return 1;
    ret_item[1] = (zmq_pollitem_t){.socket = self->socket,
                                   .events = (short)(ZMQ_POLLIN | (blocked ? ZMQ_POLLOUT : 0))};
    return 2;
}

int64_t dial_due(const struct dial *self)
{
    return self->state == DIAL_DOWN || self->closed ? self->retry_us : INT64_MAX;
}
