/* One epoll over signals, HTTP and the doors. Nothing here wakes up while nothing happens. */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "adapters/host/clock.h"
#include "gateway/http_inside.h"
#include "gateway/log.h"

static int watch(int epoll, int descriptor)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = descriptor};

    return epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) < 0 ? -errno : 0;
}

static int watch_all(int epoll, const struct http *http, int signals)
{
    int fd[HTTP_DOORS_FDS];
    size_t count = http_doors_fds(http->doors, fd);
    int code = watch(epoll, signals);

    if (code == 0)
        code = watch(epoll, http_server_fd(http->server));
    for (size_t i = 0; i < count && code == 0; i++)
        code = watch(epoll, fd[i]);
    return code;
}

/* Rounded up: waking up too early would be a turn for nothing. */
static int timeout_ms(int64_t due_us, int64_t now_us)
{
    int64_t ms = (due_us - now_us + 999) / 1000;

    if (due_us == INT64_MAX)
        return -1;
    return due_us <= now_us ? 0 : ms > 3600000 ? 3600000 : (int)ms;
}

static void take_signals(struct http *http, int signals)
{
    struct signalfd_siginfo info;

    while (read(signals, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGHUP) {
            http_read_tokens(http, true);
        } else {
            log_event(LOG_INFO, "stopping", LOG_INT("signal", info.ssi_signo));
            http->stopping = true;
        }
    }
}

static int64_t run_parts(struct http *http)
{
    int64_t due_us = INT64_MAX, next_us;

    for (const struct http_part *const *part = http->parts; *part; part++) {
        if (!(*part)->on_time)
            continue;
        next_us = (*part)->on_time(http, http->now_us);
        due_us = next_us < due_us ? next_us : due_us;
    }
    return due_us;
}

/* When a part, a stream or the doors are due is asked last: what runs before may change it. */
static int64_t turn(struct http *http)
{
    int64_t due[5], due_us = INT64_MAX;

    http->now_us = clock_mono_us();
    http_server_run(http->server, http->now_us);
    http_doors_run(http->doors);
    due[0] = run_parts(http);
    due[1] = http_streams_run(http);
    due[2] = http_doors_due(http->doors);
    due[3] = http_server_due(http->server, http->now_us);
    log_run(http->now_us);
    due[4] = log_due();
    for (size_t i = 0; i < 5; i++)
        due_us = due[i] < due_us ? due[i] : due_us;
    return due_us;
}

int http_loop_run(struct http *http, int signals)
{
    struct epoll_event event[8];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int code = epoll < 0 ? -errno : watch_all(epoll, http, signals);
    int64_t due_us = 0;

    while (code == 0 && !http->stopping) {
        if (epoll_wait(epoll, event, 8, timeout_ms(due_us, clock_mono_us())) < 0 && errno != EINTR)
            code = -errno;
        take_signals(http, signals);
        due_us = turn(http);
    }
    if (epoll >= 0)
        close(epoll);
    return code;
}
