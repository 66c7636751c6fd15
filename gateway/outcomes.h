/* What became of the queries that ended lately, in this run. A cache, and nothing but that: what it
 * has forgotten, or a run before this one has seen, is looked for in the file (lookups.h). */
#ifndef TAILGATE_GATEWAY_OUTCOMES_H
#define TAILGATE_GATEWAY_OUTCOMES_H

#include "adapters/bridge/store.h"

struct outcome {
    int64_t id; /* of the query */
    enum store_outcome end;
    int64_t reply_id; /* COMMITTED: its reply's row */
    /* COMMITTED, of an answer: from seen to the last attempt's beginning, from there to the answer,
     * and from there to the end of its COMMIT. Microseconds, at most 71 minutes; else 0. */
    uint32_t waited_us, worked_us, committed_us;
};

struct outcomes;

struct outcomes *outcomes_new(void);
void outcomes_destroy(struct outcomes **self);
void outcomes_note(struct outcomes *self, const struct outcome *outcome);
/* NULL: it is not known. Borrowed until the next note. */
const struct outcome *outcomes_find(const struct outcomes *self, int64_t id);

#endif
