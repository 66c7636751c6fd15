#include "gateway/watch_out.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "gateway/cli.h"

#define GONE (POLLERR | POLLHUP | POLLNVAL)

int watch_out_open(struct watch_out *self)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    signal(SIGPIPE, SIG_IGN);
    self->fd = STDOUT_FILENO;
    self->signal_fd = -1;
    if (sigprocmask(SIG_BLOCK, &set, NULL) == 0)
        self->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return self->signal_fd >= 0 ? 0 : -errno;
}

void watch_out_close(struct watch_out *self)
{
    if (self->signal_fd >= 0)
        close(self->signal_fd);
    self->signal_fd = -1;
}

void watch_out_items(const struct watch_out *self, struct pollfd ret_item[2])
{
    ret_item[0] = (struct pollfd){self->signal_fd, POLLIN, 0};
    ret_item[1] = (struct pollfd){self->fd, 0, 0};
}

bool watch_out_is_over(const struct pollfd item[2])
{
    return item[0].revents || (item[1].revents & GONE);
}

int watch_out_put(struct watch_out *self, struct span text)
{
    while (text.size > 0) {
        struct pollfd item[2];
        watch_out_items(self, item);
        item[1].events = POLLOUT;
        if (poll(item, 2, -1) < 0 && errno != EINTR)
            return cli_fail("watch", CLI_FAILED, "poll: %s", strerror(errno));
        if (item[1].revents & GONE)
            return CLI_OK;
        if (!(item[1].revents & POLLOUT)) {
            if (item[0].revents)
                return CLI_OK; /* or we would wait for somebody who does not read */
            continue;
        }
        /* what a pipe that is ready takes without blocking, so that a signal is seen */
        size_t size = text.size < PIPE_BUF ? text.size : PIPE_BUF;
        ssize_t written = write(self->fd, text.data, size);
        if (written < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (written < 0)
            return errno == EPIPE ? CLI_OK
                                  : cli_fail("watch", CLI_FAILED, "stdout: %s", strerror(errno));
        text = span_of(text.data + written, text.size - (size_t)written);
    }
    return -1;
}
