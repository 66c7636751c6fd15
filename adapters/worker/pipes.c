#include "adapters/worker/pipes.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUERIES "queries"
#define ANSWERS "answers"
#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define PIPE_FLAGS (O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC)

static void close_one(int *descriptor)
{
    if (*descriptor >= 0)
        close(*descriptor);
    *descriptor = -1;
}

void pipes_init(struct pipes *self)
{
    *self = (struct pipes){-1, -1, -1, -1};
}

void pipes_close(struct pipes *self)
{
    close_one(&self->watch);
    close_one(&self->queries);
    close_one(&self->answers);
    close_one(&self->folder);
}

/* Who could write to a pipe could answer for the program; who could write to the folder could put
 * another pipe in its place. */
static const char *unsafe(const struct stat *facts)
{
    if (facts->st_uid != geteuid() && facts->st_uid != 0)
        return "belongs to another user";
    return facts->st_mode & (S_IWGRP | S_IWOTH) ? "can be written to by others" : NULL;
}

static int refuse(const char *folder, const char *name, const char *what, char ret_why[PIPES_WHY])
{
    snprintf(ret_why, PIPES_WHY, "%.150s%s%s: %s", folder, name ? "/" : "", name ? name : "", what);
    return -1;
}

/* Returns the folder's descriptor, or -1 and why. */
static int open_folder(const char *path, char ret_why[PIPES_WHY])
{
    struct stat facts;
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return refuse(path, NULL, strerror(errno), ret_why);
    int folder = open(path, FOLDER_FLAGS);
    if (folder < 0)
        return refuse(path, NULL,
                      errno == ENOTDIR || errno == ELOOP ? "is not a folder" : strerror(errno),
                      ret_why);
    const char *wrong = fstat(folder, &facts) == 0 ? unsafe(&facts) : strerror(errno);
    if (!wrong)
        return folder;
    close(folder);
    return refuse(path, NULL, wrong, ret_why);
}

/* Looks before anything is opened: to open a device can have effects. */
static int check_pipe(int folder, const char *path, const char *name, char ret_why[PIPES_WHY])
{
    struct stat facts;
    if (faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT &&
        mkfifoat(folder, name, 0600) != 0)
        return refuse(path, name, strerror(errno), ret_why);
    if (fstatat(folder, name, &facts, AT_SYMLINK_NOFOLLOW) != 0)
        return refuse(path, name, strerror(errno), ret_why);
    if (!S_ISFIFO(facts.st_mode))
        return refuse(path, name, "is not a named pipe", ret_why);
    const char *wrong = unsafe(&facts);
    return wrong ? refuse(path, name, wrong, ret_why) : 0;
}

static int check_pipes(int folder, const char *path, char ret_why[PIPES_WHY])
{
    if (check_pipe(folder, path, QUERIES, ret_why) != 0)
        return -1;
    return check_pipe(folder, path, ANSWERS, ret_why);
}

int pipes_check(const char *path, char ret_why[PIPES_WHY])
{
    int folder = open_folder(path, ret_why);
    if (folder < 0)
        return -1;
    int code = check_pipes(folder, path, ret_why);
    close(folder);
    return code;
}

/* True when NAME in FOLDER is still what DESCRIPTOR was opened as. */
static bool in_place(int descriptor, int folder, const char *name)
{
    struct stat ours, theirs;
    return descriptor >= 0 && fstat(descriptor, &ours) == 0 &&
           fstatat(folder, name, &theirs, AT_SYMLINK_NOFOLLOW) == 0 &&
           ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

/* The folder with its lock, and `answers`. They stay open while nobody is there, so that a program
 * that opens `answers` first finds its reader. */
static int open_ours(struct pipes *self, const char *path, char ret_why[PIPES_WHY])
{
    if (!in_place(self->folder, AT_FDCWD, path))
        pipes_close(self);
    if (self->folder < 0)
        self->folder = open_folder(path, ret_why);
    if (self->folder < 0)
        return -1;
    if (flock(self->folder, LOCK_EX | LOCK_NB) != 0)
        return refuse(path, NULL, "another worker has it", ret_why);
    if (check_pipes(self->folder, path, ret_why) != 0)
        return -1;
    if (in_place(self->answers, self->folder, ANSWERS))
        return 0;
    close_one(&self->answers);
    self->answers = openat(self->folder, ANSWERS, O_RDWR | PIPE_FLAGS);
    return self->answers >= 0 ? 0 : refuse(path, ANSWERS, strerror(errno), ret_why);
}

static int open_watch(const char *path)
{
    char name[PATH_MAX];
    snprintf(name, sizeof name, "%s/" QUERIES, path);
    int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch >= 0 && inotify_add_watch(watch, name, IN_CLOSE | IN_DONT_FOLLOW) < 0)
        close_one(&watch);
    return watch;
}

int pipes_open(struct pipes *self, const char *path, char ret_why[PIPES_WHY])
{
    if (open_ours(self, path, ret_why) != 0)
        return -1;
    close_one(&self->watch);
    self->watch = open_watch(path); /* before we open it: nobody can leave unseen */
    if (self->watch < 0)
        return refuse(path, QUERIES, strerror(errno), ret_why);
    self->queries = openat(self->folder, QUERIES, O_WRONLY | PIPE_FLAGS);
    if (self->queries >= 0)
        return 0;
    return refuse(path, QUERIES, errno == ENXIO ? "nobody reads it yet" : strerror(errno), ret_why);
}

bool pipes_left(const struct pipes *self)
{
    struct pollfd item[] = {{self->queries, 0, 0}, {self->watch, POLLIN, 0}};
    return poll(item, 2, 0) > 0;
}
