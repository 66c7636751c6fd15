/* What is told of attempts that failed: the items of a history (tailgate_delivery.history), of
 * which the last ones stand in the metadata of the reply that came after them. */
#ifndef TAILGATE_PROTO_HISTORY_H
#define TAILGATE_PROTO_HISTORY_H

#include <stdint.h>

#include "proto/buffer.h"

#define HISTORY_IN_REPLY 10      /* that a reply's metadata has at most */
#define HISTORY_REASON 200       /* bytes of a reason that is told */
#define HISTORY_BYTES (1u << 18) /* bytes of a history that is read at all */

/* Appends an array of the last COUNT items of HISTORY, each as {"attempt","worker","reason","at"}.
 * Somebody may have edited it: what is no such item is passed over. Returns how many there are; 0:
 * nothing was appended. */
size_t history_last(struct span history, size_t count, struct buffer *ret_json);

#endif
