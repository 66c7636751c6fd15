/* What this process uses of its machine. */
#ifndef TAILGATE_ADAPTERS_HOST_USAGE_H
#define TAILGATE_ADAPTERS_HOST_USAGE_H

#include <stdint.h>

struct usage {
    int64_t rss_bytes;         /* of memory that is resident, */
    int64_t open_fds, max_fds; /*   descriptors, and how many there may be: -1 where not known */
    int64_t cpu_us;            /* of processors' time, in user and kernel mode */
};

/* Reads /proc; takes about 20 microseconds. */
void usage_read(struct usage *ret_usage);

#endif
