/* Where a bridge lives: its canonical path and the folder `<db>-gate/` beside it (lock, sockets).
 * Nothing here ever opens the database file: closing any descriptor of it would drop every SQLite
 * lock that this process holds on it. stat(2), realpath(3) and the folder only. */
#ifndef TAILGATE_ADAPTERS_BRIDGE_PLACE_H
#define TAILGATE_ADAPTERS_BRIDGE_PLACE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "adapters/bridge/medium.h"

#define PLACE_SOCKET_MAX 107 /* bytes of a unix socket's path (sun_path without its NUL) */

struct place {
    char db[PATH_MAX];       /* canonical: symbolic links resolved, two names of one file are one */
    char folder[PATH_MAX];   /* <db>-gate */
    char lock[PATH_MAX];     /* <db>-gate/lock */
    char gate[PATH_MAX + 8]; /* ipc://<db>-gate/gate: the default gate endpoint */
    char events[PATH_MAX + 8];  /* ipc://<db>-gate/events: where observers listen */
    char batches[PATH_MAX + 8]; /* ipc://<db>-gate/batches: the same in batches */
    enum medium medium;         /* never MEDIUM_NETWORK */
};

/* What stat says of a file's identity, to notice that it was replaced. */
struct place_identity {
    dev_t device;
    ino_t inode;
};

/* Fills RET_PLACE for the database NAME, which need not exist; its folder must. Returns 0 or -errno
 * (-ENOENT: the folder is not there, -ENAMETOOLONG, -EACCES, -EISDIR: NAME is a folder, -EMLINK:
 * the file has several hard links, and SQLite would keep a -wal of its own for each, -EREMOTE: it
 * is on a network file system). */
int place_find(const char *name, struct place *ret_place);
/* True when the unix socket path of the ipc ENDPOINT fits; true for every other transport. */
bool place_endpoint_fits(const char *endpoint);
/* 0 and the file's identity, or -errno (-ENOENT when it is not there). */
int place_identify(const struct place *place, struct place_identity *ret_identity);
/* 0 while the name still means the file of IDENTITY, -ESTALE when it means another one, or -errno
 * (-ENOENT: none). */
int place_verify(const struct place *place, const struct place_identity *identity);
/* True when user UID owns the database file, is root, or is who this process runs as. */
bool place_is_owner(const struct place *place, int64_t uid);

/* What the lock file says of a running gateway. */
struct place_holder {
    long pid;
    char since[40];            /* a stamp, UTC */
    char gate[PATH_MAX + 8];   /* its first gate endpoint; "" when it has not said yet */
    char events[PATH_MAX + 8]; /* its first events endpoint; "" when it has not said, or has none */
    char batches[PATH_MAX + 8]; /* its first of batches; the same */
};

/* Makes the folder when it is missing (0700, or 0750 when the database's group may read it) and
 * takes the lock, which lives as long as this process and its descriptor (F_OFD_SETLK, O_CLOEXEC).
 * Returns a descriptor >= 0; or -EWOULDBLOCK when another gateway has it (then *ret_holder tells
 * who, pid 0 when unknown); or another -errno. */
int place_lock(const struct place *place, struct place_holder *ret_holder);
/* The same, but waits for the other gateway's end, however long that takes. */
int place_lock_wait(const struct place *place);
/* Writes who we are into the lock file held by DESCRIPTOR. Returns 0 or -errno. */
int place_announce(int descriptor, const struct place_holder *holder);
/* Reads who holds the lock. Returns 0 when a gateway runs, -ESRCH when none does, or -errno. */
int place_holder(const struct place *place, struct place_holder *ret_holder);

#endif
