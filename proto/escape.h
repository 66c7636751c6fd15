/* Text from outside made fit to be shown: nothing a row, a frame or a name holds can move a cursor,
 * forge a line or turn the reading direction. Dangerous are C0 and DEL, C1, U+2028, U+2029, the
 * bidi controls, and bytes that are not UTF-8. */
#ifndef TAILGATE_PROTO_ESCAPE_H
#define TAILGATE_PROTO_ESCAPE_H

#include "proto/buffer.h"

enum escape_form {
    ESCAPE_PROSE, /* several lines for a person: line feed and tab stay as they are */
    ESCAPE_CELL,  /* one line for a person: those are escaped too */
    ESCAPE_VALUE  /* between quotes in a log line: backslash and quote are escaped too, so that what
                   * was  meant can be told from what is shown */
};

/* Appends TEXT, what is dangerous written as \n, \t, \r, \x1b or \u202e. */
void escape_text(struct buffer *ret_text, struct span text, enum escape_form form);
/* Appends TEXT as a JSON string literal in which everything dangerous is a \u escape; bytes that
 * are not UTF-8 become U+FFFD. */
void escape_json(struct buffer *ret_text, struct span text);
/* Appends valid JSON so that it is one line in which everything dangerous is escaped: within
 * strings by \u escapes, between them line ends and tabs become blanks. */
void escape_in_json(struct buffer *ret_text, struct span json);
/* The longest run from the start of TEXT that is at most LIMIT bytes and does not cut a UTF-8
 * character in two. */
struct span escape_cut(struct span text, size_t limit);

#endif
