#include "adapters/host/notify.h"

#include <stdlib.h>
#include <systemd/sd-daemon.h>

bool notify_is_wanted(void)
{
    const char *socket = getenv("NOTIFY_SOCKET");

    return socket && *socket;
}

int64_t notify_watchdog_us(void)
{
    uint64_t every_us = 0;

    if (!notify_is_wanted() || sd_watchdog_enabled(0, &every_us) <= 0 || every_us > INT64_MAX / 2)
        return 0;
    return (int64_t)every_us;
}

int notify_send(const char *state)
{
    int sent = sd_notify(0, state);

    return sent < 0 ? sent : 0;
}
