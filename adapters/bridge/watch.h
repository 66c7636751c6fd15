/* The hint: an inotify watch on the database's folder (never on the file: the last close deletes
 * -wal and -shm). An event says that somebody may have committed, or is about to: SQLite writes
 * -wal before the commit is visible. The proof is tail_changed(). */
#ifndef TAILGATE_ADAPTERS_BRIDGE_WATCH_H
#define TAILGATE_ADAPTERS_BRIDGE_WATCH_H

#include "adapters/bridge/place.h"

struct watch;

enum watch_flags {
    WATCH_HINT = 1,   /* the database, its -wal or its -journal changed, appeared or went */
    WATCH_MOVED = 2,  /* a file of the database's name appeared or went: check its identity */
    WATCH_CLOSED = 8, /* one of them was closed by a writer: all it did is visible by now */
    WATCH_LOST = 4    /* the queue overflowed or the watch was removed: look at everything again */
};

/* Starts to watch the folder of PLACE's database, which need not exist yet. Returns 0 and a watch,
 * or -errno. */
int watch_new(const struct place *place, struct watch **ret_watch);
void watch_destroy(struct watch **self);
/* The descriptor to poll for reading (owned by the watch). */
int watch_fd(const struct watch *self);
/* Takes all waiting events without blocking; returns an OR of watch_flags, 0 when there were none.
 * Re-arms the watch by itself after WATCH_LOST where the folder still exists. */
unsigned watch_drain(struct watch *self);

#endif
