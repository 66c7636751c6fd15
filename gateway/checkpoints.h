/* Keeping the -wal file small (I8, and the corruption bug of SQLite before 3.51.3, which needs a
 * checkpoint and a restart of the WAL at the same instant: the fewer of both by others the better).
 * Belongs to the committer's thread, and decides by itself when the time has come.
 *
 *  1. A FULL checkpoint at 400 frames, before the others' automatic one at 1000 pages. Never
 *     RESTART or TRUNCATE.
 *  2. One that somebody's reading or writing cut short is tried again 400 frames later, or after a
 *     second, doubling to 4: also when nothing is to be committed any more.
 *  3. A checkpoint does not make the file smaller: SQLite cuts it back (journal_size_limit) when a
 *     commit of ours is the first after a complete one. While the file is large, such a commit is
 *     made, one small row, as far apart, until it was the first. */
#ifndef TAILGATE_GATEWAY_CHECKPOINTS_H
#define TAILGATE_GATEWAY_CHECKPOINTS_H

#include <stdatomic.h>

#include "adapters/bridge/store.h"

struct checkpoints {
    uint64_t ended[STORE_CHECKPOINTED]; /* tries, by how they ended */
    int due_frames;                     /* the next try when the WAL has so many frames, */
    int64_t due_us;                     /* or at this time (monotonic); INT64_MAX: none is due */
    int64_t pause_us;                   /* to the next try, if this one is cut short */
    atomic_uint begun; /* tries, the one under way among them; other threads may look at it */
};

/* Nothing is due until a commit; the counts stay. */
void checkpoints_init(struct checkpoints *self);
/* Whether one is to be tried now, with the WAL as it is. */
bool checkpoints_due(const struct checkpoints *self, const struct store *store, int64_t now_us);
/* Tries one. BRIDGE_OK, also when it did only a part, or what failed. */
int checkpoints_try(struct checkpoints *self, struct store *store);
/* "complete", "busy", "partial", "failed". */
const char *checkpoints_end_name(enum store_checkpointed how);

#endif
