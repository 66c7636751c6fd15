/* Context files: a query may name one, and whoever names it is an outsider. What is opened is a
 * regular file beneath one folder, reached without a symbolic link, or nothing. */
#ifndef TAILGATE_ADAPTERS_WORKER_CONTEXT_H
#define TAILGATE_ADAPTERS_WORKER_CONTEXT_H

#include "proto/buffer.h"

#define CONTEXT_MAX (256u << 10) /* bytes of a file */

/* Opens the folder FOLDER for context_read(). Returns a descriptor that the caller closes, or
 * -errno. */
int context_open(const char *folder);
/* Appends the content of the file NAME (any bytes) beneath the folder opened as ROOT to RET_TEXT:
 * valid UTF-8, invalid bytes repaired. Returns 0; or -1, with a sentence for the asker appended to
 * RET_WHY and RET_TEXT untouched. The sentence is the same whatever is, or is not, outside the
 * folder. */
int context_read(int root, struct span name, struct buffer *ret_text, struct buffer *ret_why);

#endif
