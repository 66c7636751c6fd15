/* Server-sent events: the framing of text/event-stream (WHATWG HTML, "Server-sent events"). Lines
 * end in CR, LF or CRLF; the data lines of an event are joined by line feeds; a blank line ends it;
 * comments and the other fields mean nothing here. What the end of the stream cuts off is no event.
 */
#ifndef TAILGATE_ADAPTERS_WORKER_SSE_H
#define TAILGATE_ADAPTERS_WORKER_SSE_H

#include "proto/buffer.h"

struct sse {
    struct buffer line; /* the beginning of a line whose end has not come */
    struct buffer data; /* data lines of the event so far, each with a line feed behind it */
    size_t limit;       /* bytes of a line, and of an event's data */
    bool begun;         /* the first line, which may have a byte order mark, is over */
    bool after_cr;      /* a line feed that comes next belongs to the line end before it */
    bool given;         /* DATA was given out and is forgotten in the next call */
};

void sse_init(struct sse *self, size_t limit);
void sse_done(struct sse *self);
/* Takes bytes from the start of *BYTES up to the end of an event that has data. Returns 1 and that
 * data, borrowed until the next call on SELF; 0 when all BYTES are taken; or -EMSGSIZE when a line
 * or an event exceeds the limit, after which SELF must not be asked again. */
int sse_next(struct sse *self, struct span *bytes, struct span *ret_data);

#endif
