/* Bytes on their way out through a non-blocking descriptor. */
#ifndef TAILGATE_ADAPTERS_WORKER_OUTLET_H
#define TAILGATE_ADAPTERS_WORKER_OUTLET_H

#include <stdbool.h>

#include "proto/buffer.h"

/* Bytes that may wait before more are added. Whoever is sent the queries that it has not answered
 * comes near this only if it answers without reading. */
#define OUTLET_MAX (64u << 20)

struct outlet {
    struct buffer bytes; /* append to it freely */
    size_t sent;         /* of them */
};

void outlet_init(struct outlet *self);
/* Forgets what was not sent and frees the storage; as after outlet_init(). */
void outlet_done(struct outlet *self);
/* Bytes that are still to be written. */
size_t outlet_waiting(const struct outlet *self);
/* Writes what DESCRIPTOR takes now. Returns 0, or -errno when it takes nothing any more (-EPIPE).
 */
int outlet_write(struct outlet *self, int descriptor);

#endif
