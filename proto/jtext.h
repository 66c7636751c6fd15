/* A small bounded JSON scanner (RFC 8259) over borrowed text: validate, walk, find members, and
 * write strings. It never builds a tree and allocates nothing while reading; the gateway's hot path
 * needs to look at three members and to splice in one, and must pass every other byte on untouched.
 *
 * "Valid" means: one value, optional white space around it, UTF-8, nesting <= LIMIT_JSON_DEPTH (a
 * scalar has nesting 0, [] has 1), no number longer than LIMIT_JSON_NUMBER.
 * Of members with the same name the last one counts, as in Python, JavaScript and jansson. */
#ifndef TAILGATE_PROTO_JTEXT_H
#define TAILGATE_PROTO_JTEXT_H

#include <stdint.h>

#include "proto/buffer.h"

enum jtext_type {
    JTEXT_INVALID = -1,
    JTEXT_NULL,
    JTEXT_BOOL,
    JTEXT_NUMBER,
    JTEXT_STRING,
    JTEXT_ARRAY,
    JTEXT_OBJECT
};

/* Checks the whole of TEXT; returns its type, or JTEXT_INVALID. Every function below wants a span
 * that this one (on it or on a value around it) has found valid. */
enum jtext_type jtext_check(struct span text);
/* The same with another bound on the nesting, DEPTH <= LIMIT_JSON_DEPTH: for what gets wrapped. */
enum jtext_type jtext_check_depth(struct span text, size_t depth);
/* The type of a valid VALUE, by its first byte. */
enum jtext_type jtext_type(struct span value);
/* Walks the members of a valid OBJECT. *cursor starts at 0. Returns true and sets name (the raw
 * string literal with its quotes) and value (raw, without white space around it), or false at the
 * end. */
bool jtext_next(struct span object, size_t *cursor, struct span *ret_name, struct span *ret_value);
/* Walks the elements of a valid array. *rest starts as the array and becomes what is left of it.
 * Returns true and sets the value (raw, without white space around it), or false at the end. */
bool jtext_item(struct span *rest, struct span *ret_value);
/* True when the raw string literal LITERAL, escapes decoded, is NAME. */
bool jtext_is(struct span literal, const char *name);
/* The value of member NAME of a valid OBJECT (the last one of that name). False when there is none;
 * then *ret_value is untouched. */
bool jtext_find(struct span object, const char *name, struct span *ret_value);
/* A member that jtext_pick() looks for, and where its value goes. */
struct jtext_wanted {
    const char *name;
    struct span *ret_value;
};
/* The same for COUNT members in one walk: sets the values of those that are there, and leaves the
 * others untouched. */
void jtext_pick(struct span object, const struct jtext_wanted *wanted, size_t count);
/* jtext_check(TEXT), and of an object jtext_pick() in the same walk. Where it returns
 * JTEXT_INVALID, the values are of no use. */
enum jtext_type jtext_check_pick(struct span text, const struct jtext_wanted *wanted, size_t count);
/* Appends the decoded content of a string LITERAL. Lone surrogates and U+0000 become U+FFFD, so
 * that the result is UTF-8 that SQLite and Python take. */
void jtext_decode(struct buffer *ret_text, struct span literal);
/* The same into RET_TEXT of ROOM bytes, NUL-terminated, without allocating. Returns the length, or
 * -1 when LITERAL is not a string or its content and the NUL do not fit. */
int jtext_copy(struct span literal, char *ret_text, size_t room);
/* The longest start of what stands between the quotes of LITERAL, as written, that has at most
 * COUNT code points and ends neither inside an escape nor inside a surrogate pair. Borrowed. */
struct span jtext_cut(struct span literal, size_t count);
/* Reads a whole number, written without fraction and exponent, that fits int64_t; returns 0, or -1
 * for anything else. */
int jtext_integer(struct span value, int64_t *ret_number);
/* Appends TEXT (any bytes; repaired as by utf8_repair()) as a JSON string with its quotes. */
void jtext_quote(struct buffer *ret_text, struct span text);
/* Appends `"name":"text"`, with a comma before it unless the buffer ends in '{' or '['. */
void jtext_member(struct buffer *ret_text, const char *name, struct span text);
/* The same for a number, and for a value that is JSON already. */
void jtext_member_integer(struct buffer *ret_text, const char *name, int64_t number);
void jtext_member_raw(struct buffer *ret_text, const char *name, struct span json);
/* Appends the members of a valid OBJECT, byte for byte with what stands between them, except those
 * whose name is in the NULL-terminated list EXCEPT; a comma before them as above. */
void jtext_members_except(struct buffer *ret_text, struct span object, const char *const *except);

#endif
