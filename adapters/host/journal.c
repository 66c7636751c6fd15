#define SD_JOURNAL_SUPPRESS_LOCATION /* the same place for every entry */
#include "adapters/host/journal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

bool journal_is_stderr(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    uintmax_t device, inode;
    struct stat status;
    int end = 0;

    if (!stream || sscanf(stream, "%ju:%ju%n", &device, &inode, &end) != 2 || stream[end])
        return false;
    return fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device && status.st_ino == inode;
}

int journal_send(const struct iovec *field, size_t count)
{
    if (access(JOURNAL_SOCKET, F_OK) != 0)
        return -errno; /* which sd_journal_sendv() takes for success */
    return sd_journal_sendv(field, (int)count);
}
