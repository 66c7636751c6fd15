#include "adapters/bridge/locks.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* SQLite's lock bytes (its file format document). In the database file: the pending byte, the
 * reserved one behind it, and the shared ones, which every connection holds in WAL mode. In -shm:
 * the one of who writes, and one for each read mark. */
#define PENDING_BYTE 0x40000000LL
#define SHARED_FIRST (PENDING_BYTE + 2)
#define WAL_WRITE_BYTE 120LL
#define WAL_READ_FIRST 123LL
#define WAL_READ_LAST 127LL

/* The kernel gives its list a page at a time, and passes over a lock when others come and go
 * between two pages. */
#define PASSES 4

struct files {
    struct stat db, shm;
    bool has_db, has_shm;
};

/* One line of /proc/locks that holds (not waits for) a lock on an inode. */
struct lock_line {
    long pid;
    unsigned major, minor;
    unsigned long inode;
    long long start, end;
    bool write;
};

static bool read_line(const char *line, struct lock_line *ret_lock)
{
    struct lock_line lock = {0};
    char kind[16], mode[16], access[16], end[32];
    int read = sscanf(line, "%*d: %15s %15s %15s %ld %x:%x:%lu %lld %31s", kind, mode, access,
                      &lock.pid, &lock.major, &lock.minor, &lock.inode, &lock.start, end);
    if (read != 9 || lock.pid <= 0)
        return false; /* a waiter has "->" for its kind and so moves all fields */
    if (strcmp(kind, "POSIX") != 0 && strcmp(kind, "OFDLCK") != 0)
        return false;
    if (strcmp(end, "EOF") == 0)
        lock.end = INT64_MAX;
    else if (sscanf(end, "%lld", &lock.end) != 1)
        return false;
    lock.write = strcmp(access, "WRITE") == 0;
    *ret_lock = lock;
    return true;
}

static bool is_on(const struct lock_line *lock, const struct stat *file, long long from,
                  long long to)
{
    return lock->inode == file->st_ino && lock->major == major(file->st_dev) &&
           lock->minor == minor(file->st_dev) && lock->start <= to && lock->end >= from;
}

/* True when LOCK matters; *ret_kind: how. */
static bool judge(const struct lock_line *lock, const struct files *files, enum lock_kind *ret_kind)
{
    bool writes = lock->write &&
                  ((files->has_shm && is_on(lock, &files->shm, WAL_WRITE_BYTE, WAL_WRITE_BYTE)) ||
                   (files->has_db && is_on(lock, &files->db, PENDING_BYTE, INT64_MAX)));
    bool reads = files->has_shm ? is_on(lock, &files->shm, WAL_READ_FIRST, WAL_READ_LAST)
                                : files->has_db && is_on(lock, &files->db, SHARED_FIRST, INT64_MAX);
    *ret_kind = writes ? LOCKS_WRITE : LOCKS_READ;
    return writes || (reads && !lock->write);
}

bool locks_have(const struct lock *lock, size_t count, enum lock_kind kind, long pid)
{
    for (size_t i = 0; i < count; i++)
        if (lock[i].kind == kind && lock[i].pid == pid)
            return true;
    return false;
}

/* One pass over the kernel's list: adds what is not in RET_LOCK yet, and returns how many are. */
static size_t look_once(const struct files *files, size_t count, struct lock ret_lock[LOCKS_MAX])
{
    struct lock_line lock;
    enum lock_kind kind;
    char line[256];
    FILE *locks = fopen("/proc/locks", "re");
    while (locks && fgets(line, sizeof line, locks)) {
        if (!read_line(line, &lock) || !judge(&lock, files, &kind) ||
            locks_have(ret_lock, count, kind, lock.pid))
            continue;
        if (count == LOCKS_MAX && kind == LOCKS_READ)
            continue;
        if (count == LOCKS_MAX) /* who writes is never left out */
            count--;
        ret_lock[count].kind = kind;
        ret_lock[count++].pid = lock.pid;
    }
    if (locks)
        fclose(locks);
    return count;
}

size_t locks_look(const struct place *place, struct lock ret_lock[LOCKS_MAX])
{
    char name[sizeof place->db + 8];
    struct files files = {.has_db = false};
    size_t count = 0;
    snprintf(name, sizeof name, "%s-shm", place->db);
    files.has_db = stat(place->db, &files.db) == 0;
    files.has_shm = stat(name, &files.shm) == 0;
    for (int pass = 0; pass < PASSES; pass++)
        count = look_once(&files, count, ret_lock);
    return count;
}
