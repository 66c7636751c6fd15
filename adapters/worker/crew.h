/* The loop: any number of workers in one process and one thread, signals included. */
#ifndef TAILGATE_ADAPTERS_WORKER_CREW_H
#define TAILGATE_ADAPTERS_WORKER_CREW_H

#include <stddef.h>

struct worker;

/* Blocks SIGTERM, SIGINT, SIGHUP and SIGCHLD, ignores SIGPIPE, and returns a descriptor to read
 * them from, or -errno. To be called before the first socket, whose threads inherit what is
 * blocked. */
int crew_signals(void);
/* Runs COUNT workers, which have been started, until the first SIGTERM, SIGINT or SIGHUP has
 * stopped them all; a second one stops them at once. Returns 0 or -errno. */
int crew_run(struct worker *const *worker, size_t count, int signals);

#endif
