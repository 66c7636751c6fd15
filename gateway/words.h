/* Words in one text, as a command line has them. */
#ifndef TAILGATE_GATEWAY_WORDS_H
#define TAILGATE_GATEWAY_WORDS_H

#include <stddef.h>

/* Splits TEXT as a POSIX shell does (XCU 2.2, "Quoting"), without its expansions, operators and
 * comments, whose characters stand for themselves: at blanks and line breaks; '…' quotes all; "…"
 * all but a backslash before " \ $ ` or a line break; a backslash quotes the next character, and
 * with a line break it vanishes. Returns the words, NULL-terminated, in one block that the caller
 * frees, and how many; or NULL and in *RET_WHY what has no end: a constant, "a ' is not closed". */
char **words_split(const char *text, size_t *ret_count, const char **ret_why);

#endif
