#include "adapters/zmq/gate.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "adapters/zmq/bind.h"
#include "adapters/zmq/links.h"
#include "proto/buffer.h"

struct door {
    struct links *links;               /* its connections */
    void *socket;                      /* the ROUTER */
    bool curve;                        /* its peers are known by their keys */
    char endpoint[BIND_ENDPOINT_SIZE]; /* as bound */
};

struct gate {
    void *context;
    struct door door[GATE_DOORS];
    size_t doors;
};

struct gate *gate_new(void)
{
    struct gate *self = memory_zero(1, sizeof *self);
    self->context = zmq_ctx_new();
    if (!self->context) {
        free(self);
        return NULL;
    }
    zmq_ctx_set(self->context, ZMQ_IO_THREADS, BIND_THREADS);
    return self;
}

void gate_destroy(struct gate **self, int linger_ms)
{
    if (!*self)
        return;
    for (size_t i = 0; i < (*self)->doors; i++) {
        links_destroy(&(*self)->door[i].links);
        zmq_setsockopt((*self)->door[i].socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
        zmq_close((*self)->door[i].socket);
    }
    zmq_ctx_term((*self)->context);
    free(*self);
    *self = NULL;
}

void gate_will_dial(struct gate *self)
{
    zmq_ctx_set(self->context, ZMQ_IO_THREADS, BIND_THREADS + 1);
}

void *gate_context(const struct gate *self)
{
    return self->context;
}

/* SECRET_KEY: NULL for a door without CURVE. */
static int bind_door(struct gate *self, const char *endpoint, bool group, const char *secret_key)
{
    struct door *door = &self->door[self->doors];
    int error;

    if (self->doors == GATE_DOORS)
        return -E2BIG;
    door->socket = bind_open(self->context, ZMQ_ROUTER, endpoint, LIMIT_FRAME_SIZE);
    if (!door->socket)
        return -errno;
    bind_set(door->socket, ZMQ_ROUTER_MANDATORY, 1);
    door->curve = secret_key != NULL;
    door->links = links_new(self->context, door->socket); /* before anybody can connect */
    error = door->links ? 0 : -errno;
    if (!error && secret_key)
        error = curve_server_apply(door->socket, secret_key, CURVE_DOMAIN_GATE);
    if (!error)
        error = bind_socket(door->socket, endpoint, group, door->endpoint);
    if (error) {
        links_destroy(&door->links);
        zmq_close(door->socket);
        return error;
    }
    return (int)self->doors++;
}

int gate_bind(struct gate *self, const char *endpoint, bool group)
{
    return bind_door(self, endpoint, group, NULL);
}

int gate_bind_curve(struct gate *self, const char *endpoint, const char *secret_key)
{
    return bind_door(self, endpoint, false, secret_key);
}

bool gate_is_curve(const struct gate *self, size_t door)
{
    return self->door[door].curve;
}

size_t gate_doors(const struct gate *self)
{
    return self->doors;
}

void *gate_socket(const struct gate *self, size_t door)
{
    return self->door[door].socket;
}

const char *gate_endpoint(const struct gate *self, size_t door)
{
    return self->door[door].endpoint;
}

int gate_receive(struct gate *self, size_t door, struct frameset *set, struct span **ret_frame,
                 size_t *ret_count, struct peer *ret_peer, bool *ret_first)
{
    int got = frameset_receive(set, self->door[door].socket);

    if (got <= 0)
        return got;
    if (set->count < 2 || set->frame[0].size == 0 || set->frame[0].size > LIMIT_PEER_ID)
        return -EBADMSG;
    ret_peer->door = (uint8_t)door;
    ret_peer->size = (uint8_t)set->frame[0].size;
    memcpy(ret_peer->id, set->frame[0].data, set->frame[0].size);
    *ret_first = links_heard(self->door[door].links,
                             zmq_msg_get(&set->message[set->count - 1], ZMQ_SRCFD), ret_peer);
    if (*ret_first && self->door[door].curve) {
        char key[CERT_FINGERPRINT_SIZE];
        const zmq_msg_t *last = &set->message[set->count - 1];
        curve_sender(last, key);
        links_key(self->door[door].links, zmq_msg_get(last, ZMQ_SRCFD), key);
    }
    *ret_frame = set->frame + 1;
    *ret_count = set->count - 1;
    return 1;
}

bool gate_overtaken(struct gate *self, const struct peer *peer)
{
    return links_overtaken(self->door[peer->door].links, peer);
}

void gate_cut_keys(struct gate *self, curve_allowed_fn *allowed, void *context)
{
    for (size_t i = 0; i < self->doors; i++)
        if (self->door[i].curve)
            links_cut_keys(self->door[i].links, self->door[i].endpoint, allowed, context);
}

void gate_free_names(struct gate *self)
{
    for (size_t i = 0; i < self->doors; i++)
        if (self->door[i].curve)
            links_free_names(self->door[i].links, self->door[i].endpoint);
}

void *gate_monitor(const struct gate *self, size_t door)
{
    return links_socket(self->door[door].links);
}

void gate_still(struct gate *self, size_t door, bool still)
{
    links_still(self->door[door].links, still);
}

bool gate_closed(struct gate *self, size_t door, struct peer *ret_peer)
{
    return links_closed(self->door[door].links, ret_peer);
}

/* "localhost:<uid>:<gid>:<pid>", as libzmq says it of a unix socket's peer. With each message: a
 * scanf would be most of what that costs. */
static bool read_local(const char *address, int64_t *ret_uid, int64_t *ret_pid)
{
    static const char before[] = "localhost:";
    long long number[3];
    char *end = NULL;

    if (strncmp(address, before, sizeof before - 1) != 0)
        return false;
    address += sizeof before - 1;
    for (size_t i = 0; i < 3; i++) {
        if (*address < '0' || *address > '9')
            return false;
        number[i] = strtoll(address, &end, 10);
        if (*end != (i < 2 ? ':' : '\0'))
            return false;
        address = end + 1;
    }
    if (number[2] == 0)
        return false;
    *ret_uid = number[0];
    *ret_pid = number[2];
    return true;
}

void gate_sender(const struct gate *self, size_t door, const struct frameset *set,
                 struct gate_sender *ret_sender)
{
    struct gate_sender sender = {.local = false, .curve = self->door[door].curve};
    const char *address = NULL;

    if (set->count > 0) /* the call takes a pointer that is not const; it changes nothing */
        address = zmq_msg_gets((zmq_msg_t *)&set->message[set->count - 1], "Peer-Address");
    if (set->count > 0 && sender.curve) {
        curve_sender(&set->message[set->count - 1], sender.fingerprint);
        snprintf(sender.address, sizeof sender.address, "%s", address ? address : "");
    }
    if (address && strncmp(gate_endpoint(self, door), "ipc://", 6) == 0)
        sender.local = read_local(address, &sender.uid, &sender.pid);
    *ret_sender = sender;
}

int gate_send(struct gate *self, const struct peer *peer, const struct span *frame, size_t count)
{
    void *socket = self->door[peer->door].socket;

    if (self->door[peer->door].curve && !links_is_open(self->door[peer->door].links, peer))
        return -EHOSTUNREACH;
    if (zmq_send(socket, peer->id, peer->size, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0)
        return -errno;
    return frameset_send(socket, frame, count);
}
