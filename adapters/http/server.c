#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapters/http/server_inside.h"

#define TURNS 16  /* of libmicrohttpd in one http_server_run() */
#define EVENTS 64 /* hang-ups in one turn */

/* --- connections --- */

void link_set_aside(struct link *link)
{
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLONESHOT, .data.ptr = link};

    MHD_suspend_connection(link->connection);
    link->aside = true;
    (void)epoll_ctl(link->server->epoll, EPOLL_CTL_ADD, link->descriptor, &event);
}

void link_take_up(struct link *link)
{
    if (!link->aside)
        return;
    (void)epoll_ctl(link->server->epoll, EPOLL_CTL_DEL, link->descriptor, NULL);
    link->aside = false;
    link->server->again = true;
    MHD_resume_connection(link->connection);
}

void link_cut(struct link *link)
{
    link->due_us = INT64_MAX;
    shutdown(link->descriptor, SHUT_RDWR);
    if (link->exchange)
        link->exchange->dead = true;
    link_take_up(link);
}

struct link *link_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static void open_link(struct http_server *self, struct MHD_Connection *connection,
                      void **ret_context)
{
    struct link *link = memory_zero(1, sizeof *link);

    link->server = self;
    link->connection = connection;
    link->descriptor =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    link->due_us = self->now_us + self->setup.receive_us;
    link->next = self->links;
    link->self = &self->links;
    if (link->next)
        link->next->self = &link->next;
    self->links = link;
    self->connections++;
    *ret_context = link;
}

static void note_connection(void *context, struct MHD_Connection *connection, void **ret_context,
                            enum MHD_ConnectionNotificationCode what)
{
    struct http_server *self = context;
    struct link *link = *ret_context;

    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        open_link(self, connection, ret_context);
    } else if (link) {
        *link->self = link->next;
        if (link->next)
            link->next->self = link->self;
        self->connections--;
        self->again = true;
        free(link);
        *ret_context = NULL;
    }
}

/* --- the server --- */

/* Paths are decoded by who knows their parts. */
static size_t leave_as_it_is(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context, (void)connection;
    return strlen(text);
}

static struct MHD_Daemon *start(struct http_server *self)
{
    const unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME;

    return MHD_start_daemon(flags, 0, NULL, NULL, exchange_take, self, /* the rest are options */
                            MHD_OPTION_LISTEN_SOCKET, self->setup.listener,       /* */
                            MHD_OPTION_CONNECTION_LIMIT, self->setup.connections, /* */
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, self->setup.head, /* */
                            MHD_OPTION_CONNECTION_TIMEOUT, 0U,                  /* S2 is stricter */
                            MHD_OPTION_STRICT_FOR_CLIENT, 1,                    /* */
                            MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,               /* */
                            MHD_OPTION_URI_LOG_CALLBACK, exchange_new, NULL,    /* */
                            MHD_OPTION_UNESCAPE_CALLBACK, leave_as_it_is, NULL, /* */
                            MHD_OPTION_NOTIFY_CONNECTION, note_connection, self, /* */
                            MHD_OPTION_NOTIFY_COMPLETED, exchange_over, self, MHD_OPTION_END);
}

struct http_server *http_server_new(const struct http_server_setup *setup)
{
    struct http_server *self = memory_zero(1, sizeof *self);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    bool fine = false;

    self->setup = *setup;
    self->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (self->epoll >= 0)
        self->daemon = start(self);
    if (self->daemon) {
        int own = MHD_get_daemon_info(self->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
        fine = epoll_ctl(self->epoll, EPOLL_CTL_ADD, own, &event) == 0;
    }
    if (!fine)
        http_server_destroy(&self);
    return self;
}

void http_server_destroy(struct http_server **self)
{
    struct http_server *server = *self;

    *self = NULL;
    if (!server)
        return;
    for (struct link *link = server->links; link; link = link->next)
        link_cut(link);
    if (server->daemon) {
        /* it closes what it is given with the listening socket, which is not ours to give */
        (void)MHD_quiesce_daemon(server->daemon);
        MHD_stop_daemon(server->daemon);
    }
    if (server->epoll >= 0)
        close(server->epoll);
    free(server);
}

int http_server_fd(const struct http_server *self)
{
    return self->epoll;
}

int64_t http_server_due(const struct http_server *self, int64_t now_us)
{
    MHD_UNSIGNED_LONG_LONG ms = 0;
    int64_t due_us = self->again ? now_us : INT64_MAX;

    if (MHD_get_timeout(self->daemon, &ms) == MHD_YES && now_us + (int64_t)ms * 1000 < due_us)
        due_us = now_us + (int64_t)ms * 1000;
    for (const struct link *link = self->links; link; link = link->next)
        if (link->due_us < due_us)
            due_us = link->due_us;
    return due_us;
}

/* S1. They are not freed before libmicrohttpd runs. */
static void take_hang_ups(struct http_server *self)
{
    struct epoll_event event[EVENTS];
    int count = epoll_wait(self->epoll, event, EVENTS, 0);

    for (int i = 0; i < count; i++)
        if (event[i].data.ptr)
            link_cut(event[i].data.ptr);
}

static void cut_slow(struct http_server *self)
{
    for (struct link *link = self->links; link; link = link->next) {
        if (link->due_us > self->now_us)
            continue;
        self->cut++;
        link_cut(link);
    }
}

void http_server_run(struct http_server *self, int64_t now_us)
{
    MHD_UNSIGNED_LONG_LONG ms;
    int turns = 0;

    self->now_us = now_us;
    take_hang_ups(self);
    cut_slow(self);
    do {
        ms = 1;
        self->again = false;
        MHD_run(self->daemon);
        (void)MHD_get_timeout(self->daemon, &ms);
    } while (++turns < TURNS && (self->again || ms == 0));
}

unsigned http_server_connections(const struct http_server *self)
{
    return self->connections;
}

uint64_t http_server_cut(const struct http_server *self)
{
    return self->cut;
}
