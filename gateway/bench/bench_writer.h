/* A program that writes queries into a bridge as the bridge's own programs do: connect, insert,
 * commit, close, each time anew. */
#ifndef TAILGATE_GATEWAY_BENCH_BENCH_WRITER_H
#define TAILGATE_GATEWAY_BENCH_BENCH_WRITER_H

#include "gateway/bench/bench_board.h"
#include "gateway/bench/bench_role.h"
#include "gateway/bench/bench_site.h"

enum bench_manner {
    BENCH_PACED,     /* one every pause_us, whatever becomes of it; 0: flat out */
    BENCH_STEADY,    /* the same, and what was late is made up for: the rate holds */
    BENCH_APART,     /* pause_us after the end of the one before */
    BENCH_ONE_BY_ONE /* waits until a worker has the query, then pause_us; the board must ring */
};

struct bench_writer {
    struct bench_site *site;
    enum bench_manner manner;
    uint64_t rows;         /* in a transaction; 0: one; count is a multiple of it */
    uint64_t first, count; /* numbers of its queries */
    uint64_t step;         /* between its numbers: the number of writers, 1 */
    int64_t pause_us;
    struct bench_board *board; /* asked_us, committed_us, locked */
};

/* A bench_role_fn for a struct bench_writer; it ends when its queries are written. */
int bench_writer_run(const void *work);

/* A bench_role_fn for a struct bench_site: holds a connection to it until it is ended, as a gateway
 * would, so that whoever else closes one is not the last who writes the WAL back. */
int bench_keeper_run(const void *site);

/* Inserts query NUMBER over DB and stamps it. Returns 0, 1 when the database was locked for longer
 * than the timeout of 10 s, or -1 after bench_fail(). */
int bench_write(struct bench_site *site, sqlite3 *db, uint64_t number, struct bench_board *board);

#endif
