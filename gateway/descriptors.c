#include "gateway/descriptors.h"

#include <sys/resource.h>

#include "adapters/zmq/accept.h"
#include "gateway/log.h"

#define SAY_AGAIN_US 10000000

void descriptors_raise(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

uint64_t descriptors_run(struct descriptors *self, int64_t now_us)
{
    uint64_t count = accept_turned_away();
    struct rlimit limit = {.rlim_cur = 0};

    if (count == self->told || (self->told_us && now_us - self->told_us < SAY_AGAIN_US))
        return count;
    getrlimit(RLIMIT_NOFILE, &limit);
    log_event(LOG_WARN, "out-of-descriptors", LOG_INT("limit", limit.rlim_cur),
              LOG_INT("times", count - self->told),
              LOG_STR("say", "connections are turned away; those that are there go on: raise "
                             "LimitNOFILE= or ulimit -Hn"));
    self->told = count;
    self->told_us = now_us;
    return count;
}
