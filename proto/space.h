/* White space in its two meanings, and what is done about it. JSON knows four characters (RFC
 * 8259); in text that people and programs write, ASCII's six count. */
#ifndef TAILGATE_PROTO_SPACE_H
#define TAILGATE_PROTO_SPACE_H

#include "proto/span.h"

/* Between the tokens of JSON. */
static inline bool space_in_json(char byte)
{
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

/* In text: also vertical tab and form feed. NUL is content, if odd content. */
static inline bool space_in_text(char byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* TEXT from its first byte on that is not white space. */
static inline struct span space_skip(struct span text)
{
    while (text.size && space_in_text(text.data[0]))
        text = span_of(text.data + 1, text.size - 1);
    return text;
}

/* TEXT without white space at either end. */
static inline struct span space_trim(struct span text)
{
    text = space_skip(text);
    while (text.size && space_in_text(text.data[text.size - 1]))
        text.size--;
    return text;
}

/* True for nothing at all, too. */
static inline bool space_only(struct span text)
{
    return space_skip(text).size == 0;
}

#endif
