#include "adapters/bridge/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "proto/buffer.h"

#define WATCHED                                                                                    \
    (IN_MODIFY | IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM |            \
     IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)
#define APPEARED_OR_WENT (IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM)
/* Reads in one drain: somebody who writes without end must not keep the loop here. */
#define READS_MAX 64

struct watch {
    int fd;              /* inotify */
    int folder;          /* its watch descriptor, -1 while the folder is not there */
    char path[PATH_MAX]; /* of the folder */
    char name[PATH_MAX]; /* of the database in it */
    size_t name_size;
};

static int arm(struct watch *self)
{
    self->folder = inotify_add_watch(self->fd, self->path, WATCHED);
    return self->folder >= 0 ? 0 : -errno;
}

static void split(struct watch *self, const char *db)
{
    const char *slash = strrchr(db, '/');
    size_t size = slash == db ? 1 : (size_t)(slash - db);
    memcpy(self->path, db, size);
    self->path[size] = '\0';
    self->name_size = strlen(slash + 1);
    memcpy(self->name, slash + 1, self->name_size + 1);
}

int watch_new(const struct place *place, struct watch **ret_watch)
{
    struct watch *self = memory_zero(1, sizeof *self);
    split(self, place->db);
    self->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    int error = self->fd >= 0 ? arm(self) : -errno;
    if (error) {
        watch_destroy(&self);
        return error;
    }
    *ret_watch = self;
    return 0;
}

void watch_destroy(struct watch **self)
{
    if (!*self)
        return;
    if ((*self)->fd >= 0)
        close((*self)->fd);
    free(*self);
    *self = NULL;
}

int watch_fd(const struct watch *self)
{
    return self->fd;
}

static unsigned read_name(const struct watch *self, const struct inotify_event *event)
{
    if (event->len == 0 || strncmp(event->name, self->name, self->name_size) != 0)
        return 0;
    const char *tail = event->name + self->name_size;
    unsigned flag = event->mask & IN_CLOSE_WRITE ? WATCH_CLOSED : WATCH_HINT;
    if (*tail == '\0')
        return event->mask & APPEARED_OR_WENT ? WATCH_HINT | WATCH_MOVED : flag;
    /* -shm is mapped memory: what happens in it makes no events, and its coming and going says
     * nothing that -wal does not say */
    return strcmp(tail, "-wal") == 0 || strcmp(tail, "-journal") == 0 ? flag : 0;
}

static unsigned read_event(struct watch *self, const struct inotify_event *event)
{
    if (event->mask & IN_Q_OVERFLOW)
        return WATCH_LOST;
    if (event->wd != self->folder)
        return 0; /* the last words of a watch that was replaced */
    if (event->mask & IN_IGNORED) {
        self->folder = -1;
        return WATCH_LOST;
    }
    if (event->mask & IN_MOVE_SELF) { /* the path now means another folder, or none */
        inotify_rm_watch(self->fd, self->folder);
        self->folder = -1;
        return WATCH_LOST;
    }
    return read_name(self, event);
}

static unsigned read_events(struct watch *self, const char *data, size_t size)
{
    unsigned flags = 0;
    size_t at = 0;
    while (at < size) {
        const struct inotify_event *event = (const struct inotify_event *)(const void *)(data + at);
        flags |= read_event(self, event);
        at += sizeof *event + event->len;
    }
    return flags;
}

unsigned watch_drain(struct watch *self)
{
    _Alignas(struct inotify_event) char data[16384];
    unsigned flags = 0;
    for (int reads = 0; reads < READS_MAX; reads++) {
        ssize_t size = read(self->fd, data, sizeof data);
        if (size <= 0)
            break;
        flags |= read_events(self, data, (size_t)size);
    }
    /* what happened while nobody watched is unknown, so a watch that is armed again is a loss as
     * well */
    if (self->folder < 0 && arm(self) == 0)
        flags |= WATCH_LOST;
    return flags;
}
