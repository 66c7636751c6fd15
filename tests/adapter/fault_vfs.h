/* SQLite's own file layer with two seams in it, for troubles that cannot be had by asking: a
 * database file whose fsync fails, and a look at the locks that are tried on it. Everything else
 * happens on the real file. */
#ifndef TAILGATE_TESTS_ADAPTER_FAULT_VFS_H
#define TAILGATE_TESTS_ADAPTER_FAULT_VFS_H

#include <stdatomic.h>
#include <stdbool.h>

struct fault_vfs {
    atomic_bool sync_fails; /* fsync of a database file, not of its -wal or -journal */
    atomic_int syncs;       /* of a database file, failed ones included */
    atomic_int misses; /* tries for the exclusive lock in a row that a reader was in the way of */
    atomic_int misses_most; /* the longest such row so far */
    atomic_int let_go;      /* times that a row of misses ended in giving the lock back */
};
extern struct fault_vfs fault_vfs;

/* Makes it what every connection opened from now on uses, and forgets the counts. */
void fault_vfs_install(void);
void fault_vfs_remove(void);

#endif
