/* Waiting at the start: for a bridge that does not exist yet, for a lock, for a signal. */
#ifndef TAILGATE_GATEWAY_AWAIT_H
#define TAILGATE_GATEWAY_AWAIT_H

#include "adapters/bridge/place.h"
#include "adapters/bridge/tail.h"
#include "adapters/bridge/watch.h"
#include "gateway/vitals.h"

/* Opens the tail of PLACE's database as soon as there is a bridge, saying once that it waits;
 * SIGTERM or SIGINT on SIGNAL_FD ends the waiting. WAIT false: does not wait. Returns 0, the tail
 * (the caller closes it) and the identity that the file had before it was opened: when
 * place_verify() still finds it after everything else was opened, all have opened one file. Else
 * -1 when a signal came first, or an exit code (enum cli_exit) after one line on stderr. While it
 * waits for a bridge the service manager takes us for a running service. */
int await_bridge(const struct place *place, struct watch *watch, int signal_fd, bool wait,
                 struct vitals *vitals, struct tail **ret_tail,
                 struct place_identity *ret_identity);

/* A wait for what is in the way of starting. Zero-initialised. */
struct await_turn {
    int64_t until_us; /* monotonic; 0: it has not begun */
};

/* To be called after each BRIDGE_BUSY: a lock on the database. Pauses a moment and returns -1 to
 * try again; CLI_OK when a signal came on SIGNAL_FD; another exit code when it has lasted too long,
 * after one line on stderr. */
int await_unlocked(struct await_turn *self, const struct place *place, int signal_fd,
                   struct vitals *vitals);

/* The same after an ENDPOINT was found in use: by a gateway whose sockets outlive its lock for a
 * moment, or whose lock file somebody removed. FOR_GOOD: without end, and said; else for two
 * seconds, and then CLI_FAILED without a word. */
int await_endpoint(struct await_turn *self, const char *endpoint, bool for_good, int signal_fd,
                   struct vitals *vitals);

#endif
