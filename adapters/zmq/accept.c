#include "adapters/zmq/accept.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Descriptors that no connection may have, of few ones a quarter; who comes from this host, and may
 * be the one who sees to it, may have half of them. */
#define RESERVE 32

static atomic_uint_fast64_t turned_away; /* the process's, as its descriptors are */

uint64_t accept_turned_away(void)
{
    return atomic_load(&turned_away);
}

static bool is_local(int listener)
{
    int domain = AF_UNSPEC;
    socklen_t size = sizeof domain;

    return getsockopt(listener, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

static bool is_one_of_the_last(int descriptor, int listener)
{
    struct rlimit limit;
    rlim_t reserve, room;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
        return false;
    reserve = limit.rlim_cur / 4 < RESERVE ? limit.rlim_cur / 4 : RESERVE;
    room = limit.rlim_cur - reserve;
    if ((rlim_t)descriptor < room)
        return false;
    return !is_local(listener) || (rlim_t)descriptor >= room + reserve / 2;
}

int accept4(int listener, struct sockaddr *restrict address, socklen_t *restrict size, int flags)
{
    int descriptor = (int)syscall(SYS_accept4, listener, address, size, flags);

    if (descriptor < 0 && errno == EMFILE)
        errno = EAGAIN; /* an assertion of ZeroMQ's does not know it */
    if (descriptor < 0 || !is_one_of_the_last(descriptor, listener))
        return descriptor;
    close(descriptor);
    atomic_fetch_add(&turned_away, 1);
    errno = ECONNABORTED;
    return -1;
}
