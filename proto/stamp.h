/* Times as the bridge writes them: what Python's datetime.utcnow().isoformat() prints. Naive UTC,
 * YYYY-MM-DDTHH:MM:SS.ffffff, and no fraction at all when the microseconds are zero, so that the
 * text sorts as the bridge sorts it and datetime.fromisoformat() reads it. */
#ifndef TAILGATE_PROTO_STAMP_H
#define TAILGATE_PROTO_STAMP_H

#include <stdint.h>

#include "proto/span.h"

#define STAMP_SIZE 27 /* bytes of the longest stamp, its NUL included */

/* Writes the stamp of UTC_US (microseconds since 1970-01-01 UTC, 0 to year 9999) to RET_TEXT. */
void stamp_format(int64_t utc_us, char ret_text[STAMP_SIZE]);
/* Reads a stamp, with or without fraction (1 to 6 digits; 'T' or a blank between date and time).
 * Returns 0, or -1 when TEXT is not one; then *ret_utc_us is untouched. */
int stamp_parse(struct span text, int64_t *ret_utc_us);

#endif
