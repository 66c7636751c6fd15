/* A text that comes in pieces (the partial answers of one attempt), redacted as it comes: what is
 * released early must not hold what the rules would take out of the whole.
 *
 *  T1. What was released so far, with what redact_stream_end() adds, is redact_text() of the whole
 *      (repaired by utf8_repair()), byte for byte, however the whole is cut into pieces.
 *
 *  T2. Each rule holds back what it might still replace: from the earliest byte on at which a match
 *      begins that the end of the text so far cuts. Most often that is nothing, or the last letters
 *      of a word. What it lets go is the next rule's text, as in redact_text().
 *
 *  T3. A character that is cut is held back, too.
 *
 *  T4. Where more than REDACT_STREAM_HELD would be held back, or PCRE2 gives up, what is held is
 *      dropped, REDACT_FAILED stands in its place, and nothing is released any more: what follows
 *      might be the rest of a secret. That is counted (redact_failures()).
 *
 *  T5. Nothing that was released is looked at again. What is held is, with what has come since;
 *      where it is long, only once that is a REDACT_STREAM_PART-th of it, so that pieces of one
 *      byte take linear time, too. So what follows a long match may be released that much late. */
#ifndef TAILGATE_ADAPTERS_TEXT_REDACT_STREAM_H
#define TAILGATE_ADAPTERS_TEXT_REDACT_STREAM_H

#include "adapters/text/redact.h"

#define REDACT_STREAM_HELD (64u << 10) /* bytes held back at most */
#define REDACT_STREAM_PART 64          /* T5 */

struct redact_stream {
    struct buffer cut;                /* T3 */
    struct buffer held[REDACT_RULES]; /* T2: from where a match may begin, */
    size_t looked[REDACT_RULES];      /*   and how much of it the rule has seen */
    bool failed;                      /* T4 */
};

/* An empty stream; allocates nothing. */
void redact_stream_init(struct redact_stream *self);
void redact_stream_done(struct redact_stream *self);
/* Appends to RET_TEXT what may be released now that PIECE (any bytes) has come: valid UTF-8 without
 * U+0000. Returns the number of replacements in it, REDACT_FAILED being one. */
int redact_stream_add(struct redact_stream *self, struct redact *redact, struct span piece,
                      struct buffer *ret_text);
/* The same when nothing more comes: releases all that is held. SELF is as after _init(). */
int redact_stream_end(struct redact_stream *self, struct redact *redact, struct buffer *ret_text);
/* Ends it as T4 does; what is held is dropped. Nothing when it has failed before. */
void redact_stream_fail(struct redact_stream *self, struct redact *redact, struct buffer *ret_text);
/* Bytes that are held back. */
size_t redact_stream_held(const struct redact_stream *self);

#endif
