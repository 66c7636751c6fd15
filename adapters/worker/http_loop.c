#include "adapters/worker/http_loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#define TURN_EVENTS 16 /* sockets looked at in one run */

void http_loop_init(struct http_loop *self)
{
    *self = (struct http_loop){.epoll = -1, .timer_us = INT64_MAX};
}

/* libcurl says what it waits for at SOCKET. It forgets a socket before it closes it. */
static int hear_socket(CURL *easy, curl_socket_t socket, int what, void *state, void *unused)
{
    struct http_loop *self = state;
    struct epoll_event event = {.data = {.fd = socket}};
    (void)easy;
    (void)unused;
    if (what == CURL_POLL_REMOVE)
        return epoll_ctl(self->epoll, EPOLL_CTL_DEL, socket, &event) == 0 || errno == ENOENT ||
                       errno == EBADF
                   ? 0
                   : -1;
    event.events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
    if (epoll_ctl(self->epoll, EPOLL_CTL_MOD, socket, &event) == 0)
        return 0;
    return epoll_ctl(self->epoll, EPOLL_CTL_ADD, socket, &event) == 0 ? 0 : -1;
}

static int hear_timer(CURLM *multi, long timeout_ms, void *state)
{
    struct http_loop *self = state;
    (void)multi;
    self->timer_us = timeout_ms < 0 ? INT64_MAX : self->now_us + timeout_ms * INT64_C(1000);
    return 0;
}

int http_loop_open(struct http_loop *self, unsigned connections)
{
    http_loop_init(self);
    self->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (self->epoll < 0)
        return -errno;
    self->multi = curl_multi_init();
    if (!self->multi) {
        http_loop_close(self);
        return -ENOMEM;
    }
    curl_multi_setopt(self->multi, CURLMOPT_SOCKETFUNCTION, hear_socket);
    curl_multi_setopt(self->multi, CURLMOPT_SOCKETDATA, self);
    curl_multi_setopt(self->multi, CURLMOPT_TIMERFUNCTION, hear_timer);
    curl_multi_setopt(self->multi, CURLMOPT_TIMERDATA, self);
    curl_multi_setopt(self->multi, CURLMOPT_MAXCONNECTS, (long)connections);
    return 0;
}

void http_loop_close(struct http_loop *self)
{
    if (self->multi)
        curl_multi_cleanup(self->multi);
    if (self->epoll >= 0)
        close(self->epoll);
    http_loop_init(self);
}

bool http_loop_add(struct http_loop *self, CURL *easy, int64_t now_us)
{
    self->now_us = now_us;
    return curl_multi_add_handle(self->multi, easy) == CURLM_OK;
}

void http_loop_remove(struct http_loop *self, CURL *easy)
{
    curl_multi_remove_handle(self->multi, easy);
}

void http_loop_run(struct http_loop *self, int64_t now_us)
{
    struct epoll_event event[TURN_EVENTS];
    int running;
    self->now_us = now_us;
    if (self->timer_us <= now_us) {
        self->timer_us = INT64_MAX; /* libcurl says when it wants it again */
        curl_multi_socket_action(self->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    int count = epoll_wait(self->epoll, event, TURN_EVENTS, 0);
    for (int i = 0; i < count; i++) {
        int what = (event[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                   (event[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                   (event[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
        curl_multi_socket_action(self->multi, event[i].data.fd, what, &running);
    }
}

CURL *http_loop_ended(struct http_loop *self, CURLcode *ret_result)
{
    int left;
    const CURLMsg *message;
    while ((message = curl_multi_info_read(self->multi, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        *ret_result = message->data.result;
        return message->easy_handle;
    }
    return NULL;
}
