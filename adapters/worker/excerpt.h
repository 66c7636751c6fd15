/* The beginning of bytes from outside, as words for a person: on one line, harmless on a terminal.
 */
#ifndef TAILGATE_ADAPTERS_WORKER_EXCERPT_H
#define TAILGATE_ADAPTERS_WORKER_EXCERPT_H

#include "proto/span.h"

#define EXCERPT_SIZE 256 /* bytes of one, with its NUL */

/* Writes the first bytes of BYTES between quotes: printable characters of UTF-8 as they are, any
 * other byte as \xNN, "…" behind what is cut, "nothing" for none. */
void excerpt_write(struct span bytes, char ret_text[EXCERPT_SIZE]);

#endif
