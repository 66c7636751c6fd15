/* Where `tailgate watch` writes to: whoever reads there may be slow, or go at any time, and a
 * signal ends us even while nobody reads. */
#ifndef TAILGATE_GATEWAY_WATCH_OUT_H
#define TAILGATE_GATEWAY_WATCH_OUT_H

#include <poll.h>

#include "proto/span.h"

struct watch_out {
    int fd;        /* stdout */
    int signal_fd; /* readable when SIGINT or SIGTERM has come */
};

/* From now on SIGINT and SIGTERM are read from `signal_fd`, and a reader that has gone is an error
 * of write(2). Call it before any thread is made. 0 or -errno. */
int watch_out_open(struct watch_out *self);
void watch_out_close(struct watch_out *self);
/* Writes all of TEXT at once. Returns -1 to go on, or an exit code: CLI_OK when the reader has gone
 * or a signal has come, CLI_FAILED after a line on stderr. */
int watch_out_put(struct watch_out *self, struct span text);
/* What to poll for, into RET_ITEM[0] and [1]; and whether what poll(2) said of them is the end. */
void watch_out_items(const struct watch_out *self, struct pollfd ret_item[2]);
bool watch_out_is_over(const struct pollfd item[2]);

#endif
