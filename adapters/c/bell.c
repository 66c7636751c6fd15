#include "adapters/c/bell.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int bell_new(void)
{
    int bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return bell >= 0 ? bell : -errno;
}

void bell_ring(int bell)
{
    const uint64_t one = 1;
    ssize_t written = write(bell, &one, sizeof one); /* fails only when it rings already */
    (void)written;
}

void bell_hush(int bell)
{
    uint64_t number;
    ssize_t taken = read(bell, &number, sizeof number); /* fails only when it does not ring */
    (void)taken;
}
