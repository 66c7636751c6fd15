#include "adapters/worker/context.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "adapters/worker/excerpt.h"
#include "proto/utf8.h"

#define TRIES 8 /* openat2() asks for another one when a folder was renamed meanwhile */

int context_open(const char *folder)
{
    int root = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return root < 0 ? -errno : root;
}

/* A mount beneath the folder was put there by its owner, so crossing into one is allowed. A kernel
 * without openat2() (before 5.6) opens nothing. */
static int open_beneath(int root, const char *name)
{
    const struct open_how how = {.flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
                                 .resolve =
                                     RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    long opened = -1;
    errno = EAGAIN;
    for (int i = 0; opened < 0 && errno == EAGAIN && i < TRIES; i++)
        opened = syscall(SYS_openat2, root, name, &how, sizeof how);
    return (int)opened;
}

/* Opens NAME when it is a regular file, else -1. O_NONBLOCK: a pipe must not hold us up until that
 * is known. */
static int open_regular(int root, struct span name)
{
    struct stat status;
    if (name.size == 0 || name.size >= PATH_MAX || memchr(name.data, '\0', name.size))
        return -1;
    char *path = memory_text(name);
    int file = open_beneath(root, path);
    free(path);
    if (file >= 0 && (fstat(file, &status) != 0 || !S_ISREG(status.st_mode))) {
        close(file);
        return -1;
    }
    return file;
}

/* Reads at most ROOM bytes; returns how many, or -1. */
static ssize_t read_all(int file, char *ret_bytes, size_t room)
{
    size_t size = 0;
    while (size < room) {
        ssize_t got = read(file, ret_bytes + size, room - size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        size += (size_t)got;
    }
    return (ssize_t)size;
}

int context_read(int root, struct span name, struct buffer *ret_text, struct buffer *ret_why)
{
    char shown[EXCERPT_SIZE];
    char *bytes = memory_new(CONTEXT_MAX + 1);
    ssize_t size = -1;
    int file = open_regular(root, name);
    if (file >= 0) {
        size = read_all(file, bytes, CONTEXT_MAX + 1);
        close(file);
    }
    excerpt_write(name, shown);
    if (size < 0)
        buffer_format(ret_why,
                      "context file %s is no file that can be read from the folder of "
                      "context files",
                      shown);
    else if (size > CONTEXT_MAX)
        buffer_format(ret_why, "context file %s is larger than %u KiB", shown, CONTEXT_MAX >> 10);
    else
        utf8_repair(ret_text, span_of(bytes, (size_t)size));
    free(bytes);
    return size < 0 || size > CONTEXT_MAX ? -1 : 0;
}
