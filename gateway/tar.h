/* A tar archive (POSIX ustar) of a few small files. */
#ifndef TAILGATE_GATEWAY_TAR_H
#define TAILGATE_GATEWAY_TAR_H

#include <stdint.h>

#include "proto/buffer.h"

/* Appends a regular file NAME (at most 99 bytes, mode 0600) with CONTENT, last changed at SECONDS
 * since 1970, to TAR. */
void tar_add(struct buffer *tar, const char *name, struct span content, int64_t seconds);
/* Ends the archive. */
void tar_end(struct buffer *tar);

#endif
