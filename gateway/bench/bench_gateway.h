/* The gateway that is measured: `tailgate serve` in a process of its own. */
#ifndef TAILGATE_GATEWAY_BENCH_BENCH_GATEWAY_H
#define TAILGATE_GATEWAY_BENCH_BENCH_GATEWAY_H

#include <sys/types.h>

#include "gateway/bench/bench_site.h"

struct bench_gateway {
    pid_t pid; /* 0: it does not run */
    int log;   /* in memory: one that is written beside the database dirties a block of the file
                * system that the guests' fsyncs have to write, too */
    struct bench_site *site;
    int64_t start_us; /* from its exec to when it served */
};

/* What it has used since it was started, or has in use. */
struct bench_usage {
    int64_t cpu_us;
    uint64_t wakeups; /* times that one of its threads went to sleep */
    int64_t anonymous_bytes;
};

/* Starts it on SITE with SETTINGS ("commit.duty=90", …; ends with NULL) and waits until it serves.
 * commit.duty is that of the options unless it is among them.
 * Returns 0, or -1 after bench_fail(). */
int bench_gateway_start(struct bench_site *site, const char *const *settings,
                        struct bench_gateway *ret_gateway);
int bench_gateway_usage(const struct bench_gateway *self, struct bench_usage *ret_usage);
/* The counter NAME in PART of `tailgate status --json`. 0, or -1 after bench_fail(). */
int bench_gateway_counter(const struct bench_gateway *self, const char *part, const char *name,
                          double *ret_count);
/* SIGTERM, and waits. 0, or -1 after bench_fail(): it had ended itself, or did not end well. */
int bench_gateway_stop(struct bench_gateway *self);

#endif
