/* A process of a run that plays one role: a writer, a worker, an observer, a bare limit. It is
 * forked, so no SQLite connection and no ZeroMQ context may be open in the process that starts it;
 * it dies with that one; what it measures it writes on a board. */
#ifndef TAILGATE_GATEWAY_BENCH_BENCH_ROLE_H
#define TAILGATE_GATEWAY_BENCH_BENCH_ROLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct bench_role {
    const char *name; /* for what is said when it fails */
    pid_t pid;        /* 0: it does not run */
};

/* What a role does, in its own process, with WORK as it was when it was started. Returns 0, or -1
 * after bench_fail(). */
typedef int bench_role_fn(const void *work);

/* Starts one. Returns 0, or -1 after bench_fail(). */
int bench_role_start(const char *name, bench_role_fn *run, const void *work,
                     struct bench_role *ret_role);
/* Waits for its own end, for at most TIMEOUT_US. Returns 0 when it has done its work, or -1 after
 * bench_fail(): it failed, or has not ended (and is killed). */
int bench_role_wait(struct bench_role *self, int64_t timeout_us);
/* Ends it, with SIGTERM where it runs on, and waits. Returns 0, or -1 after bench_fail(): it had
 * failed before. Nothing when it does not run. */
int bench_role_end(struct bench_role *self);
/* Ends COUNT of them; -1 when one had failed. */
int bench_roles_end(struct bench_role *role, size_t count);
/* Waits for PID, a child, for at most TIMEOUT_US. Returns 1 and its status, 0 when it runs on. */
int bench_wait_for(pid_t pid, int64_t timeout_us, int *ret_status);
/* Sleeps US microseconds; in a role without the slack that timers have otherwise. */
void bench_sleep(int64_t us);

#endif
