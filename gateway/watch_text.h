/* Text from outside on one line of so many columns, for a terminal that is nobody's to write on. */
#ifndef TAILGATE_GATEWAY_WATCH_TEXT_H
#define TAILGATE_GATEWAY_WATCH_TEXT_H

#include "proto/buffer.h"

/* Appends TEXT (any bytes) in at most COLUMNS columns: every run of blanks, tabs and line breaks
 * becomes one blank, those at either end go, what is dangerous is escaped (proto/escape.h), and
 * what does not fit is cut, an ellipsis in its place. Returns the columns it takes: two for a wide
 * character, none for one that joins the one before it, as far as that can be told without a
 * database of all scripts. */
size_t watch_text_line(struct buffer *ret_text, struct span text, size_t columns);
/* Appends TEXT whole, its lines kept and each indented by four blanks; what is dangerous is
 * escaped. Ends with a line break unless TEXT is nothing but white space: then nothing is appended.
 */
void watch_text_block(struct buffer *ret_text, struct span text);
/* The last COUNT characters of TEXT, which need not be UTF-8. */
struct span watch_text_tail(struct span text, size_t count);

#endif
