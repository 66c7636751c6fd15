#include "adapters/zmq/bind.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

#define HANDSHAKE_MS 5000 /* a peer that does not finish its handshake is cut off */
#define KEEPALIVE_S 10    /* tcp's own, and so often until a dead link is closed: */
#define KEEPALIVE_TRIES 3
#define LINGER_MS 500

/* An IPv6 socket turns an IPv4 address into ::ffff:127.0.0.1, and of an interface takes the IPv6
 * address alone: only for those who name IPv6, or everything. */
static bool wants_ipv6(const char *endpoint)
{
    return strncmp(endpoint, "tcp://[", 7) == 0 || strncmp(endpoint, "tcp://*", 7) == 0;
}

void bind_set(void *socket, int option, int value)
{
    int failed = zmq_setsockopt(socket, option, &value, sizeof value);
    assert(failed == 0);
    (void)failed;
}

/* ZeroMQ's thread for a socket of TYPE, as its option wants it: the first one for doors, the second
 * one for events, where there is one. What a query has to pass does not wait behind a hundred
 * observers. (A third one waits for names: gate_will_dial().) */
static uint64_t thread_for(void *context, int type)
{
    bool second = type == ZMQ_XPUB && zmq_ctx_get(context, ZMQ_IO_THREADS) >= BIND_THREADS;

    return second ? 2 : 1;
}

void *bind_open(void *context, int type, const char *endpoint, int64_t largest)
{
    const uint64_t thread = thread_for(context, type);
    void *socket = zmq_socket(context, type);

    if (!socket)
        return NULL;
    zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest);
    zmq_setsockopt(socket, ZMQ_AFFINITY, &thread, sizeof thread);
    bind_set(socket, ZMQ_SNDHWM, BIND_HWM);
    bind_set(socket, ZMQ_RCVHWM, BIND_HWM);
    bind_set(socket, ZMQ_LINGER, LINGER_MS);
    bind_set(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
    /* No ZMTP heartbeats: libzmq 4.3.4 aborts when one is due for a connection that has closed
     * while its queue was full (zeromq/libzmq#4364). */
    bind_set(socket, ZMQ_TCP_KEEPALIVE, 1);
    bind_set(socket, ZMQ_TCP_KEEPALIVE_IDLE, KEEPALIVE_S);
    bind_set(socket, ZMQ_TCP_KEEPALIVE_INTVL, KEEPALIVE_S);
    bind_set(socket, ZMQ_TCP_KEEPALIVE_CNT, KEEPALIVE_TRIES);
    bind_set(socket, ZMQ_TCP_MAXRT, KEEPALIVE_S * KEEPALIVE_TRIES * 1000);
    bind_set(socket, ZMQ_BACKLOG, 1024);
    bind_set(socket, ZMQ_IPV6, wants_ipv6(endpoint));
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

int bind_socket(void *socket, const char *endpoint, bool group,
                char ret_endpoint[BIND_ENDPOINT_SIZE])
{
    size_t size = BIND_ENDPOINT_SIZE;
    char storage[64];
    mode_t before;
    int error = 0;

    if (strncmp(endpoint, "ipc://", 6) == 0)
        error = check_ipc_path(endpoint + 6);
    if (error)
        return error;
    before = umask(group ? 0007 : 0077);
    if (zmq_bind(socket, bindable(endpoint, storage, sizeof storage)) < 0)
        error = -errno;
    umask(before);
    if (!error && zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, ret_endpoint, &size) < 0)
        error = -errno;
    return error;
}
