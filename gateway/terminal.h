/* What stands at the other end of a descriptor, for output that people look at. */
#ifndef TAILGATE_GATEWAY_TERMINAL_H
#define TAILGATE_GATEWAY_TERMINAL_H

#include "proto/buffer.h"

/* True when DESCRIPTOR is a terminal: only then columns are drawn, progress is shown and text from
 * outside is escaped. */
bool terminal_is(int descriptor);
/* True when it also shows colours and nobody asked for none (NO_COLOR, TERM=dumb). */
bool terminal_colours(int descriptor);
/* Appends WORD as it has to be typed into a shell: as it is, or in single quotes. */
void terminal_quote(struct buffer *ret_text, const char *word);
/* Prints TEXT from outside and a line break on stdout: as it is for a file or a pipe, made harmless
 * (gateway/escape.h) for a terminal. */
void terminal_put(struct span text);

#endif
