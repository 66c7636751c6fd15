#include "adapters/worker/excerpt.h"

#include <stdio.h>

#include "proto/escape.h"

#define SHOWN 60 /* bytes; four times as many when every one is escaped */

void excerpt_write(struct span bytes, char ret_text[EXCERPT_SIZE])
{
    struct span start = escape_cut(bytes, SHOWN);
    struct buffer shown;
    if (bytes.size == 0) {
        snprintf(ret_text, EXCERPT_SIZE, "nothing");
        return;
    }
    buffer_init(&shown);
    escape_text(&shown, start.size > 0 ? start : span_of(bytes.data, 1), ESCAPE_VALUE);
    snprintf(ret_text, EXCERPT_SIZE, "\"%.*s\"%s", EXCERPT_SIZE - 8, shown.data,
             start.size < bytes.size ? "…" : "");
    buffer_done(&shown);
}
