/* What /proc says of a process of this host. Everything there may be gone, hidden or odd: then it
 * is not known, and that is no error of ours. */
#ifndef TAILGATE_ADAPTERS_HOST_PROCESS_H
#define TAILGATE_ADAPTERS_HOST_PROCESS_H

#include <stdint.h>

#define PROCESS_COMMAND_SIZE 300

struct process {
    char state;  /* 'R', 'S', 'T' (stopped), 't' (stopped by a debugger), …; 0: not known */
    int64_t uid; /* -1: not known */
    char command[PROCESS_COMMAND_SIZE]; /* its name, and the file that it runs where that is its
                                         * first argument ("python3 /opt/poll.py"); no other
                                         * argument, which may be a secret; any bytes */
};

/* Returns 0, or -errno (-ENOENT: there is no such process). */
int process_look(long pid, struct process *ret_process);
/* The limit NAME of PID as /proc/PID/limits calls it ("Max open files"); INT64_MAX: unlimited.
 * Returns 0, or -errno (-ENODATA: there is no limit of that name). */
int process_limit(long pid, const char *name, int64_t *ret_soft, int64_t *ret_hard);
/* Descriptors that PID has open, or -errno. */
int64_t process_descriptors(long pid);
/* The memory that the control groups around PID allow, and what the strictest of them has in use,
 * in bytes. Returns 0, or -ENODATA when none limits it, or that cannot be told. */
int process_memory(long pid, int64_t *ret_limit, int64_t *ret_used);

/* The seam for tests, which cannot set limits everywhere: what stands before /proc and /sys. */
extern const char *process_root;

#endif
