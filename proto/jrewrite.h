/* Rewriting the strings of JSON: what does not change keeps its bytes, and what comes out is JSON
 * with the same members and elements in the same order. */
#ifndef TAILGATE_PROTO_JREWRITE_H
#define TAILGATE_PROTO_JREWRITE_H

#include "proto/buffer.h"

/* What is done to a text. A seam: what takes secrets out knows regular expressions, proto/ does
 * not. */
struct rewriter {
    /* Appends what the valid UTF-8 TEXT becomes and returns how often something in it was replaced;
     * 0: it stays as it is, and nothing was appended. NAME: of the JSON member whose value TEXT is,
     * decoded; size 0 when it is no member's. */
    int (*run)(void *context, struct span name, struct span text, struct buffer *ret_text);
    void *context;
};

/* Runs REWRITER on every string of the valid JSON, decoded: values with their names, elements, and
 * the names themselves (as texts without a name). Appends the JSON that comes of it and returns the
 * sum of the replacements; 0: JSON stays as it is, and nothing was appended. Time is linear in
 * JSON's size; nesting costs nothing. */
int jrewrite(struct span json, const struct rewriter *rewriter, struct buffer *ret_json);

#endif
