#include "adapters/worker/reach.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LIMIT_US 5000000 /* for one address */

static int read_port(const char *text, char ret_port[6])
{
    size_t size = strspn(text, "0123456789");
    if (size == 0 || size > 5 || text[size] != '\0' || text[0] == '0' || atoi(text) > 65535)
        return -1;
    memcpy(ret_port, text, size + 1);
    return 0;
}

/* A name, or an IPv4 address, or an IPv6 address within [ ]: whether there is such a host is seen
 * when it is looked up. */
static bool host_ok(const char *host, size_t size)
{
    if (size == 0 || size >= REACH_HOST)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (host[i] <= ' ' || host[i] > '~' || strchr("[]/@\"\\", host[i]))
            return false;
    }
    return true;
}

int reach_read(const char *text, struct reach_place *ret_place)
{
    struct reach_place place;
    const char *colon = strrchr(text, ':');
    if (!colon || read_port(colon + 1, place.port) != 0)
        return -1;
    size_t size = (size_t)(colon - text);
    bool bracketed = size > 2 && text[0] == '[' && text[size - 1] == ']';
    const char *host = bracketed ? text + 1 : text;
    size -= bracketed ? 2 : 0;
    if (!host_ok(host, size) || (memchr(host, ':', size) != NULL) != bracketed)
        return -1;
    memcpy(place.host, host, size);
    place.host[size] = '\0';
    *ret_place = place;
    return 0;
}

int reach_resolve(const struct reach_place *place, struct addrinfo **ret_list)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    /* Without a host: the loopback addresses, of both families. */
    const char *host = strcmp(place->host, "localhost") == 0 ? NULL : place->host;
    int code = getaddrinfo(host, place->port, &hints, ret_list);
    if (code != EAI_NONAME || !host)
        return code;
    hints.ai_flags = AI_NUMERICSERV;
    return getaddrinfo(host, place->port, &hints, ret_list);
}

/* Who connects to a free port of this host may be given that same port as its own, and be connected
 * to itself. */
static bool is_itself(int descriptor)
{
    struct sockaddr_storage ours = {0}, theirs = {0};
    socklen_t size = sizeof ours, their_size = sizeof theirs;
    return getsockname(descriptor, (struct sockaddr *)&ours, &size) == 0 &&
           getpeername(descriptor, (struct sockaddr *)&theirs, &their_size) == 0 &&
           size == their_size && memcmp(&ours, &theirs, size) == 0;
}

static void give_up(struct reach *self, int error)
{
    if (self->descriptor >= 0)
        close(self->descriptor);
    self->descriptor = -1;
    self->error = error;
}

/* Begins with the first of the remaining addresses that does not fail at once. */
static void advance(struct reach *self, int64_t now_us)
{
    const int on = 1;
    while (self->descriptor < 0 && self->next) {
        const struct addrinfo *to = self->next;
        self->next = to->ai_next;
        self->descriptor = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (self->descriptor < 0) {
            give_up(self, errno);
            continue;
        }
        setsockopt(self->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(self->descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
        self->end_us = now_us + LIMIT_US;
        if (connect(self->descriptor, to->ai_addr, to->ai_addrlen) != 0 && errno != EINPROGRESS)
            give_up(self, errno);
    }
    if (self->descriptor < 0)
        self->end_us = now_us;
}

void reach_begin(struct reach *self, const struct addrinfo *list, int64_t now_us)
{
    *self = (struct reach){.next = list, .descriptor = -1, .error = EHOSTUNREACH};
    advance(self, now_us);
}

/* Of the connection to one address: 1, 0, or -errno. */
static int look(const struct reach *self, int64_t now_us)
{
    struct pollfd item = {.fd = self->descriptor, .events = POLLOUT};
    int error = 0;
    socklen_t size = sizeof error;
    if (poll(&item, 1, 0) <= 0)
        return now_us < self->end_us ? 0 : -ETIMEDOUT;
    if (getsockopt(self->descriptor, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    if (error == 0 && is_itself(self->descriptor))
        error = ECONNREFUSED;
    return error == 0 ? 1 : -error;
}

int reach_go(struct reach *self, int64_t now_us)
{
    while (self->descriptor >= 0) {
        int code = look(self, now_us);
        if (code >= 0)
            return code;
        give_up(self, -code);
        advance(self, now_us);
    }
    return -self->error;
}
