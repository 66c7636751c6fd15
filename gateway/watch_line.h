/* An event as a person reads it: one line in columns,
 *
 *   12:03:04.123 query    89abcdef docs    #17       What does the lease protect?
 *   12:03:05.367 response 89abcdef docs    #18 ← #17 1.2 s shard-1: The attempt of a query …
 *   12:03:06.001 retry    89abcdef docs    #19       shard-1: out of ink (attempt 1; next in 500
 * ms)
 *
 * when, what, the conversation's last characters, the service, the row (of an answer: and the one
 * that it answers), and what there is to say. Pure, but for the time zone of the environment. */
#ifndef TAILGATE_GATEWAY_WATCH_LINE_H
#define TAILGATE_GATEWAY_WATCH_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/watch_event.h"

#define WATCH_TEXT_COLUMNS 100 /* of the words where there is no terminal */

/* How it is shown, and how wide the columns have become: they grow with what they hold, and never
 * shrink, so that lines stand below each other. */
struct watch_style {
    size_t width; /* of the terminal; 0: there is none, and only the words are cut */
    bool colours;
    bool full; /* the whole text below the line, the conversation's whole id */
    struct {
        size_t time, kind, conversation, service, row;
    } column;
};

/* Appends the line of EVENT, and its text with `full`, each line ended by a line break. NOW_US
 * (UTC): what is not of today says its day. No line is longer than the terminal is wide, but with
 * `full`. */
void watch_line(const struct watch_event *event, struct watch_style *style, int64_t now_us,
                struct buffer *ret_text);

#endif
