/* The bare limit of noticing another process's commit: an inotify watch on the folder, data_version
 * as the proof, the same re-checks as the gateway makes (adapters/bridge/watch, wake), and then one
 * frame to a peer. Of the rows only the last id is looked at. */
#ifndef TAILGATE_GATEWAY_BENCH_BENCH_BARE_WAKE_H
#define TAILGATE_GATEWAY_BENCH_BENCH_BARE_WAKE_H

#include "gateway/bench/bench_board.h"
#include "gateway/bench/bench_site.h"

struct bench_bare_wake {
    struct bench_site *site;
    const char *endpoint; /* of the peer's socket */
    struct bench_board *board;
};

/* bench_role_fns for a struct bench_bare_wake: who watches, and the peer, who gets the numbers of
 * queries. They run until they are ended. */
int bench_bare_watcher_run(const void *work);
int bench_bare_peer_run(const void *work);

#endif
