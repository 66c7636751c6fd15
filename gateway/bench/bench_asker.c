#include "gateway/bench/bench_asker.h"

#include <inttypes.h>

#include "adapters/host/clock.h"
#include "gateway/bench/bench_hints.h"
#include "gateway/bench/bench_role.h"
#include "gateway/bench/bench_writer.h"

#define PATIENCE_US 30000000

/* The connection that reads stays open; each query is written over a fresh one, which is closed
 * before its reply is waited for, as each call of the bridge's programs does. */
struct asking {
    const struct bench_asker *work;
    sqlite3 *db;
    sqlite3_stmt *version, *last;
    struct bench_hints hints;
    int64_t seen;
};

static int64_t number_of(sqlite3_stmt *statement)
{
    int64_t number;

    sqlite3_step(statement);
    number = sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return number;
}

/* Waits until ROWS rows are there. What was written up to now is our own query. */
static int await_rows(struct asking *self, int64_t rows)
{
    int64_t until_us = clock_mono_us() + PATIENCE_US, now_us = 0;

    bench_hints_skip(&self->hints);
    while (now_us <= until_us) {
        now_us = bench_hints_await(&self->hints);
        int64_t is = number_of(self->version);
        wake_checked(&self->hints.wake, now_us, is != self->seen);
        if (is != self->seen && number_of(self->last) >= rows)
            return 0;
        self->seen = is;
    }
    return bench_fail("no reply came for 30 s: %" PRId64 " rows are not there", rows);
}

static int ask(struct asking *self, uint64_t number)
{
    const struct bench_asker *work = self->work;
    sqlite3 *db = bench_open(work->site->db);
    int code = db ? bench_write(work->site, db, number, work->board) : -1;

    sqlite3_close(db);
    if (code == 0)
        code = await_rows(self, 2 * (int64_t)number + 2);
    if (code == 0)
        atomic_store(&work->board->trip[number].visible_us, clock_mono_us());
    if (code > 0)
        return bench_fail("the database was locked for 10 s");
    return code;
}

int bench_asker_run(const void *with)
{
    struct asking self = {.work = with, .seen = -1};
    int code = -1;

    self.db = bench_open(self.work->site->db);
    self.version = self.db ? bench_prepare(self.db, "PRAGMA data_version") : NULL;
    self.last = self.db ? bench_prepare(self.db, "SELECT max(id) FROM messages") : NULL;
    if (self.version && self.last)
        code = bench_hints_open(self.work->site, &self.hints);
    for (uint64_t i = 0; code == 0 && i < self.work->count; i++) {
        code = ask(&self, i);
        bench_sleep(self.work->pause_us);
    }
    bench_hints_close(&self.hints);
    sqlite3_finalize(self.version);
    sqlite3_finalize(self.last);
    sqlite3_close(self.db);
    return code;
}
