/* The lines in which the programs behind exec, tcp, fifo and shm speak: proto/WIRE.md, "JSON
 * lines".
 */
#ifndef TAILGATE_ADAPTERS_WORKER_JSONL_H
#define TAILGATE_ADAPTERS_WORKER_JSONL_H

#include "adapters/worker/adapter.h"
#include "proto/buffer.h"

/* Appends QUERY as exactly one line, its end included: line breaks in it become blanks, and what is
 * no JSON object is wrapped into one, so that queries and answers cannot get out of step. */
void jsonl_add_query(struct buffer *ret_lines, struct span query);

enum jsonl_form {
    JSONL_OBJECTS, /* only an object is an answer; anything else is reported as FAILED */
    JSONL_TEXT     /* so is any other text */
};

/* Says what a program's LINE is, which is not blank: an answer, a part of one, or no answer at all
 * (FAILED). STORAGE holds what the report's text is made of and is overwritten; the report borrows
 * from both. */
void jsonl_report(struct span line, enum jsonl_form form, struct buffer *storage,
                  struct adapter_report *ret_report);

#endif
