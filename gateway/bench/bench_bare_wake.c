#include "gateway/bench/bench_bare_wake.h"

#include <errno.h>
#include <string.h>
#include <zmq.h>

#include "gateway/bench/bench_hints.h"

static int64_t number_of(sqlite3_stmt *statement)
{
    int64_t number;

    sqlite3_step(statement);
    number = sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return number;
}

/* The version changes also when a writer starts the WAL over, before it commits: so the last id is
 * looked at, too. */
static void tell(void *socket, sqlite3_stmt *last, int64_t *told)
{
    int64_t id = number_of(last);

    for (; *told < id; ++*told)
        zmq_send(socket, told, sizeof *told, 0); /* ids begin with 1, numbers with 0 */
}

static int watch_for_ever(const struct bench_bare_wake *work, struct bench_hints *hints,
                          sqlite3_stmt *version, sqlite3_stmt *last, void *socket)
{
    int64_t seen = number_of(version), told = 0;

    atomic_fetch_add(&work->board->ready, 1);
    for (;;) {
        int64_t now_us = bench_hints_await(hints), is = number_of(version);
        wake_checked(&hints->wake, now_us, is != seen);
        if (is != seen)
            tell(socket, last, &told);
        seen = is;
    }
    return 0;
}

int bench_bare_watcher_run(const void *with)
{
    const struct bench_bare_wake *work = with;
    void *socket = zmq_socket(zmq_ctx_new(), ZMQ_PUSH);
    sqlite3 *db = bench_open(work->site->db);
    sqlite3_stmt *version = db ? bench_prepare(db, "PRAGMA data_version") : NULL;
    sqlite3_stmt *last = db ? bench_prepare(db, "SELECT max(id) FROM messages") : NULL;
    struct bench_hints hints;

    if (!version || !last || bench_hints_open(work->site, &hints) < 0)
        return -1;
    if (zmq_connect(socket, work->endpoint) != 0)
        return bench_fail("%s: %s", work->endpoint, zmq_strerror(errno));
    return watch_for_ever(work, &hints, version, last, socket);
}

int bench_bare_peer_run(const void *with)
{
    const struct bench_bare_wake *work = with;
    void *socket = zmq_socket(zmq_ctx_new(), ZMQ_PULL);
    uint64_t number;

    if (zmq_bind(socket, work->endpoint) != 0)
        return bench_fail("%s: %s", work->endpoint, zmq_strerror(errno));
    atomic_fetch_add(&work->board->ready, 1);
    while (zmq_recv(socket, &number, sizeof number, 0) >= 0)
        bench_board_received(work->board, number);
    return bench_fail("the bare peer cannot receive: %s", zmq_strerror(errno));
}
