/* Waiting for other processes' commits as the gateway does: an inotify watch on the folder says
 * when to look, and the same re-checks follow (adapters/bridge/watch, wake). What there is to look
 * at is the caller's. */
#ifndef TAILGATE_GATEWAY_BENCH_BENCH_HINTS_H
#define TAILGATE_GATEWAY_BENCH_BENCH_HINTS_H

#include "adapters/bridge/wake.h"
#include "adapters/bridge/watch.h"
#include "gateway/bench/bench_site.h"

struct bench_hints {
    struct watch *watch;
    struct wake wake;
};

/* Starts to watch SITE's database; the first look is due at once. 0, or -1 after bench_fail(). */
int bench_hints_open(const struct bench_site *site, struct bench_hints *ret_hints);
void bench_hints_close(struct bench_hints *self);
/* Forgets what has happened so far, but for one look that is due at once. */
void bench_hints_skip(struct bench_hints *self);
/* Sleeps until a look is due, and returns the time. wake_checked() is to be told what it said. */
int64_t bench_hints_await(struct bench_hints *self);

#endif
