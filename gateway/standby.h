/* Waiting for another gateway's end. */
#ifndef TAILGATE_GATEWAY_STANDBY_H
#define TAILGATE_GATEWAY_STANDBY_H

#include "adapters/bridge/place.h"
#include "gateway/vitals.h"

/* Blocks until PLACE's lock is ours, however its holder ends: the kernel hands it over. Returns its
 * descriptor; -EINTR when SIGTERM or SIGINT came on SIGNAL_FD; or another -errno. The service
 * manager takes it for a running service. */
int standby_wait(const struct place *place, int signal_fd, struct vitals *vitals);

#endif
