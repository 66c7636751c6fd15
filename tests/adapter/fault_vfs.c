#include "tests/adapter/fault_vfs.h"

#include <sqlite3.h>
#include <stddef.h>

struct fault_vfs fault_vfs;

static sqlite3_vfs vfs;                   /* a copy of the system's, but for xOpen */
static sqlite3_vfs *real_vfs;             /* the system's */
static const sqlite3_io_methods *real_io; /* of its database files */
static sqlite3_io_methods io;             /* a copy of that, but for what stands below */

static int sync_file(sqlite3_file *file, int flags)
{
    atomic_fetch_add(&fault_vfs.syncs, 1);
    return atomic_load(&fault_vfs.sync_fails) ? SQLITE_IOERR_FSYNC : real_io->xSync(file, flags);
}

static int lock_file(sqlite3_file *file, int level)
{
    int code = real_io->xLock(file, level);

    if (level == SQLITE_LOCK_EXCLUSIVE && code == SQLITE_BUSY) {
        int misses = atomic_fetch_add(&fault_vfs.misses, 1) + 1;
        if (misses > atomic_load(&fault_vfs.misses_most))
            atomic_store(&fault_vfs.misses_most, misses);
    }
    return code;
}

static int unlock_file(sqlite3_file *file, int level)
{
    if (atomic_exchange(&fault_vfs.misses, 0) > 0)
        atomic_fetch_add(&fault_vfs.let_go, 1);
    return real_io->xUnlock(file, level);
}

static int open_file(sqlite3_vfs *unused, const char *name, sqlite3_file *file, int flags,
                     int *ret_flags)
{
    int code = real_vfs->xOpen(&vfs, name, file, flags, ret_flags);

    (void)unused;
    if (code != SQLITE_OK || !(flags & SQLITE_OPEN_MAIN_DB))
        return code;
    if (!real_io) {
        real_io = file->pMethods;
        io = *real_io;
        io.xSync = sync_file;
        io.xLock = lock_file;
        io.xUnlock = unlock_file;
    }
    if (file->pMethods == real_io) /* the same for every file of one file system */
        file->pMethods = &io;
    return code;
}

void fault_vfs_install(void)
{
    if (!real_vfs) {
        real_vfs = sqlite3_vfs_find(NULL);
        vfs = *real_vfs;
        vfs.zName = "fault";
        vfs.xOpen = open_file;
    }
    atomic_store(&fault_vfs.sync_fails, false);
    atomic_store(&fault_vfs.syncs, 0);
    atomic_store(&fault_vfs.misses, 0);
    atomic_store(&fault_vfs.misses_most, 0);
    atomic_store(&fault_vfs.let_go, 0);
    sqlite3_vfs_register(&vfs, 1);
}

void fault_vfs_remove(void)
{
    sqlite3_vfs_unregister(&vfs);
    sqlite3_vfs_register(real_vfs, 1);
}
