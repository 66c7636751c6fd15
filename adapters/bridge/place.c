/* The lock is an open-file-description lock (fcntl F_OFD_SETLK) and not flock(2): F_OFD_GETLK can
 * ask about it without taking it for an instant, so `status` can never be the reason why a gateway
 * that starts at that moment believes that another one runs. Like flock's it belongs to the
 * descriptor, ends with the process however that dies, and no other close() in the process drops
 * it. */
#include "adapters/bridge/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 40 /* symbolic links to a file that is not there yet; the kernel's own limit */
#define LOCK_TEXT_MAX (3 * PATH_MAX + 200)

/* Joins FOLDER and BASE. */
static int join(const char *folder, const char *base, char ret_path[PATH_MAX])
{
    const char *slash = strcmp(folder, "/") == 0 ? "" : "/";
    int size = snprintf(ret_path, PATH_MAX, "%s%s%s", folder, slash, base);
    return size < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* The canonical path of NAME, whose last part need not exist: its folder resolved, its last part
 * kept. Returns 0, or 1 when that last part is a symbolic link that leads nowhere yet (then
 * RET_PATH is the link), or -errno. */
static int resolve_new(const char *name, char ret_path[PATH_MAX])
{
    const char *slash = strrchr(name, '/');
    const char *base = slash ? slash + 1 : name;
    if (*base == '\0' || strcmp(base, ".") == 0 || strcmp(base, "..") == 0)
        return *name ? -EISDIR : -ENOENT;
    char folder[PATH_MAX] = ".";
    if (slash)
        snprintf(folder, sizeof folder, "%.*s", slash == name ? 1 : (int)(slash - name), name);
    char canonical[PATH_MAX];
    if (!realpath(folder, canonical))
        return -errno;
    int error = join(canonical, base, ret_path);
    if (error)
        return error;
    struct stat status;
    return lstat(ret_path, &status) == 0 && S_ISLNK(status.st_mode) ? 1 : 0;
}

/* Where the symbolic link at PATH leads. */
static int follow(const char *path, char ret_target[PATH_MAX])
{
    char text[PATH_MAX];
    ssize_t size = readlink(path, text, sizeof text - 1);
    if (size < 0)
        return -errno;
    text[size] = '\0';
    if (text[0] == '/') {
        memcpy(ret_target, text, (size_t)size + 1);
        return 0;
    }
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') + 1 - path), path);
    return join(folder, text, ret_target);
}

/* SQLite creates a database through a symbolic link at the link's target, so the target is its
 * name. */
static int resolve(const char *name, char ret_path[PATH_MAX])
{
    char next[PATH_MAX], path[PATH_MAX];
    if (strlen(name) >= PATH_MAX)
        return -ENAMETOOLONG;
    strcpy(next, name);
    for (int links = 0; links < LINKS_MAX; links++) {
        if (realpath(next, ret_path))
            return 0;
        if (errno != ENOENT)
            return -errno;
        int state = resolve_new(next, path);
        if (state < 0)
            return state;
        if (state == 0) {
            strcpy(ret_path, path);
            return 0;
        }
        int error = follow(path, next);
        if (error)
            return error;
    }
    return -ELOOP;
}

static int check_file(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return errno == ENOENT ? 0 : -errno;
    if (S_ISDIR(status.st_mode))
        return -EISDIR;
    if (!S_ISREG(status.st_mode))
        return -EINVAL;
    return status.st_nlink > 1 ? -EMLINK : 0;
}

/* The database's folder counts, where -wal, -shm and the lock are; it exists when the file does not
 * yet. */
static int check_medium(const char *path, enum medium *ret_medium)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    int error = medium_look(folder, ret_medium);
    if (error)
        return error;
    return *ret_medium == MEDIUM_NETWORK ? -EREMOTE : 0;
}

int place_find(const char *name, struct place *ret_place)
{
    struct place place;
    int error = resolve(name, place.db);
    if (error == 0)
        error = check_file(place.db);
    if (error == 0)
        error = check_medium(place.db, &place.medium);
    if (error)
        return error;
    size_t size = strlen(place.db);
    if (size + strlen("-gate/batches") >= sizeof place.lock)
        return -ENAMETOOLONG;
    memcpy(place.folder, place.db, size);
    strcpy(place.folder + size, "-gate");
    memcpy(place.lock, place.db, size);
    strcpy(place.lock + size, "-gate/lock");
    strcpy(place.gate, "ipc://");
    memcpy(place.gate + 6, place.db, size);
    strcpy(place.gate + 6 + size, "-gate/gate");
    strcpy(place.events, "ipc://");
    memcpy(place.events + 6, place.db, size);
    strcpy(place.events + 6 + size, "-gate/events");
    strcpy(place.batches, "ipc://");
    memcpy(place.batches + 6, place.db, size);
    strcpy(place.batches + 6 + size, "-gate/batches");
    *ret_place = place;
    return 0;
}

bool place_endpoint_fits(const char *endpoint)
{
    static const char ipc[] = "ipc://";
    if (strncmp(endpoint, ipc, sizeof ipc - 1) != 0)
        return true;
    return strlen(endpoint + sizeof ipc - 1) <= PLACE_SOCKET_MAX;
}

int place_identify(const struct place *place, struct place_identity *ret_identity)
{
    struct stat status;
    if (stat(place->db, &status) != 0)
        return -errno;
    ret_identity->device = status.st_dev;
    ret_identity->inode = status.st_ino;
    return 0;
}

int place_verify(const struct place *place, const struct place_identity *identity)
{
    struct place_identity now;
    int error = place_identify(place, &now);
    if (error)
        return error;
    return now.device == identity->device && now.inode == identity->inode ? 0 : -ESTALE;
}

bool place_is_owner(const struct place *place, int64_t uid)
{
    struct stat status;
    if (uid == 0 || uid == (int64_t)geteuid())
        return true;
    return stat(place->db, &status) == 0 && uid == (int64_t)status.st_uid;
}

/* Whoever may read the database may reach the sockets: the folder takes the database's group where
 * we may give it, else it is ours alone. */
static mode_t choose_mode(const struct place *place, int folder)
{
    struct stat db, own;
    if (stat(place->db, &db) != 0 || !(db.st_mode & S_IRGRP) || fstat(folder, &own) != 0)
        return 0700;
    if (own.st_gid != db.st_gid && fchown(folder, (uid_t)-1, db.st_gid) != 0)
        return 0700;
    return 02750; /* so that what is made in it has its group, too */
}

/* A folder that somebody else prepared could be moved away under us, sockets and lock and all. */
static int check_folder(int folder)
{
    struct stat status;
    if (fstat(folder, &status) != 0)
        return -errno;
    uid_t self = geteuid();
    if (self != 0 && status.st_uid != self && status.st_uid != 0)
        return -EPERM;
    return status.st_mode & S_IWOTH ? -EPERM : 0;
}

static int open_folder(const struct place *place)
{
    bool made = mkdir(place->folder, 0700) == 0;
    if (!made && errno != EEXIST)
        return -errno;
    int folder = open(place->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0)
        return -errno;
    int error = check_folder(folder);
    if (error == 0 && made && fchmod(folder, choose_mode(place, folder)) != 0)
        error = -errno;
    if (error) {
        close(folder);
        return error;
    }
    return folder;
}

static struct flock whole_file(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return lock;
}

static void read_line(const char *line, struct place_holder *holder)
{
    if (strncmp(line, "pid ", 4) == 0) {
        holder->pid = strtol(line + 4, NULL, 10);
        if (holder->pid < 0)
            holder->pid = 0;
    } else if (strncmp(line, "since ", 6) == 0) {
        snprintf(holder->since, sizeof holder->since, "%s", line + 6);
    } else if (strncmp(line, "gate ", 5) == 0) {
        snprintf(holder->gate, sizeof holder->gate, "%s", line + 5);
    } else if (strncmp(line, "events ", 7) == 0) {
        snprintf(holder->events, sizeof holder->events, "%s", line + 7);
    } else if (strncmp(line, "batches ", 8) == 0) {
        snprintf(holder->batches, sizeof holder->batches, "%s", line + 8);
    }
}

/* Lines `pid N`, `since STAMP`, `gate ENDPOINT`, `events ENDPOINT`, `batches ENDPOINT`. A line
 * break in a path would end its line early; the endpoint then names nothing and a client says that
 * it cannot connect. */
static void read_holder(int descriptor, struct place_holder *ret_holder)
{
    struct place_holder holder = {0};
    char text[LOCK_TEXT_MAX + 1];
    ssize_t size = pread(descriptor, text, LOCK_TEXT_MAX, 0);
    text[size > 0 ? size : 0] = '\0';
    char *rest = text;
    for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n"))
        read_line(line, &holder);
    *ret_holder = holder;
}

int place_announce(int descriptor, const struct place_holder *holder)
{
    char text[LOCK_TEXT_MAX];
    int size = snprintf(text, sizeof text, "pid %ld\nsince %s\ngate %s\nevents %s\nbatches %s\n",
                        holder->pid, holder->since, holder->gate, holder->events, holder->batches);
    if (size < 0 || (size_t)size >= sizeof text)
        return -ENAMETOOLONG;
    ssize_t written = pwrite(descriptor, text, (size_t)size, 0);
    if (written < 0)
        return -errno;
    if (written != size)
        return -ENOSPC;
    return ftruncate(descriptor, size) == 0 ? 0 : -errno;
}

/* True when the file at the lock's name is the one that DESCRIPTOR has open: between open and lock
 * somebody may have removed it, and a lock on a file without a name keeps nobody out. */
static bool still_there(int folder, int descriptor)
{
    struct stat named, held;
    return fstatat(folder, "lock", &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           fstat(descriptor, &held) == 0 && named.st_dev == held.st_dev &&
           named.st_ino == held.st_ino;
}

static int try_lock(int folder, mode_t mode, struct place_holder *ret_holder)
{
    int descriptor = openat(folder, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, mode);
    if (descriptor < 0)
        return -errno;
    struct flock lock = whole_file();
    if (fcntl(descriptor, F_OFD_SETLK, &lock) == 0) {
        if (still_there(folder, descriptor))
            return descriptor;
        close(descriptor);
        return -EAGAIN;
    }
    int error = errno == EAGAIN || errno == EACCES ? -EEXIST : -errno;
    if (error == -EEXIST)
        read_holder(descriptor, ret_holder);
    close(descriptor);
    return error;
}

/* Whoever may look into the folder may ask who holds the lock. */
static mode_t lock_mode(int folder)
{
    struct stat status;
    return fstat(folder, &status) == 0 && (status.st_mode & S_IRGRP) ? 0640 : 0600;
}

int place_lock(const struct place *place, struct place_holder *ret_holder)
{
    int folder = open_folder(place);
    if (folder < 0)
        return folder;
    mode_t mode = lock_mode(folder);
    int result = -EAGAIN;
    for (int tries = 0; tries < 100 && result == -EAGAIN; tries++)
        result = try_lock(folder, mode, ret_holder);
    close(folder);
    if (result == -EEXIST)
        return -EWOULDBLOCK;
    if (result < 0)
        return result == -EAGAIN ? -EBUSY : result;
    /* what a gateway that died left there is nobody's announcement; the caller makes a new one */
    struct place_holder self = {.pid = getpid()};
    (void)place_announce(result, &self);
    return result;
}

/* One try of place_lock_wait(): -EAGAIN when the file was removed while we waited for it. */
static int wait_lock(int folder)
{
    int descriptor =
        openat(folder, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, lock_mode(folder));
    if (descriptor < 0)
        return -errno;
    struct flock lock = whole_file();
    int error = fcntl(descriptor, F_OFD_SETLKW, &lock) == 0 ? 0 : -errno;
    if (error == 0 && still_there(folder, descriptor))
        return descriptor;
    close(descriptor);
    return error && error != -EINTR ? error : -EAGAIN;
}

int place_lock_wait(const struct place *place)
{
    struct place_holder self = {.pid = getpid()};
    int result = -EAGAIN;
    while (result == -EAGAIN) {
        int folder = open_folder(place);
        if (folder < 0)
            return folder;
        result = wait_lock(folder);
        close(folder);
    }
    if (result >= 0)
        (void)place_announce(result, &self); /* as place_lock() does */
    return result;
}

int place_holder(const struct place *place, struct place_holder *ret_holder)
{
    int descriptor = open(place->lock, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (descriptor < 0)
        return errno == ENOENT || errno == ENOTDIR ? -ESRCH : -errno;
    struct flock lock = whole_file();
    int error = fcntl(descriptor, F_OFD_GETLK, &lock) == 0 ? 0 : -errno;
    if (error == 0 && lock.l_type == F_UNLCK)
        error = -ESRCH;
    if (error == 0)
        read_holder(descriptor, ret_holder);
    close(descriptor);
    return error;
}
