/* SQLite's own file layer with a shim before it: every call on a database, its -wal, -journal and
 * -shm is counted by kind, can be made to fail, and is told to whoever watches. What does not fail
 * happens on the real file. Linked into tests only.
 *
 * There is one shim in a process. Connections that are to go past it name the real layer, "unix",
 * when they open. */
#ifndef TAILGATE_TESTS_FAULTS_SHIM_VFS_H
#define TAILGATE_TESTS_FAULTS_SHIM_VFS_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

enum shim_op {
    SHIM_OPEN,
    SHIM_READ,
    SHIM_WRITE,
    SHIM_TRUNCATE,
    SHIM_SYNC,
    SHIM_LOCK, /* of the database file; also the question whether somebody has reserved it */
    SHIM_UNLOCK,
    SHIM_SHM_LOCK, /* not the giving back of one */
    SHIM_SHM_MAP,
    SHIM_DELETE,
    SHIM_OPS
};

enum shim_file { SHIM_DB, SHIM_WAL, SHIM_JOURNAL, SHIM_OTHER };
#define SHIM_ANY_FILE ~0u

/* A call that has been made, or that was made to fail. */
struct shim_call {
    enum shim_op op;
    enum shim_file file;
    const char *name; /* its path; NULL: one without a name */
    const void *data; /* WRITE: SIZE bytes for OFFSET; TRUNCATE: SIZE is the new size */
    sqlite3_int64 size, offset;
    int level;      /* LOCK, UNLOCK: SQLite's */
    bool directory; /* SYNC, DELETE: the folder was synced with it */
    int code;       /* how it ended */
};

/* Fails the N-th call of OP on one of FILES from now on with CODE; with EVER all later ones, too.
 * N 0: none. A write that fails writes the first half before it does. */
struct shim_fault {
    enum shim_op op;
    unsigned files; /* 1 << enum shim_file, or SHIM_ANY_FILE */
    long n;
    bool ever;
    int code;
};

typedef void shim_watch_fn(void *context, const struct shim_call *call);

/* Makes the shim what every connection opened from now on uses that names no other layer; forgets
 * counts, fault and watcher. */
void shim_install(void);
/* From now on nothing that SQLite wants to sleep is slept: where nobody else is there to give back
 * a lock, only the shim denies one, and nobody has to wait for that. */
void shim_skip_sleeps(void);
/* The system's own layer is the one that is used again. */
void shim_remove(void);
void shim_arm(const struct shim_fault *fault);
void shim_disarm(void);
/* WATCH is called after each call, on the thread that made it. NULL: nobody. */
void shim_watch(shim_watch_fn *watch, void *context);
/* From now on a call of any other thread waits before it is made, until shim_let_go(). */
void shim_hold(void);
/* Waits until a call waits, but no longer than a millisecond or so. True when one does. */
bool shim_await_held(void);
void shim_let_go(void);
/* Calls of OP since shim_install(), failed ones included. */
long shim_count(enum shim_op op);
/* Calls that were made to fail since shim_install(). */
long shim_injected(void);
/* Calls since shim_install() that were to change what stands in a file: writes, truncations, syncs
 * and deletions. */
long shim_changes(void);
const char *shim_op_name(enum shim_op op);

#endif
