/* What an agent says: one event, and the answer that is made of the last one. */
#ifndef TAILGATE_ADAPTERS_WORKER_AGENT_EVENT_H
#define TAILGATE_ADAPTERS_WORKER_AGENT_EVENT_H

#include <stdint.h>

#include "adapters/worker/agent_formats.h"

/* Spans are raw JSON, borrowed from the line; size 0: not there. */
struct agent_event {
    enum agent_event_kind kind;
    struct span text;                         /* a string */
    struct span session;                      /* a string */
    struct span model;                        /* a string */
    int64_t prompt_tokens, completion_tokens; /* -1: not told */
    double cost;                              /* -1: not told */
};

/* Says what LINE is. Returns 0, or -1 when it is no event: no JSON object. */
int agent_event_read(const struct agent_format *format, struct span line,
                     struct agent_event *ret_event);
/* Appends the answer TEXT (a raw JSON string) as an object, with what RESULT says of its usage.
 * MODEL is a raw JSON string, or of size 0; COST is that of this query, -1: not known. */
void agent_event_answer(const struct agent_event *result, struct span text, struct span model,
                        double cost, struct buffer *ret_answer);

#endif
