/* Opening everything that a gateway needs once it has the lock, and closing it. */
#ifndef TAILGATE_GATEWAY_OPEN_H
#define TAILGATE_GATEWAY_OPEN_H

#include "gateway/server.h"
#include "gateway/settings.h"

/* Called at the committer's named points, on its thread. NULL, unless a test links a file that sets
 * it before main(). */
extern committer_point_fn *open_committer_point;

/* All that stands between a locked place and the loop: waits for the bridge, opens and binds,
 * restores what the last run left, says that we serve. Returns -1 to go on, or an exit code (enum
 * cli_exit). */
int open_all(struct server *server, const struct serve_options *options, int lock_fd);
/* Notes that this run ends as it should; to be called before the committer's last drain. */
void open_clean_end(struct server *server);
/* Copes with a server that is only half open. */
void open_close(struct server *server);

#endif
