/* A disk that hangs: with this library preloaded, fsync(2) and fdatasync(2) wait while the file
 * $TAILGATE_STALL is there. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static void wait_for_disk(void)
{
    const char *path = getenv("TAILGATE_STALL");

    while (path && access(path, F_OK) == 0)
        usleep(10000);
}

int fsync(int fd)
{
    wait_for_disk();
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    wait_for_disk();
    return (int)syscall(SYS_fdatasync, fd);
}
