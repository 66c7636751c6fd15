#include "adapters/worker/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODE 0600
#define OTHERS 0077 /* the bits of a mode that let others in */
#define TRIES 3     /* for a segment that its worker removes while we open it */
#define SEMAPHORE_MAX (SEGMENT_NAME_MAX + 16)

static const char *const semaphores[] = {"request", "response"};
static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

bool segment_name_valid(const char *text)
{
    text += *text == '/';
    size_t size = strlen(text);
    return size > 0 && size <= SEGMENT_NAME_MAX && *text != '.' && strspn(text, letters) == size;
}

void segment_init(struct segment *self, const char *text)
{
    *self = (struct segment){.descriptor = -1};
    snprintf(self->name, sizeof self->name, "/%s", text + (*text == '/'));
}

static struct flock lock_of(off_t byte)
{
    return (struct flock){
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1, .l_pid = 0};
}

/* Who else has BYTE locked. */
static pid_t holder_of(int descriptor, off_t byte)
{
    struct flock lock = lock_of(byte);
    if (fcntl(descriptor, F_OFD_GETLK, &lock) != 0 || lock.l_type == F_UNLCK)
        return 0;
    return lock.l_pid > 0 ? lock.l_pid : SEGMENT_UNKNOWN;
}

static bool is_ours(const struct stat *facts)
{
    return S_ISREG(facts->st_mode) && facts->st_uid == geteuid() && (facts->st_mode & OTHERS) == 0;
}

/* Invariant 2: NULL, or what is wrong with the open segment. */
static const char *complaint(int descriptor)
{
    struct stat facts;
    uint64_t magic = 0;
    if (fstat(descriptor, &facts) != 0)
        return "cannot be looked at";
    if (!is_ours(&facts))
        return "belongs to another user, or lets others in";
    if (facts.st_size != 0 && facts.st_size != SHM_SIZE)
        return "has not the size of a segment of ours";
    if (facts.st_size != 0 && pread(descriptor, &magic, sizeof magic, 0) != sizeof magic)
        return "cannot be read";
    if (magic != 0 && magic != SHM_MAGIC)
        return "is something else";
    return NULL;
}

/* What keeps us from the open segment: 0, or -errno and a sentence. */
static int object(const char *name, int descriptor, char *ret_why, size_t room)
{
    uint32_t pid = 0;
    const char *wrong = complaint(descriptor);
    if (holder_of(descriptor, SHM_LOCK_WORKER) != 0) {
        ssize_t got = pread(descriptor, &pid, sizeof pid, offsetof(struct shm_table, worker_pid));
        snprintf(ret_why, room, "--shm: another tailgate work, pid %u, serves %s",
                 got == sizeof pid ? pid : 0, name);
        return -EBUSY;
    }
    if (!wrong)
        return 0;
    snprintf(ret_why, room, "--shm: %s is there and %s: remove /dev/shm%s, or choose another name",
             name, wrong, name);
    return -EEXIST;
}

int segment_inspect(const char *text, char *ret_why, size_t room)
{
    struct segment segment;
    segment_init(&segment, text);
    int descriptor = shm_open(segment.name, O_RDWR, 0);
    if (descriptor < 0 && errno == ENOENT)
        return 0;
    int code = descriptor < 0 ? -errno : object(segment.name, descriptor, ret_why, room);
    if (descriptor >= 0)
        close(descriptor);
    else
        snprintf(ret_why, room, "--shm: %s cannot be opened: %s", segment.name, strerror(-code));
    return code;
}

/* Makes the segment, or opens the one that is there. Returns a descriptor or -errno. */
static int open_name(const char *name)
{
    int descriptor = shm_open(name, O_RDWR | O_CREAT | O_EXCL, MODE);
    if (descriptor < 0 && errno == EEXIST)
        descriptor = shm_open(name, O_RDWR, 0);
    return descriptor < 0 ? -errno : descriptor;
}

/* Locks the segment: 0, or -errno, -EAGAIN when its name is gone meanwhile. */
static int take(int descriptor)
{
    struct flock lock = lock_of(SHM_LOCK_WORKER);
    struct stat facts;
    if (complaint(descriptor))
        return -EEXIST;
    if (fcntl(descriptor, F_OFD_SETLK, &lock) != 0)
        return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
    if (fstat(descriptor, &facts) != 0)
        return -errno;
    return facts.st_nlink == 0 ? -EAGAIN : 0;
}

/* Returns a locked descriptor, or -errno. */
static int open_locked(const char *name)
{
    for (int tries = TRIES; tries > 0; tries--) {
        int descriptor = open_name(name);
        if (descriptor == -ENOENT)
            continue;
        if (descriptor < 0)
            return descriptor;
        int code = take(descriptor);
        if (code == 0)
            return descriptor;
        close(descriptor);
        if (code != -EAGAIN)
            return code;
    }
    return -EBUSY;
}

static void unlink_semaphores(const struct segment *self)
{
    char name[SEMAPHORE_MAX];
    for (size_t i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%s.%s", self->name, semaphores[i]);
        sem_unlink(name);
    }
}

/* A semaphore that is there must be ours: what glibc finds in one it trusts. */
static sem_t *open_semaphore(const struct segment *self, const char *which)
{
    char name[SEMAPHORE_MAX], path[SEMAPHORE_MAX + 16];
    struct stat facts;
    snprintf(name, sizeof name, "%s.%s", self->name, which);
    snprintf(path, sizeof path, "/dev/shm/sem.%s", name + 1);
    sem_t *semaphore = sem_open(name, O_CREAT | O_EXCL, MODE, 0);
    if (semaphore != SEM_FAILED || errno != EEXIST)
        return semaphore;
    if (lstat(path, &facts) != 0)
        return SEM_FAILED;
    if (is_ours(&facts) && facts.st_size == sizeof(sem_t))
        return sem_open(name, 0);
    errno = EEXIST;
    return SEM_FAILED;
}

static void close_semaphore(sem_t **semaphore)
{
    if (*semaphore && *semaphore != SEM_FAILED)
        sem_close(*semaphore);
    *semaphore = NULL;
}

static void shut(struct segment *self)
{
    close_semaphore(&self->asked);
    close_semaphore(&self->answered);
    if (self->header)
        munmap(self->header, SHM_SIZE);
    self->header = NULL;
    if (self->descriptor >= 0)
        close(self->descriptor);
    self->descriptor = -1;
}

/* Takes all of its memory now: later there would be SIGBUS where there is none left. */
static int fill(const struct segment *self)
{
    return -posix_fallocate(self->descriptor, 0, SHM_SIZE);
}

/* All of a table but its magic. */
static struct shm_table table(void)
{
    return (struct shm_table){.magic = SHM_MAGIC,
                              .request_offset = SHM_REQUEST,
                              .request_room = SHM_ROOM,
                              .response_offset = SHM_RESPONSE,
                              .response_room = SHM_ROOM,
                              .worker_pid = (uint32_t)getpid()};
}

static bool same(const struct shm_table *a, const struct shm_table *b)
{
    const size_t behind = sizeof a->magic;
    return memcmp((const char *)a + behind, (const char *)b + behind, sizeof *a - behind) == 0;
}

/* What is there was not laid out by us: nobody may believe it, until it is published. */
static void distrust(const struct segment *self)
{
    struct shm_table ours = table();
    ours.worker_pid = self->header->table.worker_pid;
    if (!same(&ours, &self->header->table))
        atomic_store(&self->header->table.magic, 0);
}

/* A new segment has new semaphores: a program that still has another one, which somebody removed,
 * must not take the posts that are not for it. */
static int map(struct segment *self)
{
    struct stat facts;
    if (fstat(self->descriptor, &facts) != 0)
        return -errno;
    if (facts.st_size == 0)
        unlink_semaphores(self);
    int code = fill(self);
    if (code != 0)
        return code;
    void *memory = mmap(NULL, SHM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, self->descriptor, 0);
    if (memory == MAP_FAILED)
        return -errno;
    self->header = memory;
    distrust(self); /* before a program finds the semaphores */
    self->asked = open_semaphore(self, semaphores[0]);
    if (self->asked == SEM_FAILED)
        return -errno;
    self->answered = open_semaphore(self, semaphores[1]);
    return self->answered == SEM_FAILED ? -errno : 0;
}

int segment_open(struct segment *self)
{
    int descriptor = open_locked(self->name);
    if (descriptor < 0)
        return descriptor;
    self->descriptor = descriptor;
    int code = map(self);
    if (code != 0)
        shut(self);
    return code;
}

int segment_publish(struct segment *self, uint64_t seq)
{
    struct shm_table ours = table(), *theirs = &self->header->table;
    const size_t behind = sizeof ours.magic;
    int code = fill(self); /* somebody may have cut it */
    if (code != 0)
        return code;
    memcpy((char *)theirs + behind, (const char *)&ours + behind, sizeof ours - behind);
    atomic_store(&self->header->dropped_seq, seq);
    atomic_store(&self->header->request_seq, seq);
    atomic_store(&theirs->magic, SHM_MAGIC);
    return 0;
}

bool segment_named(const struct segment *self)
{
    struct stat facts;
    return fstat(self->descriptor, &facts) == 0 && facts.st_nlink > 0;
}

static bool whole(const struct segment *self)
{
    struct stat facts;
    return fstat(self->descriptor, &facts) == 0 && facts.st_size >= SHM_SIZE;
}

bool segment_intact(const struct segment *self)
{
    struct shm_table ours = table();
    return segment_named(self) && whole(self) &&
           atomic_load(&self->header->table.magic) == SHM_MAGIC &&
           same(&ours, &self->header->table);
}

pid_t segment_holder(const struct segment *self)
{
    return holder_of(self->descriptor, SHM_LOCK_PROGRAM);
}

void segment_leave(struct segment *self)
{
    if (self->descriptor < 0)
        return;
    if (whole(self))
        atomic_store(&self->header->table.magic, 0);
    sem_post(self->asked);
    if (segment_named(self)) {
        shm_unlink(self->name);
        unlink_semaphores(self);
    }
    shut(self);
}
