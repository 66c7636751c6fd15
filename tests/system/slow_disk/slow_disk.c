/* A slow disk: every fsync of SQLite takes TAILGATE_FSYNC_DELAY_US microseconds longer. A program
 * that is linked with this file has it for every database that it opens. */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TABLES 8 /* the system's VFS has one table of methods for each way to lock */

/* The system's methods, and the same ones with our xSync, which files have instead. */
static struct table {
    sqlite3_io_methods slow; /* the first: what is known of a file is where this is */
    const sqlite3_io_methods *real;
} tables[TABLES];
static size_t table_count; /* guarded by mutex */
static sqlite3_mutex *mutex;

static sqlite3_vfs vfs; /* ours: the system's but for xOpen */
static sqlite3_vfs *real_vfs;
static struct timespec delay;

static int sync_slowly(sqlite3_file *file, int flags)
{
    const struct table *table = (const void *)file->pMethods;
    struct timespec left = delay;

    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
    return table->real->xSync(file, flags);
}

/* Returns NULL when there are more tables than we know of. */
static const sqlite3_io_methods *slow_of(const sqlite3_io_methods *real)
{
    struct table *table = tables;

    sqlite3_mutex_enter(mutex);
    while (table < tables + table_count && table->real != real)
        table++;
    if (table == tables + table_count && table_count < TABLES) {
        table_count++;
        table->real = real;
        table->slow = *real;
        table->slow.xSync = sync_slowly;
    }
    sqlite3_mutex_leave(mutex);
    return table < tables + TABLES ? &table->slow : NULL;
}

static int open_slow(sqlite3_vfs *unused, const char *name, sqlite3_file *file, int flags,
                     int *ret_flags)
{
    int code = real_vfs->xOpen(real_vfs, name, file, flags, ret_flags);
    const sqlite3_io_methods *slow;

    (void)unused;
    if (code != SQLITE_OK)
        return code;
    slow = slow_of(file->pMethods);
    if (!slow) {
        file->pMethods->xClose(file);
        file->pMethods = NULL;
        return SQLITE_CANTOPEN;
    }
    file->pMethods = slow;
    return SQLITE_OK;
}

/* Before main(), which knows nothing of this. */
__attribute__((constructor)) static void prepare(void)
{
    const char *text = getenv("TAILGATE_FSYNC_DELAY_US");
    char *end = NULL;
    long delay_us = text ? strtol(text, &end, 10) : 0;

    if (!text)
        return;
    if (end == text || *end || delay_us < 0) {
        fprintf(stderr, "TAILGATE_FSYNC_DELAY_US=%s: microseconds are wanted\n", text);
        _exit(2);
    }
    delay.tv_sec = delay_us / 1000000;
    delay.tv_nsec = delay_us % 1000000 * 1000;
    real_vfs = sqlite3_vfs_find("unix");
    mutex = sqlite3_mutex_alloc(SQLITE_MUTEX_FAST);
    vfs = *real_vfs;
    vfs.zName = "slow";
    vfs.xOpen = open_slow;
    sqlite3_vfs_register(&vfs, 1);
}
