/* Lines from a non-blocking descriptor, with a bound on how long one may be. */
#ifndef TAILGATE_ADAPTERS_WORKER_LINES_H
#define TAILGATE_ADAPTERS_WORKER_LINES_H

#include <sys/types.h>

#include "proto/buffer.h"

struct lines {
    struct buffer buffer; /* what was read and not yet given out starts at START */
    size_t start;
    size_t seen;  /* bytes from START on that hold no line break */
    size_t limit; /* bytes of the longest line, its end not counted */
};

void lines_init(struct lines *self, size_t limit);
void lines_done(struct lines *self);
/* Reads once what waits at DESCRIPTOR. Returns the number of bytes, 0 at the end of the stream, or
 * -errno (-EAGAIN: nothing waits). */
ssize_t lines_read(struct lines *self, int descriptor);
/* Takes the next line without its end (\n or \r\n), borrowed until the next call on SELF. Returns
 * 1, 0 when no whole line has been read yet, or -EMSGSIZE when the line exceeds the limit: then
 * RET_LINE is its first LIMIT bytes, which are taken, and what follows counts as the next line. */
int lines_next(struct lines *self, struct span *ret_line);
/* Takes the next line that is not blank, reading DESCRIPTOR (-1: nothing is read) while there is
 * none, *reads times at most. Returns 1, 0 when there is none now, -EMSGSIZE as above, -ENODATA at
 * the end of the stream, or the -errno of a read that failed. */
int lines_take(struct lines *self, int descriptor, int *reads, struct span *ret_line);
/* Takes what is left after the last line break as one line; returns 1, or 0 for nothing. */
int lines_rest(struct lines *self, struct span *ret_line);

#endif
