/* What a reply tells of the attempts that failed before it. */
#ifndef TAILGATE_GATEWAY_FAILED_H
#define TAILGATE_GATEWAY_FAILED_H

#include "gateway/server.h"

/* Puts the last attempts that failed before JOB, an ANSWER, or that a DEAD one ends with, into
 * STORAGE: a JSON array, redacted. Returns it; size 0 where none did, which costs nothing, or where
 * it cannot be read just now. */
struct span failed_put(struct server *self, const struct job *job, struct buffer *storage);

#endif
