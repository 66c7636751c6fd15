/* What a service manager is told (sd_notify(3)): the datagram socket $NOTIFY_SOCKET. */
#ifndef TAILGATE_ADAPTERS_HOST_NOTIFY_H
#define TAILGATE_ADAPTERS_HOST_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/* True when somebody wants to be told. */
bool notify_is_wanted(void);
/* How often WATCHDOG=1 is waited for, in microseconds; 0: not from this process. */
int64_t notify_watchdog_us(void);
/* Sends STATE, lines of NAME=VALUE. Does nothing when nobody wants it. Returns 0 or -errno. */
int notify_send(const char *state);

#endif
