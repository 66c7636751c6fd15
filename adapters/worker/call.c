#include "adapters/worker/call.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "adapters/worker/excerpt.h"
#include "proto/limits.h"
#include "proto/space.h"

void call_init(struct call *self)
{
    *self = (struct call){.state = CALL_NONE, .reach = {.descriptor = -1}};
    outlet_init(&self->out);
    lines_init(&self->in, LIMIT_FRAME_SIZE);
}

void call_end(struct call *self)
{
    if (self->reach.descriptor >= 0)
        close(self->reach.descriptor);
    outlet_done(&self->out);
    lines_done(&self->in);
    free(self->token);
    call_init(self);
}

int call_make(struct call *self, const struct addrinfo *list, int64_t now_us)
{
    if (self->state == CALL_WANTED) {
        reach_begin(&self->reach, list, now_us);
        self->state = CALL_MAKING;
    }
    int code = reach_go(&self->reach, now_us);
    if (code > 0)
        self->state = CALL_UP;
    return code;
}

int call_line(struct call *self, int *reads, struct span *ret_line)
{
    /* Who takes nothing any more may have answered before: what can be read says how it ended. */
    if (outlet_write(&self->out, self->reach.descriptor) != 0)
        outlet_done(&self->out);
    return lines_take(&self->in, self->reach.descriptor, reads, ret_line);
}

void call_explain(const char *target, int code, const char *lacking, struct span rest,
                  char *ret_text, size_t room)
{
    char shown[EXCERPT_SIZE] = "";
    if (code == -EMSGSIZE) {
        snprintf(ret_text, room, "%s sent a line of more than %u bytes", target, LIMIT_FRAME_SIZE);
        return;
    }
    if (!space_only(rest))
        excerpt_write(rest, shown);
    const char *after = shown[0] ? ", after " : "";
    if (code == -ENODATA)
        snprintf(ret_text, room, "%s closed the connection%s%s%s", target, lacking, after, shown);
    else
        snprintf(ret_text, room, "%s: %s%s%s%s", target, strerror(-code), lacking, after, shown);
}

void call_watch(struct call *self, int epoll, uint32_t number)
{
    struct epoll_event event = {.data.u32 = number};
    if (self->state == CALL_UP)
        event.events |= EPOLLIN;
    if (self->state == CALL_MAKING || outlet_waiting(&self->out) > 0)
        event.events |= EPOLLOUT;
    /* While it is made, the descriptor may be another one of the same number each time. */
    if (self->state == CALL_UP && event.events == self->watched)
        return;
    self->watched = event.events;
    if (epoll_ctl(epoll, EPOLL_CTL_MOD, self->reach.descriptor, &event) != 0 && errno == ENOENT)
        epoll_ctl(epoll, EPOLL_CTL_ADD, self->reach.descriptor, &event);
}

int64_t call_due(const struct call *self)
{
    if (self->state == CALL_WANTED)
        return 0;
    return self->state == CALL_MAKING ? self->reach.end_us : INT64_MAX;
}
