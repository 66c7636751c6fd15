/* What follow.c (live events) and follow_replay.c (what is replayed) share. */
#ifndef TAILGATE_ADAPTERS_C_FOLLOW_INSIDE_H
#define TAILGATE_ADAPTERS_C_FOLLOW_INSIDE_H

#include "adapters/c/follow.h"

#define FOLLOW_ROWS 7u /* the bits of the kinds that are rows */

static inline bool follow_wants(unsigned kinds, int kind)
{
    return (kinds >> kind & 1u) != 0;
}

/* True when the filters let HEARD through. */
bool follow_matches(const struct follow *self, const struct heard *heard);
/* Gives something that is no event. */
void follow_tell(const struct follow *self, enum tailgate_observed_kind kind, uint64_t count,
                 int64_t id, const char *text);
/* Everything of KINDS up to row ID was given. */
void follow_raise(struct follow *self, unsigned kinds, int64_t id);
/* Takes up a row, mark or welcome that was held, or is taken the first time. */
void follow_go_on(struct follow *self, const struct heard *heard);

/* Begins to replay KINDS behind row AFTER up to UPTO. Returns false when that is nothing. */
bool follow_replay(struct follow *self, unsigned kinds, int64_t after, int64_t upto);
/* Keeps a copy of HEARD, to go on with it when the replay is over. */
void follow_hold(struct follow *self, const struct heard *heard);

#endif
