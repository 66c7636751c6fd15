#include "adapters/zmq/observers.h"

#include <stdlib.h>

#include "adapters/zmq/bind.h"
#include "adapters/zmq/curve.h"
#include "adapters/zmq/doorkeeper.h"
#include "adapters/zmq/monitor.h"
#include "adapters/zmq/subscriptions.h"
#include "proto/buffer.h"
#include "proto/event_batch.h"

#define SUBSCRIPTION_MAX 255 /* bytes of one that can match: more than any topic has */
#define BYTES_MAX (LIMIT_SUBSCRIPTIONS * 256ul) /* of all of one connection */
#define ODD_MAX LIMIT_SUBSCRIPTIONS             /* messages that no SUB socket sends */
/* XPUB reads a connection's queue until it is empty, in the loop's thread. With one message in it,
 * ZeroMQ's thread has to be woken for each, and is slower than the reader. */
#define QUEUED 1
#define CREDENTIAL 1   /* what ZAP has said of a peer stands in its queue for good (libzmq 4.3) */
#define RECEIVED 65536 /* bytes in the kernel */

struct link {
    struct subscriptions topics;
    size_t odd;  /* of its messages: no subscription, made twice, the end of none */
    size_t said; /* messages in that turn */
    uint64_t turn;
    bool open;                       /* as the monitor says */
    bool heard;                      /* its messages have a descriptor (O5) */
    bool cut;                        /* nothing it says counts any more */
    char key[CERT_FINGERPRINT_SIZE]; /* through a CURVE endpoint: the fingerprint of its key */
};

struct observers {
    void *socket;                /* the XPUB */
    void *monitor;               /* a PAIR */
    struct link *link;           /* by descriptor */
    size_t room;                 /* of those */
    struct subscriptions heap;   /* of messages that have no descriptor (O5) */
    size_t open;                 /* connections */
    size_t subscriptions;        /* in all books, that can match something */
    size_t wanting[TOPIC_KINDS]; /* of these: that can match this kind */
    bool batches;                /* what it sends has EVENT_BATCH_TOPIC */
    uint64_t begun;              /* subscriptions so far */
    uint64_t turn;               /* of reading the socket */
    uint64_t cut;
};

struct observers *observers_new(void *context, void *socket, bool curve)
{
    struct observers *self = memory_zero(1, sizeof *self);

    bind_set(socket, ZMQ_XPUB_NODROP, 0);
    bind_set(socket, ZMQ_XPUB_VERBOSER, 1);
    bind_set(socket, ZMQ_RCVHWM, curve ? QUEUED + CREDENTIAL : QUEUED);
    bind_set(socket, ZMQ_RCVBUF, RECEIVED);
    self->socket = socket;
    self->monitor = monitor_open(context, socket);
    if (!self->monitor)
        observers_destroy(&self);
    return self;
}

void observers_destroy(struct observers **self)
{
    if (!*self)
        return;
    monitor_close((*self)->socket, &(*self)->monitor);
    for (size_t i = 0; i < (*self)->room; i++)
        subscriptions_clear(&(*self)->link[i].topics);
    subscriptions_clear(&(*self)->heap);
    free((*self)->link);
    free(*self);
    *self = NULL;
}

void observers_batch(struct observers *self)
{
    self->batches = true;
}

void *observers_monitor(const struct observers *self)
{
    return self->monitor;
}

size_t observers_count(const struct observers *self)
{
    return self->open;
}

size_t observers_subscriptions(const struct observers *self)
{
    return self->subscriptions;
}

uint64_t observers_begun(const struct observers *self)
{
    return self->begun;
}

size_t observers_wanting(const struct observers *self, enum topic_kind kind)
{
    return self->wanting[kind];
}

uint64_t observers_cut(const struct observers *self)
{
    return self->cut;
}

/* What is subscribed to. */

/* True when some topic of KIND begins with TEXT. A batch has every kind. */
static bool can_match(const struct observers *self, struct span text, enum topic_kind kind)
{
    struct span name = span_str(self->batches ? EVENT_BATCH_TOPIC : topic_name(kind));

    if (text.size <= name.size)
        return span_equal(text, span_of(name.data, text.size));
    return !self->batches && text.data[name.size] == '/' &&
           span_equal(name, span_of(text.data, name.size));
}

static void count(struct observers *self, struct span text, bool begins)
{
    size_t step = begins ? 1 : (size_t)-1;

    if (text.size > SUBSCRIPTION_MAX || (!self->batches && span_is(text, EVENT_BATCH_TOPIC)))
        return;
    self->subscriptions += step;
    self->begun += begins;
    for (enum topic_kind kind = 0; kind < TOPIC_KINDS; kind++)
        if (can_match(self, text, kind))
            self->wanting[kind] += step;
}

/* One that begins or ends, as it came: the first byte says which. */
struct change {
    bool begins;
    struct span text;
};

/* False: FRAME is no subscription. The frames behind the first one of a message are none the less:
 * XPUB does not look where they stand. */
static bool read_change(struct span frame, struct change *ret_change)
{
    if (frame.size == 0 || (frame.data[0] != 0 && frame.data[0] != 1))
        return false;
    ret_change->begins = frame.data[0] == 1;
    ret_change->text = span_of(frame.data + 1, frame.size - 1);
    return true;
}

/* Books CHANGE in TOPICS. False when it changes nothing. */
static bool book(struct observers *self, struct subscriptions *topics, const struct change *change)
{
    struct subscription *entry = subscriptions_find(topics, change->text);

    if (change->begins == (entry != NULL))
        return false;
    if (entry)
        subscriptions_remove(topics, entry);
    else
        subscriptions_add(topics, change->text);
    count(self, change->text, change->begins);
    return true;
}

/* Books CHANGE in the heap, where a topic may stand for several connections. */
static void book_heap(struct observers *self, const struct change *change)
{
    struct subscription *entry = subscriptions_find(&self->heap, change->text);

    if (entry && (change->begins || entry->times > 1)) {
        entry->times += change->begins ? 1 : (size_t)-1;
        count(self, change->text, change->begins);
    } else if (entry || self->heap.count < LIMIT_SUBSCRIPTIONS) {
        book(self, &self->heap, change);
    }
}

static void forget(struct observers *self, struct link *link)
{
    for (size_t i = 0; i < link->topics.count; i++)
        count(self, span_of(link->topics.entry[i]->text, link->topics.entry[i]->size), false);
    subscriptions_clear(&link->topics);
}

/* Connections. */

static struct link *link_at(struct observers *self, int descriptor)
{
    size_t at = (size_t)descriptor;

    if (at >= self->room) {
        size_t room = at * 2 + 64;
        self->link = memory_grow(self->link, room * sizeof *self->link);
        memset(self->link + self->room, 0, (room - self->room) * sizeof *self->link);
        self->room = room;
    }
    return &self->link[at];
}

void observers_drain(struct observers *self)
{
    int descriptor;
    bool open;

    while (monitor_next(self->monitor, &descriptor, &open)) {
        struct link *link = link_at(self, descriptor);

        self->open -= link->open;
        self->open += open;
        forget(self, link);
        *link = (struct link){.open = open};
    }
}

/* Ends a connection of which more than its bound was heard. */
static void cut(struct observers *self, int descriptor, const char *endpoint)
{
    self->link[descriptor].cut = true;
    forget(self, &self->link[descriptor]);
    if (doorkeeper_cut(descriptor, endpoint))
        self->cut++;
}

/* Cuts all who may have said what has no descriptor (O5): those from whom nothing was heard that
 * has one. Who is cut and did not say it has nothing to lose, and connects again. */
static void cut_unheard(struct observers *self, const char *endpoint)
{
    for (size_t i = 0; i < self->room; i++)
        if (self->link[i].open && !self->link[i].heard && !self->link[i].cut)
            cut(self, (int)i, endpoint);
}

void observers_cut_keys(struct observers *self, const char *endpoint, curve_allowed_fn *allowed,
                        void *context)
{
    observers_drain(self);
    for (size_t i = 0; i < self->room; i++) {
        const struct link *link = &self->link[i];
        if (link->open && !link->cut && !(link->key[0] && allowed(context, link->key)))
            cut(self, (int)i, endpoint);
    }
}

void observers_turn(struct observers *self)
{
    self->turn++;
}

void observers_cut_loudest(struct observers *self, const char *endpoint)
{
    size_t loudest = self->room;

    for (size_t i = 0; i < self->room; i++) {
        const struct link *link = &self->link[i];
        if (link->open && !link->cut && link->turn == self->turn &&
            (loudest == self->room || link->said > self->link[loudest].said))
            loudest = i;
    }
    if (loudest < self->room)
        cut(self, (int)loudest, endpoint);
}

void observers_hear(struct observers *self, const zmq_msg_t *frame, const char *endpoint)
{
    zmq_msg_t *message = (zmq_msg_t *)frame; /* ZeroMQ's calls change nothing */
    int descriptor = zmq_msg_get(message, ZMQ_SRCFD);
    struct change change;
    bool sound = read_change(span_of(zmq_msg_data(message), zmq_msg_size(message)), &change);
    struct link *link;

    observers_drain(self); /* O1 */
    if (descriptor < 0) {
        if (!sound || change.begins)
            cut_unheard(self, endpoint);
        if (sound)
            book_heap(self, &change);
        return;
    }
    if (descriptor >= MONITOR_DESCRIPTORS)
        return;
    link = link_at(self, descriptor);
    if (!link->open || link->cut)
        return;
    if (!link->heard)
        curve_sender(frame, link->key);
    link->heard = true;
    link->said = link->turn == self->turn ? link->said + 1 : 1;
    link->turn = self->turn;
    if (!sound || !book(self, &link->topics, &change))
        link->odd++;
    if (link->topics.count > LIMIT_SUBSCRIPTIONS || link->topics.bytes > BYTES_MAX ||
        link->odd > ODD_MAX)
        cut(self, descriptor, endpoint);
}
