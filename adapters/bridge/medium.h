/* What kind of file system a database stands on. SQLite's locks, its shared -shm and inotify hold
 * between the processes of one host and its own disks; over a network they do not, and the file
 * would be damaged or commits never be noticed. */
#ifndef TAILGATE_ADAPTERS_BRIDGE_MEDIUM_H
#define TAILGATE_ADAPTERS_BRIDGE_MEDIUM_H

#include <sys/vfs.h>

enum medium {
    MEDIUM_LOCAL,
    MEDIUM_DOUBTFUL, /* a program or another machine is behind it: right only while every program
                      * that opens the database runs on this host (FUSE, 9p, shared folders) */
    MEDIUM_NETWORK   /* NFS, SMB and the like */
};

/* What PATH stands on, a file or a folder. Returns 0, or -errno. May block on a dead server. */
int medium_look(const char *path, enum medium *ret_medium);

/* The seam for tests, which cannot mount a network: statfs(2). */
extern int (*medium_statfs)(const char *path, struct statfs *ret_status);

#endif
