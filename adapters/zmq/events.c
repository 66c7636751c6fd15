#include "adapters/zmq/events.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "adapters/zmq/bind.h"
#include "adapters/zmq/doorkeeper.h"
#include "adapters/zmq/frameset.h"
#include "adapters/zmq/observers.h"
#include "proto/buffer.h"
#include "proto/event_batch.h"

#define MESSAGE_MAX 4096    /* bytes of what an observer may send; more cuts it off */
#define FRAMES_AT_ONCE 1000 /* read in one turn */
#define BATCH_KEPT_ROOM (4 * LIMIT_BATCH_SIZE)
#define TURNS_BEHIND 10 /* in a row, until somebody is cut: what waits in libzmq has no bound */

struct door {
    void *socket;                /* the XPUB */
    struct observers *observers; /* its connections */
    bool curve;                  /* its peers are known by their keys */
    bool batches;                /* for those that take batches */
    bool still;                  /* nothing was said since */
    int behind;                  /* turns in a row in which not all was read */
    char endpoint[BIND_ENDPOINT_SIZE];
};

struct events {
    void *context;
    struct door door[EVENTS_DOORS];
    size_t doors;
    struct doorkeeper *keeper; /* from the first endpoint on */
    struct buffer welcome;     /* one frame; empty: none */
    struct batch {
        struct buffer events; /* proto/event_batch.h */
        size_t count;
        bool welcome; /* the doors of batches have an older one still */
    } batch;          /* the one that is being made */
    uint64_t copies;  /* of messages, so far */
};

struct events *events_new(void *context)
{
    struct events *self = memory_zero(1, sizeof *self);

    self->context = context;
    return self;
}

void events_destroy(struct events **self, int linger_ms)
{
    if (!*self)
        return;
    doorkeeper_destroy(&(*self)->keeper);
    for (size_t i = 0; i < (*self)->doors; i++) {
        observers_destroy(&(*self)->door[i].observers);
        zmq_setsockopt((*self)->door[i].socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
        zmq_close((*self)->door[i].socket);
    }
    buffer_done(&(*self)->welcome);
    buffer_done(&(*self)->batch.events);
    free(*self);
    *self = NULL;
}

static int set_welcome(const struct events *self, const struct door *door)
{
    const struct buffer *frame = &self->welcome;
    int failed = zmq_setsockopt(door->socket, ZMQ_XPUB_WELCOME_MSG, frame->data, frame->size);

    return failed ? -errno : 0;
}

static int welcome_doors(const struct events *self, bool batches)
{
    int result = 0;

    for (size_t i = 0; i < self->doors; i++) {
        const struct door *door = &self->door[i];
        int error = door->batches == batches ? set_welcome(self, door) : 0;
        if (error)
            result = error;
    }
    return result;
}

/* It says what has left: at the doors of batches that waits for the batch. */
int events_welcome(struct events *self, struct span frame)
{
    int result, error = 0;

    if (span_equal(frame, buffer_span(&self->welcome)))
        return 0;
    buffer_reset(&self->welcome);
    buffer_add(&self->welcome, frame);
    result = welcome_doors(self, false);
    self->batch.welcome = self->batch.count > 0;
    if (!self->batch.welcome)
        error = welcome_doors(self, true);
    return error ? error : result;
}

/* SECRET_KEY: NULL for an endpoint without CURVE. */
static int bind_door(struct events *self, const char *endpoint, bool group, const char *secret_key)
{
    struct door *door = &self->door[self->doors];
    int error;

    if (self->doors == EVENTS_DOORS)
        return -E2BIG;
    if (!self->keeper && !(self->keeper = doorkeeper_new()))
        return -errno;
    door->socket = bind_open(self->context, ZMQ_XPUB, endpoint, MESSAGE_MAX);
    if (!door->socket)
        return -errno;
    door->curve = secret_key != NULL;
    door->observers = observers_new(self->context, door->socket, door->curve);
    error = door->observers ? set_welcome(self, door) : -errno;
    if (!error && secret_key)
        error = curve_server_apply(door->socket, secret_key, CURVE_DOMAIN_EVENTS);
    if (!error)
        error = bind_socket(door->socket, endpoint, group, door->endpoint);
    if (error) {
        observers_destroy(&door->observers);
        zmq_close(door->socket);
        return error;
    }
    doorkeeper_keep(self->keeper, door->endpoint);
    return (int)self->doors++;
}

int events_bind(struct events *self, const char *endpoint, bool group)
{
    return bind_door(self, endpoint, group, NULL);
}

int events_bind_curve(struct events *self, const char *endpoint, const char *secret_key)
{
    return bind_door(self, endpoint, false, secret_key);
}

void events_batch(struct events *self, size_t door)
{
    self->door[door].batches = true;
    observers_batch(self->door[door].observers);
}

bool events_is_batch(const struct events *self, size_t door)
{
    return self->door[door].batches;
}

bool events_is_curve(const struct events *self, size_t door)
{
    return self->door[door].curve;
}

void events_cut_keys(struct events *self, curve_allowed_fn *allowed, void *context)
{
    for (size_t i = 0; i < self->doors; i++)
        if (self->door[i].curve)
            observers_cut_keys(self->door[i].observers, self->door[i].endpoint, allowed, context);
}

size_t events_doors(const struct events *self)
{
    return self->doors;
}

void *events_socket(const struct events *self, size_t door)
{
    return self->door[door].socket;
}

void *events_monitor(const struct events *self, size_t door)
{
    return observers_monitor(self->door[door].observers);
}

const char *events_endpoint(const struct events *self, size_t door)
{
    return self->door[door].endpoint;
}

void events_still(struct events *self, size_t door, bool still)
{
    self->door[door].still = still;
}

static void drain_door(struct door *door)
{
    zmq_msg_t frame;
    int left = FRAMES_AT_ONCE;

    if (door->still) {
        door->behind = 0;
        return;
    }
    observers_drain(door->observers);
    observers_turn(door->observers);
    zmq_msg_init(&frame);
    while (left > 0 && zmq_msg_recv(&frame, door->socket, ZMQ_DONTWAIT) >= 0) {
        observers_hear(door->observers, &frame, door->endpoint);
        left--;
    }
    zmq_msg_close(&frame);
    door->behind = left > 0 ? 0 : door->behind + 1;
    if (door->behind > TURNS_BEHIND)
        observers_cut_loudest(door->observers, door->endpoint);
}

void events_drain(struct events *self)
{
    for (size_t i = 0; i < self->doors; i++)
        drain_door(&self->door[i]);
    if (self->keeper)
        doorkeeper_beat(self->keeper, events_observers(self) > 0);
}

size_t events_subscriptions(const struct events *self)
{
    size_t count = 0;

    for (size_t i = 0; i < self->doors; i++)
        count += observers_subscriptions(self->door[i].observers);
    return count;
}

uint64_t events_begun(const struct events *self)
{
    uint64_t count = 0;

    for (size_t i = 0; i < self->doors; i++)
        count += observers_begun(self->door[i].observers);
    return count;
}

size_t events_observers(const struct events *self)
{
    size_t count = 0;

    for (size_t i = 0; i < self->doors; i++)
        count += observers_count(self->door[i].observers);
    return count;
}

bool events_wanted(const struct events *self, enum topic_kind kind)
{
    for (size_t i = 0; i < self->doors; i++)
        if (observers_wanting(self->door[i].observers, kind) > 0)
            return true;
    return false;
}

bool events_over_tcp(const struct events *self)
{
    for (size_t i = 0; i < self->doors; i++)
        if (strncmp(self->door[i].endpoint, "tcp://", 6) == 0)
            return true;
    return false;
}

uint64_t events_cut(const struct events *self)
{
    uint64_t count = self->keeper ? doorkeeper_cuts(self->keeper) : 0;

    for (size_t i = 0; i < self->doors; i++)
        count += observers_cut(self->door[i].observers);
    return count;
}

/* Connections, at most, that a message goes to at the doors of batches, or at the others. */
static size_t copies_at(const struct events *self, bool batches)
{
    size_t count = 0;

    for (size_t i = 0; i < self->doors; i++) {
        const struct observers *observers = self->door[i].observers;
        if (self->door[i].batches == batches)
            count += batches ? observers_wanting(observers, TOPIC_GATEWAY)
                             : observers_subscriptions(observers);
    }
    return count;
}

size_t events_next_copies(const struct events *self)
{
    return copies_at(self, false) + copies_at(self, true);
}

uint64_t events_copies(const struct events *self)
{
    return self->copies;
}

static int send_at(struct events *self, bool batches, const struct span *frame, size_t count)
{
    int result = 0;

    for (size_t i = 0; i < self->doors; i++) {
        const struct door *door = &self->door[i];
        bool heard = door->batches == batches && observers_subscriptions(door->observers) > 0;
        int error = heard ? frameset_send(door->socket, frame, count) : 0;
        if (error)
            result = error;
    }
    self->copies += copies_at(self, batches);
    return result;
}

int events_pass(struct events *self, const struct span *frame, size_t count)
{
    return send_at(self, false, frame, count);
}

int events_flush(struct events *self)
{
    struct batch *batch = &self->batch;
    const struct span frame[] = {span_str(EVENT_BATCH_TOPIC), buffer_span(&batch->events)};
    int result = batch->count > 0 ? send_at(self, true, frame, 2) : 0;
    int error = 0;

    if (batch->events.room > BATCH_KEPT_ROOM)
        buffer_done(&batch->events);
    buffer_reset(&batch->events);
    batch->count = 0;
    if (batch->welcome)
        error = welcome_doors(self, true);
    batch->welcome = false;
    return result ? result : error;
}

size_t events_waiting(const struct events *self)
{
    return self->batch.count;
}

/* The batch that would have too much with it leaves before. */
static int add_to_batch(struct events *self, const struct span frame[EVENT_BATCH_FRAMES])
{
    struct batch *batch = &self->batch;
    bool full = batch->count == LIMIT_BATCH_EVENTS ||
                batch->events.size + event_batch_size(frame) > LIMIT_BATCH_SIZE;
    int result = full ? events_flush(self) : 0;

    event_batch_add(frame, &batch->events);
    batch->count++;
    return result;
}

int events_publish(struct events *self, struct span topic, uint64_t seq, struct span json)
{
    char number[21];
    int size = snprintf(number, sizeof number, "%llu", (unsigned long long)seq);
    const struct span frame[] = {topic, span_of(number, (size_t)size), json};
    int result = events_pass(self, frame, EVENT_BATCH_FRAMES);
    int error = copies_at(self, true) > 0 ? add_to_batch(self, frame) : 0;

    return error ? error : result;
}
