/* UTF-8 (RFC 3629: no surrogates, nothing above U+10FFFF, shortest form only). */
#ifndef TAILGATE_PROTO_UTF8_H
#define TAILGATE_PROTO_UTF8_H

#include "proto/buffer.h"

/* Length in bytes of the valid sequence at DATA (1 to 4), or 0 when the bytes there are not one.
 * Reads at most SIZE bytes; SIZE is at least 1. */
size_t utf8_length(const char *data, size_t size);
/* The code point of the valid sequence of LENGTH bytes (utf8_length()) at DATA. */
unsigned utf8_decode(const char *data, size_t length);
/* True when all of TEXT is valid UTF-8. U+0000 counts as valid here. */
bool utf8_valid(struct span text);
/* Number of code points in valid TEXT, as Python's len() counts them. */
size_t utf8_count(struct span text);
/* Appends TEXT with U+FFFD in place of every invalid byte and of every NUL: what comes out can be
 * bound as SQLite text and read by Python. */
void utf8_repair(struct buffer *ret_text, struct span text);
/* Writes code point CODE as UTF-8 and returns its length, 1 to 4; U+0000, surrogates and values
 * above U+10FFFF become U+FFFD. */
size_t utf8_encode(unsigned code, char ret_bytes[4]);
/* The longest run of whole code points at the start of valid TEXT that has at most SIZE bytes. */
struct span utf8_cut(struct span text, size_t size);
/* The same for at most COUNT code points. */
struct span utf8_cut_chars(struct span text, size_t count);
/* True when valid TEXT holds a control character: U+0000 to U+001F, U+007F to U+009F. */
bool utf8_has_control(struct span text);
/* Appends code point CODE as UTF-8; U+0000, surrogates and values above U+10FFFF become U+FFFD. */
void utf8_put(struct buffer *ret_text, unsigned code);

#endif
