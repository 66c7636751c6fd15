#include "gateway/bench/bench_bare_wake.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

#include "adapters/bridge/wake.h"
#include "adapters/bridge/watch.h"
#include "adapters/host/clock.h"

static void take_hints(struct watch *watch, struct wake *wake, int64_t now_us)
{
    unsigned flags = watch_drain(watch);

    if (flags & WATCH_CLOSED)
        wake_glance(wake);
    if (flags & (WATCH_HINT | WATCH_LOST))
        wake_hint(wake, now_us);
}

static void wait_for_hint(const struct watch *watch, const struct wake *wake)
{
    struct pollfd item = {.fd = watch_fd(watch), .events = POLLIN};
    int64_t pause_us = wake_next(wake) - clock_mono_us();
    struct timespec pause = {.tv_sec = (time_t)(pause_us / 1000000),
                             .tv_nsec = (long)(pause_us % 1000000) * 1000};

    if (pause_us > 0)
        ppoll(&item, 1, &pause, NULL);
}

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

static int watch_for_ever(const struct bench_bare_wake *work, struct watch *watch,
                          sqlite3_stmt *version, sqlite3_stmt *last, void *socket)
{
    int64_t seen = number_of(version), told = 0;
    struct wake wake;

    wake_init(&wake, clock_mono_us());
    atomic_fetch_add(&work->board->ready, 1);
    for (;;) {
        int64_t now_us = clock_mono_us(), is;
        take_hints(watch, &wake, now_us);
        if (!wake_due(&wake, now_us)) {
            wait_for_hint(watch, &wake);
            continue;
        }
        is = number_of(version);
        wake_checked(&wake, now_us, is != seen);
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
    struct watch *watch = NULL;
    struct place place;

    if (!version || !last)
        return -1;
    if (place_find(work->site->db, &place) != 0 || watch_new(&place, &watch) != 0)
        return bench_fail("%s: cannot be watched", work->site->db);
    if (zmq_connect(socket, work->endpoint) != 0)
        return bench_fail("%s: %s", work->endpoint, zmq_strerror(errno));
    return watch_for_ever(work, watch, version, last, socket);
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
