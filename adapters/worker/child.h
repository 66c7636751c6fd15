/* One child process that leads its own process group, with pipes on its standard descriptors. */
#ifndef TAILGATE_ADAPTERS_WORKER_CHILD_H
#define TAILGATE_ADAPTERS_WORKER_CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

struct child {
    pid_t pid;  /* also its process group; 0: none */
    int input;  /* we write to its stdin; our three ends are non-blocking and close-on-exec, -1:
                   closed */
    int output; /* we read from its stdout */
    int errors; /* we read from its stderr */
};

/* Looks for PROGRAM as child_start() will: 0, or -ENOENT, -EACCES … Only its start can tell for
 * certain. */
int child_find(const char *program);
/* Starts COMMAND (looked up in PATH, never by a shell) with default signal handling and no
 * descriptor but the three. ENVIRONMENT: NULL for our own. Returns 0, or -errno: -ENOENT, -EACCES,
 * -ENOEXEC when it is not a program. */
int child_start(struct child *self, char *const *command, char *const *environment);
/* Signals the whole process group. */
void child_signal(const struct child *self, int number);
/* True when the child has ended: then what is left of its group is killed, the child is reaped (no
 * zombie, pid 0), and RET_HOW tells how it ended. The pipes stay open: what it wrote last is in
 * them. */
bool child_ended(struct child *self, siginfo_t *ret_how);
/* Closes the pipes; may be called twice. */
void child_close(struct child *self);
/* Closes one descriptor and sets it to -1. */
void child_close_end(int *descriptor);

#endif
