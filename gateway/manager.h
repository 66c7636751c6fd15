/* Telling the service manager (systemd) how we are: vitals.h says when, adapters/host/notify.h
 * carries it. Without one ($NOTIFY_SOCKET) nothing here does anything. */
#ifndef TAILGATE_GATEWAY_MANAGER_H
#define TAILGATE_GATEWAY_MANAGER_H

#include "gateway/server.h"

/* To be called before anything else here. */
void manager_init(struct vitals *vitals);
/* The start is over as far as it depends on us: STATUS says whether we serve, or what we wait for.
 * May come again. */
void manager_ready(struct vitals *vitals, const char *status);
/* What the loop does with each turn, for a wait without one: beats, and returns for how many
 * milliseconds it may last, at most MOST_MS (negative: no bound), until this is called again. */
int manager_wait(struct vitals *vitals, int most_ms);
/* The settings are being read again; and they have been. */
void manager_reloading(const struct vitals *vitals);
void manager_reloaded(const struct vitals *vitals);
/* We are about to end, which takes up to TIMEOUT_US and what the last commit takes. WHY: a few
 * words. */
void manager_stopping(struct vitals *vitals, int64_t timeout_us, const char *why);
/* Beats when that is due, and says how we are when that has changed. */
void manager_run(struct server *server, int64_t now_us);

#endif
