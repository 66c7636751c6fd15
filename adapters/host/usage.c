#include "adapters/host/usage.h"

#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/host/process.h"

static int64_t read_rss(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    long pages = -1;

    if (!file)
        return -1;
    if (fscanf(file, "%*s %ld", &pages) != 1)
        pages = -1;
    fclose(file);
    return pages < 0 ? -1 : (int64_t)pages * sysconf(_SC_PAGESIZE);
}

static int64_t count_fds(void)
{
    struct stat status;

    if (stat("/proc/self/fd", &status) < 0)
        return -1;
    if (status.st_size > 0)
        return status.st_size;
    /* kernels before 6.2: one by one, and one is that of the folder */
    int64_t count = process_descriptors(getpid());
    return count < 0 ? -1 : count - 1;
}

static int64_t time_us(const struct timeval *time)
{
    return (int64_t)time->tv_sec * 1000000 + time->tv_usec;
}

void usage_read(struct usage *ret_usage)
{
    struct rusage used;
    struct rlimit limit;

    ret_usage->rss_bytes = read_rss();
    ret_usage->open_fds = count_fds();
    ret_usage->max_fds = -1;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        ret_usage->max_fds = (int64_t)limit.rlim_cur;
    getrusage(RUSAGE_SELF, &used);
    ret_usage->cpu_us = time_us(&used.ru_utime) + time_us(&used.ru_stime);
}
