/* The bare limit of committing replies: the statements that the gateway runs for each (the guard,
 * the reply, the audit row), prepared once, with texts that are there already; groups in a
 * transaction, synchronous and checkpoints as the gateway has them (db.c, checkpoints.c). Nothing
 * is decided, nothing is read, nobody else is there. */
#ifndef TAILGATE_GATEWAY_BENCH_BENCH_BARE_COMMIT_H
#define TAILGATE_GATEWAY_BENCH_BENCH_BARE_COMMIT_H

#include "gateway/bench/bench_board.h"
#include "gateway/bench/bench_site.h"

struct bench_bare_commit {
    struct bench_site *site;
    uint64_t count;            /* replies, to the queries 0 to COUNT, which are the only rows */
    unsigned group;            /* in one transaction */
    unsigned duty;             /* percent of the time that the lock may be held */
    int64_t pause_us;          /* between two groups, beside that */
    struct bench_board *board; /* asked_us and committed_us of the first query of each group: its
                                * BEGIN was called, its COMMIT returned */
};

/* A bench_role_fn for a struct bench_bare_commit; it ends when all are committed. */
int bench_bare_commit_run(const void *work);

#endif
