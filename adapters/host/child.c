#include "adapters/host/child.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

bool child_end_with_parent(void)
{
    const char *parent = getenv(CHILD_PARENT);
    long pid;

    if (!parent)
        return true;
    pid = strtol(parent, NULL, 10);
    unsetenv(CHILD_PARENT);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    return getppid() == pid;
}

void child_hold_standard(void)
{
    int descriptor;

    do
        descriptor = open("/dev/null", O_RDWR);
    while (descriptor >= 0 && descriptor <= 2);
    if (descriptor > 2)
        close(descriptor);
}
