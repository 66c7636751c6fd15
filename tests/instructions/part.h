/* What the programs here share. Each runs one part of the path of a query, for so many queries as
 * its argument says, on inputs that are always the same; tests/instructions/count has callgrind
 * count the instructions.
 *
 * Before the queries a part prepares for QUERIES_MAX of them, however many follow, and it ends the
 * same way: what N more of them cost is then what the part costs, and nothing else. */
#ifndef TAILGATE_TESTS_INSTRUCTIONS_PART_H
#define TAILGATE_TESTS_INSTRUCTIONS_PART_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/span.h"

#define QUERIES_MAX 2000
#define QUERY_SIZE 180     /* bytes of a query's text */
#define CONVERSATIONS 16   /* that the queries belong to, in turn */
#define CONVERSATION_ID 21 /* characters of such a one's id */

/* The part's own. */
void part_prepare(void);
void part_run(size_t queries);
void part_end(void);

/* Ends the process with a line on stderr that names WHAT, unless OK. */
void part_need(bool ok, const char *what);
/* The text of query ID (1 to QUERIES_MAX), QUERY_SIZE bytes of JSON; the caller has the room. */
struct span part_query(size_t id, char ret_text[QUERY_SIZE + 1]);
/* The answer to any query, as a worker sends it, and a worker's name. */
struct span part_answer(void);
#define PART_WORKER "worker-1"
/* The conversation that query ID belongs to; valid until the next call. */
const char *part_conversation(size_t id);

#endif
