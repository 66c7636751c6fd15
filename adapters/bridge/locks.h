/* Who holds SQLite's locks on a bridge, as /proc/locks tells it: processes of this host (and of
 * this pid namespace) alone. Nothing here opens the database or its -shm. */
#ifndef TAILGATE_ADAPTERS_BRIDGE_LOCKS_H
#define TAILGATE_ADAPTERS_BRIDGE_LOCKS_H

#include <stdbool.h>
#include <stddef.h>

#include "adapters/bridge/place.h"

#define LOCKS_MAX 64 /* told at once */

enum lock_kind {
    LOCKS_WRITE, /* may write; nobody else can */
    LOCKS_READ   /* reads a state of the file: what is in -wal behind it has to stay there; in a
                  * file without -wal: nobody can commit */
};

struct lock {
    enum lock_kind kind;
    long pid;
};

/* Fills RET_LOCK with who holds what now (each process once for each kind), at most
 * LOCKS_MAX of them. Returns how many. */
size_t locks_look(const struct place *place, struct lock ret_lock[LOCKS_MAX]);
/* True when PID is among them. */
bool locks_have(const struct lock *lock, size_t count, enum lock_kind kind, long pid);

#endif
