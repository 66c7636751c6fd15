#include "adapters/zmq/gate.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "adapters/zmq/links.h"
#include "proto/buffer.h"

#define HWM 1000           /* whole messages waiting for, or from, one peer */
#define HANDSHAKE_MS 5000  /* a peer that does not finish its handshake is cut off */
#define LINK_BEAT_MS 10000 /* ZMTP heartbeats on tcp: a dead link is closed, no more than that */
#define LINK_TIMEOUT_MS 30000
#define ENDPOINT_SIZE 512

struct door {
    struct links *links;          /* its connections */
    void *socket;                 /* the ROUTER */
    char endpoint[ENDPOINT_SIZE]; /* as bound */
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

static void set_int(void *socket, int option, int value)
{
    int failed = zmq_setsockopt(socket, option, &value, sizeof value);
    assert(failed == 0); /* only fixed, known values come here */
    (void)failed;
}

/* An IPv6 socket turns an IPv4 address into ::ffff:127.0.0.1, and of an interface takes the IPv6
 * address alone: only for those who name IPv6, or everything. */
static bool wants_ipv6(const char *endpoint)
{
    return strncmp(endpoint, "tcp://[", 7) == 0 || strncmp(endpoint, "tcp://*", 7) == 0;
}

static void *open_router(void *context, bool ipv6)
{
    const int64_t largest = LIMIT_FRAME_SIZE;
    void *socket = zmq_socket(context, ZMQ_ROUTER);

    if (!socket)
        return NULL;
    zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest);
    set_int(socket, ZMQ_ROUTER_MANDATORY, 1);
    set_int(socket, ZMQ_SNDHWM, HWM);
    set_int(socket, ZMQ_RCVHWM, HWM);
    set_int(socket, ZMQ_LINGER, 500);
    set_int(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
    set_int(socket, ZMQ_HEARTBEAT_IVL, LINK_BEAT_MS);
    set_int(socket, ZMQ_HEARTBEAT_TIMEOUT, LINK_TIMEOUT_MS);
    set_int(socket, ZMQ_BACKLOG, 1024);
    set_int(socket, ZMQ_IPV6, ipv6);
    return socket;
}

/* zmq_bind() silently unlinks whatever stands at an ipc path: refuse what is not a dead socket. */
static int check_ipc_path(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat status;
    int probe, error;

    if (strlen(path) >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    if (lstat(path, &status) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(status.st_mode))
        return -EEXIST;
    memcpy(address.sun_path, path, strlen(path) + 1);
    probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0)
        return -errno;
    error = connect(probe, (const struct sockaddr *)&address, sizeof address) == 0 ? 0 : errno;
    close(probe);
    return error == 0 || error == EAGAIN ? -EADDRINUSE : 0;
}

/* libzmq binds addresses and interfaces, not names. */
static const char *bindable(const char *endpoint, char *storage, size_t size)
{
    static const char name[] = "tcp://localhost:";

    if (strncmp(endpoint, name, strlen(name)) != 0)
        return endpoint;
    snprintf(storage, size, "tcp://127.0.0.1:%s", endpoint + strlen(name));
    return storage;
}

int gate_bind(struct gate *self, const char *endpoint, bool group)
{
    char storage[64];
    struct door *door = &self->door[self->doors];
    size_t size = sizeof door->endpoint;
    mode_t before;
    int error = 0;

    if (self->doors == GATE_DOORS)
        return -E2BIG;
    if (strncmp(endpoint, "ipc://", 6) == 0)
        error = check_ipc_path(endpoint + 6);
    if (error)
        return error;
    door->socket = open_router(self->context, wants_ipv6(endpoint));
    if (!door->socket)
        return -errno;
    before = umask(group ? 0007 : 0077);
    if (zmq_bind(door->socket, bindable(endpoint, storage, sizeof storage)) < 0)
        error = -errno;
    umask(before);
    if (!error && zmq_getsockopt(door->socket, ZMQ_LAST_ENDPOINT, door->endpoint, &size) < 0)
        error = -errno;
    if (!error && !(door->links = links_new(self->context, door->socket, self->doors)))
        error = -errno;
    if (error) {
        zmq_close(door->socket);
        return error;
    }
    return (int)self->doors++;
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
                 size_t *ret_count, struct peer *ret_peer)
{
    int got = frameset_receive(set, self->door[door].socket);

    if (got <= 0)
        return got;
    if (set->count < 2 || set->frame[0].size == 0 || set->frame[0].size > LIMIT_PEER_ID)
        return -EBADMSG;
    ret_peer->door = (uint8_t)door;
    ret_peer->size = (uint8_t)set->frame[0].size;
    memcpy(ret_peer->id, set->frame[0].data, set->frame[0].size);
    links_heard(self->door[door].links, zmq_msg_get(&set->message[set->count - 1], ZMQ_SRCFD),
                ret_peer);
    *ret_frame = set->frame + 1;
    *ret_count = set->count - 1;
    return 1;
}

void *gate_monitor(const struct gate *self, size_t door)
{
    return links_socket(self->door[door].links);
}

bool gate_closed(struct gate *self, size_t door, struct peer *ret_peer)
{
    return links_closed(self->door[door].links, ret_peer);
}

void gate_sender(const struct gate *self, size_t door, const struct frameset *set,
                 struct gate_sender *ret_sender)
{
    struct gate_sender sender = {.local = false};
    long long uid, gid, pid;
    const char *address = NULL;
    char rest;

    /* The frame's own API takes a pointer that is not const; it changes nothing. */
    if (set->count > 0 && strncmp(gate_endpoint(self, door), "ipc://", 6) == 0)
        address = zmq_msg_gets((zmq_msg_t *)&set->message[set->count - 1], "Peer-Address");
    if (address && sscanf(address, "localhost:%lld:%lld:%lld%c", &uid, &gid, &pid, &rest) == 3 &&
        uid >= 0 && pid > 0) {
        sender.local = true;
        sender.uid = uid;
        sender.pid = pid;
    }
    *ret_sender = sender;
}

int gate_send(struct gate *self, const struct peer *peer, const struct span *frame, size_t count)
{
    void *socket = self->door[peer->door].socket;

    if (zmq_send(socket, peer->id, peer->size, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0)
        return -errno;
    return frameset_send(socket, frame, count);
}
