/* Several frames as one run of bytes: how a body waits in memory and stands in tailgate_blob.
 *
 *   LE32 count   count x LE32 size   the frames' bytes, one behind the other
 *
 * There is one spelling for each list of frames, so that a hash of it is a hash of the frames. */
#ifndef TAILGATE_PROTO_PACK_H
#define TAILGATE_PROTO_PACK_H

#include "proto/buffer.h"

/* Bytes that COUNT frames have together. */
size_t pack_bytes(const struct span *frame, size_t count);
/* Bytes that pack_write() appends for them. */
size_t pack_size(const struct span *frame, size_t count);
/* Appends COUNT frames, each of at most LIMIT_FRAME_SIZE bytes, packed. */
void pack_write(const struct span *frame, size_t count, struct buffer *ret_packed);
/* Reads PACKED into RET_FRAME, which has ROOM (borrowed from PACKED). Returns 0, or -1 when it is
 * not what pack_write() makes, to the last byte, or holds more frames than fit (then *ret_count is
 * untouched). */
int pack_read(struct span packed, struct span *ret_frame, size_t room, size_t *ret_count);
/* The same for one of several lists that stand one behind another: reads the first of *REST, and
 * takes it off. Returns -1 when *REST does not begin with one; then nothing has changed. */
int pack_take(struct span *rest, struct span *ret_frame, size_t room, size_t *ret_count);

#endif
