/* What an event has to say, in words. */
#ifndef TAILGATE_GATEWAY_WATCH_WORDS_H
#define TAILGATE_GATEWAY_WATCH_WORDS_H

#include "gateway/watch_event.h"

/* Texts from outside, not escaped yet. */
struct watch_words {
    struct buffer before; /* what stands before the words: "1.2 s shard-1: " */
    struct buffer words;
    bool is_body;     /* the words are a row's text, or a part of an answer */
    bool is_bad;      /* they are an error */
    bool is_doubtful; /* they have brackets, and nobody is verified to have said them */
};

void watch_words_init(struct watch_words *self);
void watch_words_done(struct watch_words *self);
/* Says what EVENT has to say; what was said before is forgotten. Of a JSON query that is its
 * question, of a JSON response its answer or error. */
void watch_words_of(struct watch_words *self, const struct watch_event *event);
/* Appends a duration as a person says it: "340 ms", "1.2 s", "2.5 min". */
void watch_words_seconds(struct buffer *ret_text, double seconds);

#endif
