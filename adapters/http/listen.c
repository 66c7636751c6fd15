#include "adapters/http/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/span.h"

#define BACKLOG 1024 /* who waits for a connection to become free */

/* --- reading --- */

static int read_port(const char *text, uint16_t *ret_port)
{
    unsigned port = 0;

    if (*text == '\0' || strlen(text) > 5)
        return -1;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -1;
        port = port * 10 + (unsigned)(*text - '0');
    }
    if (port > UINT16_MAX)
        return -1;
    *ret_port = (uint16_t)port;
    return 0;
}

/* HOST as written, its brackets included. */
static int read_host(struct span host, struct listen_address *ret_address)
{
    bool brackets = host.size > 2 && host.data[0] == '[' && host.data[host.size - 1] == ']';
    struct in6_addr six;
    struct in_addr four;
    bool loopback;

    if (span_is(host, "localhost"))
        host = span_str("127.0.0.1");
    if (brackets)
        host = span_of(host.data + 1, host.size - 2);
    if (host.size == 0 || host.size >= sizeof ret_address->host)
        return -1;
    memcpy(ret_address->host, host.data, host.size);
    ret_address->host[host.size] = '\0';
    if (brackets) {
        if (inet_pton(AF_INET6, ret_address->host, &six) != 1)
            return -1;
        loopback = IN6_IS_ADDR_LOOPBACK(&six);
    } else {
        if (inet_pton(AF_INET, ret_address->host, &four) != 1)
            return -1;
        loopback = ntohl(four.s_addr) >> 24 == 127;
    }
    ret_address->kind = loopback ? LISTEN_LOOPBACK : LISTEN_OFF_HOST;
    return 0;
}

int listen_read(const char *text, struct listen_address *ret_address)
{
    struct listen_address address = {.kind = LISTEN_UNIX};
    const char *colon = strrchr(text, ':');

    if (strncmp(text, "unix:", 5) == 0) {
        size_t size = strlen(text + 5);
        if (size == 0 || size >= sizeof address.path)
            return -1;
        memcpy(address.path, text + 5, size);
    } else if (!colon || read_port(colon + 1, &address.port) < 0 ||
               read_host(span_of(text, (size_t)(colon - text)), &address) < 0) {
        return -1;
    }
    *ret_address = address;
    return 0;
}

/* --- opening --- */

static int open_socket(int family)
{
    int descriptor = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    return descriptor < 0 ? -errno : descriptor;
}

/* A socket file at which nobody listens is removed; whatever else is there stays. */
static int clear_path(const struct sockaddr_un *name)
{
    struct stat status;
    int probe, error;

    if (lstat(name->sun_path, &status) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(status.st_mode))
        return -EEXIST;
    probe = open_socket(AF_UNIX);
    if (probe < 0)
        return probe;
    error = connect(probe, (const struct sockaddr *)name, sizeof *name) == 0 ? 0 : errno;
    close(probe);
    if (error != ECONNREFUSED)
        return error == 0 || error == EAGAIN ? -EADDRINUSE : -error;
    return unlink(name->sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

static int bind_unix(int descriptor, const struct listen_address *address)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    mode_t before;
    int code;

    memcpy(name.sun_path, address->path, sizeof name.sun_path);
    code = clear_path(&name);
    if (code < 0)
        return code;
    before = umask(0117);
    code = bind(descriptor, (const struct sockaddr *)&name, sizeof name) < 0 ? -errno : 0;
    umask(before);
    return code;
}

static int bind_tcp(int descriptor, const struct listen_address *address, bool six)
{
    struct sockaddr_in four_name = {.sin_family = AF_INET, .sin_port = htons(address->port)};
    struct sockaddr_in6 six_name = {.sin6_family = AF_INET6, .sin6_port = htons(address->port)};
    const int on = 1;

    if (setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
        return -errno;
    if (!six) {
        inet_pton(AF_INET, address->host, &four_name.sin_addr);
        return bind(descriptor, (const struct sockaddr *)&four_name, sizeof four_name) < 0 ? -errno
                                                                                           : 0;
    }
    inet_pton(AF_INET6, address->host, &six_name.sin6_addr);
    if (setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0)
        return -errno;
    return bind(descriptor, (const struct sockaddr *)&six_name, sizeof six_name) < 0 ? -errno : 0;
}

/* The port stands at the same place in both families. */
static uint16_t bound_port(int descriptor)
{
    struct sockaddr_in6 name = {.sin6_port = 0};
    socklen_t size = sizeof name;

    getsockname(descriptor, (struct sockaddr *)&name, &size);
    return ntohs(name.sin6_port);
}

int listen_open(const struct listen_address *address, char ret_url[LISTEN_URL_SIZE])
{
    bool is_unix = address->kind == LISTEN_UNIX;
    bool six = strchr(address->host, ':') != NULL;
    int descriptor = open_socket(is_unix ? AF_UNIX : six ? AF_INET6 : AF_INET);
    int code = descriptor;

    if (descriptor < 0)
        return descriptor;
    code = is_unix ? bind_unix(descriptor, address) : bind_tcp(descriptor, address, six);
    if (code == 0 && listen(descriptor, BACKLOG) < 0)
        code = -errno;
    if (code < 0) {
        close(descriptor);
        return code;
    }
    if (is_unix)
        snprintf(ret_url, LISTEN_URL_SIZE, "unix:%s", address->path);
    else
        snprintf(ret_url, LISTEN_URL_SIZE, six ? "http://[%s]:%u" : "http://%s:%u", address->host,
                 bound_port(descriptor));
    return descriptor;
}

void listen_close(const struct listen_address *address, int descriptor)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};

    if (descriptor >= 0)
        close(descriptor);
    if (descriptor < 0 || address->kind != LISTEN_UNIX)
        return;
    /* another one may listen there by now, whose file it is */
    memcpy(name.sun_path, address->path, sizeof name.sun_path);
    (void)clear_path(&name);
}
