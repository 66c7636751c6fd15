#include "tests/faults/shim_vfs.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

/* What SQLite has for a file: ours, and the real one's behind it. */
struct shim_handle {
    sqlite3_file base;
    enum shim_file file;
    const char *name; /* SQLite keeps it while the file is open */
    bool directory; /* the next sync is also one of the folder, as SQLite does for a new journal */
};

static struct {
    pthread_mutex_t mutex; /* guards all below */
    struct shim_fault fault;
    long matched; /* calls that FAULT is about, since it was armed */
    long count[SHIM_OPS];
    long injected;
    shim_watch_fn *watch;
    void *context;
    bool held, waits;
    pthread_t holder;       /* whose calls are made all the same */
    pthread_cond_t changed; /* held or waits has */
} shim = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static sqlite3_vfs vfs;       /* ours */
static sqlite3_vfs *real_vfs; /* the system's */

static sqlite3_file *real_of(sqlite3_file *file)
{
    return (sqlite3_file *)((struct shim_handle *)(void *)file + 1);
}

/* Counts a call. Returns SQLITE_OK to make it, or the code that it is to fail with. */
static int decide(enum shim_op op, enum shim_file file)
{
    int code = SQLITE_OK;

    pthread_mutex_lock(&shim.mutex);
    while (shim.held && !pthread_equal(shim.holder, pthread_self())) {
        shim.waits = true;
        pthread_cond_broadcast(&shim.changed);
        pthread_cond_wait(&shim.changed, &shim.mutex);
    }
    shim.count[op]++;
    if (shim.fault.n > 0 && shim.fault.op == op && (shim.fault.files & 1u << file)) {
        shim.matched++;
        if (shim.matched == shim.fault.n || (shim.fault.ever && shim.matched > shim.fault.n)) {
            shim.injected++;
            code = shim.fault.code;
        }
    }
    pthread_mutex_unlock(&shim.mutex);
    return code;
}

static int tell(const struct shim_call *call)
{
    shim_watch_fn *watch;
    void *context;

    pthread_mutex_lock(&shim.mutex);
    watch = shim.watch;
    context = shim.context;
    pthread_mutex_unlock(&shim.mutex);
    if (watch)
        watch(context, call);
    return call->code;
}

static struct shim_call call_on(sqlite3_file *file, enum shim_op op)
{
    const struct shim_handle *self = (const void *)file;
    return (struct shim_call){.op = op, .file = self->file, .name = self->name};
}

static int close_file(sqlite3_file *file)
{
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int read_file(sqlite3_file *file, void *data, int size, sqlite3_int64 offset)
{
    struct shim_call call = call_on(file, SHIM_READ);

    call.size = size;
    call.offset = offset;
    call.code = decide(call.op, call.file);
    if (call.code == SQLITE_OK)
        call.code = real_of(file)->pMethods->xRead(real_of(file), data, size, offset);
    return tell(&call);
}

static int write_file(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset)
{
    struct shim_call call = call_on(file, SHIM_WRITE);
    int denied = decide(call.op, call.file);

    call.data = data;
    call.size = denied ? size / 2 : size;
    call.offset = offset;
    call.code = real_of(file)->pMethods->xWrite(real_of(file), data, (int)call.size, offset);
    if (denied)
        call.code = denied;
    return tell(&call);
}

static int truncate_file(sqlite3_file *file, sqlite3_int64 size)
{
    struct shim_call call = call_on(file, SHIM_TRUNCATE);

    call.size = size;
    call.code = decide(call.op, call.file);
    if (call.code == SQLITE_OK)
        call.code = real_of(file)->pMethods->xTruncate(real_of(file), size);
    return tell(&call);
}

static int sync_file(sqlite3_file *file, int flags)
{
    struct shim_handle *self = (void *)file;
    struct shim_call call = call_on(file, SHIM_SYNC);

    call.code = decide(call.op, call.file);
    if (call.code != SQLITE_OK)
        return tell(&call);
    call.code = real_of(file)->pMethods->xSync(real_of(file), flags);
    if (call.code == SQLITE_OK) {
        call.directory = self->directory;
        self->directory = false;
    }
    return tell(&call);
}

static int file_size(sqlite3_file *file, sqlite3_int64 *ret_size)
{
    return real_of(file)->pMethods->xFileSize(real_of(file), ret_size);
}

static int lock_file(sqlite3_file *file, int level)
{
    struct shim_call call = call_on(file, SHIM_LOCK);

    call.level = level;
    call.code = decide(call.op, call.file);
    if (call.code == SQLITE_OK)
        call.code = real_of(file)->pMethods->xLock(real_of(file), level);
    return tell(&call);
}

static int unlock_file(sqlite3_file *file, int level)
{
    struct shim_call call = call_on(file, SHIM_UNLOCK);

    call.level = level;
    call.code = decide(call.op, call.file);
    if (call.code == SQLITE_OK)
        call.code = real_of(file)->pMethods->xUnlock(real_of(file), level);
    return tell(&call);
}

static int check_reserved(sqlite3_file *file, int *ret_reserved)
{
    struct shim_call call = call_on(file, SHIM_LOCK);

    call.code = decide(call.op, call.file);
    if (call.code == SQLITE_OK)
        call.code = real_of(file)->pMethods->xCheckReservedLock(real_of(file), ret_reserved);
    return tell(&call);
}

static int control(sqlite3_file *file, int op, void *argument)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), op, argument);
}

static int sector_size(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int characteristics(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int map_shm(sqlite3_file *file, int region, int size, int extend, void volatile **ret_map)
{
    struct shim_call call = call_on(file, SHIM_SHM_MAP);

    call.code = decide(call.op, call.file);
    if (call.code == SQLITE_OK)
        call.code = real_of(file)->pMethods->xShmMap(real_of(file), region, size, extend, ret_map);
    else
        *ret_map = NULL; /* as the real one does */
    return tell(&call);
}

static int lock_shm(sqlite3_file *file, int offset, int count, int flags)
{
    struct shim_call call = call_on(file, SHIM_SHM_LOCK);

    if (flags & SQLITE_SHM_UNLOCK)
        return real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags);
    call.offset = offset;
    call.size = count;
    call.code = decide(call.op, call.file);
    if (call.code == SQLITE_OK)
        call.code = real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags);
    return tell(&call);
}

static void barrier_shm(sqlite3_file *file)
{
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int unmap_shm(sqlite3_file *file, int remove)
{
    return real_of(file)->pMethods->xShmUnmap(real_of(file), remove);
}

/* Version 2: without memory mapping, which would go past us. */
static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = close_file,
    .xRead = read_file,
    .xWrite = write_file,
    .xTruncate = truncate_file,
    .xSync = sync_file,
    .xFileSize = file_size,
    .xLock = lock_file,
    .xUnlock = unlock_file,
    .xCheckReservedLock = check_reserved,
    .xFileControl = control,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = characteristics,
    .xShmMap = map_shm,
    .xShmLock = lock_shm,
    .xShmBarrier = barrier_shm,
    .xShmUnmap = unmap_shm,
};

static enum shim_file kind_of(int flags)
{
    if (flags & SQLITE_OPEN_MAIN_DB)
        return SHIM_DB;
    if (flags & SQLITE_OPEN_WAL)
        return SHIM_WAL;
    return flags & SQLITE_OPEN_MAIN_JOURNAL ? SHIM_JOURNAL : SHIM_OTHER;
}

static int open_file(sqlite3_vfs *unused, const char *name, sqlite3_file *file, int flags,
                     int *ret_flags)
{
    struct shim_handle *self = (void *)file;
    struct shim_call call = {.op = SHIM_OPEN, .file = kind_of(flags), .name = name};

    (void)unused;
    memset(self, 0, sizeof *self);
    self->file = call.file;
    self->name = name;
    self->directory = call.file != SHIM_DB && flags & SQLITE_OPEN_CREATE;
    call.code = decide(call.op, call.file);
    if (call.code == SQLITE_OK)
        call.code = real_vfs->xOpen(real_vfs, name, real_of(file), flags, ret_flags);
    if (call.code == SQLITE_OK)
        self->base.pMethods = &methods;
    return tell(&call);
}

static bool ends_in(const char *name, const char *tail)
{
    size_t size = strlen(name), tail_size = strlen(tail);
    return size >= tail_size && strcmp(name + size - tail_size, tail) == 0;
}

static int delete_file(sqlite3_vfs *unused, const char *name, int directory)
{
    struct shim_call call = {.op = SHIM_DELETE, .file = SHIM_OTHER, .name = name};

    (void)unused;
    if (ends_in(name, "-wal"))
        call.file = SHIM_WAL;
    else if (ends_in(name, "-journal"))
        call.file = SHIM_JOURNAL;
    call.directory = directory != 0;
    call.code = decide(call.op, call.file);
    if (call.code == SQLITE_OK)
        call.code = real_vfs->xDelete(real_vfs, name, directory);
    return tell(&call);
}

static int sleep_not(sqlite3_vfs *unused, int microseconds)
{
    (void)unused;
    return microseconds;
}

void shim_skip_sleeps(void)
{
    vfs.xSleep = sleep_not;
}

void shim_install(void)
{
    if (!real_vfs) {
        real_vfs = sqlite3_vfs_find("unix");
        vfs = *real_vfs; /* what names no file is as it was */
        vfs.zName = "shim";
        vfs.szOsFile = (int)sizeof(struct shim_handle) + real_vfs->szOsFile;
        vfs.xOpen = open_file;
        vfs.xDelete = delete_file;
    }
    vfs.xSleep = real_vfs->xSleep;
    pthread_mutex_lock(&shim.mutex);
    shim.fault = (struct shim_fault){.n = 0};
    shim.injected = 0;
    memset(shim.count, 0, sizeof shim.count);
    shim.watch = NULL;
    shim.held = false;
    pthread_mutex_unlock(&shim.mutex);
    sqlite3_vfs_register(&vfs, 1);
}

void shim_remove(void)
{
    sqlite3_vfs_unregister(&vfs);
    sqlite3_vfs_register(real_vfs, 1);
}

void shim_arm(const struct shim_fault *fault)
{
    pthread_mutex_lock(&shim.mutex);
    shim.fault = *fault;
    shim.matched = 0;
    pthread_mutex_unlock(&shim.mutex);
}

void shim_disarm(void)
{
    shim_arm(&(struct shim_fault){.n = 0});
}

void shim_watch(shim_watch_fn *watch, void *context)
{
    pthread_mutex_lock(&shim.mutex);
    shim.watch = watch;
    shim.context = context;
    pthread_mutex_unlock(&shim.mutex);
}

void shim_hold(void)
{
    pthread_mutex_lock(&shim.mutex);
    shim.held = true;
    shim.waits = false;
    shim.holder = pthread_self();
    pthread_mutex_unlock(&shim.mutex);
}

bool shim_await_held(void)
{
    struct timespec until;
    bool waits;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&shim.mutex);
    if (!shim.waits)
        pthread_cond_timedwait(&shim.changed, &shim.mutex, &until);
    waits = shim.waits;
    pthread_mutex_unlock(&shim.mutex);
    return waits;
}

void shim_let_go(void)
{
    pthread_mutex_lock(&shim.mutex);
    shim.held = false;
    pthread_cond_broadcast(&shim.changed);
    pthread_mutex_unlock(&shim.mutex);
}

long shim_count(enum shim_op op)
{
    long count;

    pthread_mutex_lock(&shim.mutex);
    count = shim.count[op];
    pthread_mutex_unlock(&shim.mutex);
    return count;
}

long shim_injected(void)
{
    long injected;

    pthread_mutex_lock(&shim.mutex);
    injected = shim.injected;
    pthread_mutex_unlock(&shim.mutex);
    return injected;
}

long shim_changes(void)
{
    return shim_count(SHIM_WRITE) + shim_count(SHIM_TRUNCATE) + shim_count(SHIM_SYNC) +
           shim_count(SHIM_DELETE);
}

const char *shim_op_name(enum shim_op op)
{
    static const char *const name[SHIM_OPS] = {"open", "read",   "write",   "truncate", "sync",
                                               "lock", "unlock", "shmlock", "shmmap",   "delete"};
    return name[op];
}
