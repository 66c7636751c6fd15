#include "gateway/bench/bench_load.h"

#include <inttypes.h>

#include "adapters/host/clock.h"
#include "gateway/bench/bench_crowd.h"
#include "gateway/bench/bench_gateway.h"
#include "gateway/bench/bench_worker.h"

#define WORKERS 4
#define SLOTS 100
#define SLOTS_TOGETHER 1000
#define LOOK_US 100000
#define MARK_US 300000000
#define EXTRA_MEMORY 2 /* in the board: the most that was seen */

struct run {
    struct bench_load load; /* scaled */
    struct bench_site site;
    struct bench_board *board;
    struct bench_gateway gateway;
    struct bench_role worker[WORKERS], watcher, observers;
    struct bench_crowd crowd, audience;
    int64_t first_start_us;
};

/* Looks at the gateway's memory until it is ended. */
static int watch_memory(const void *work)
{
    const struct run *self = work;
    struct bench_usage usage;

    for (;; bench_sleep(LOOK_US)) {
        _Atomic uint64_t *most = &self->board->extra[EXTRA_MEMORY];
        if (bench_gateway_usage(&self->gateway, &usage) < 0)
            return -1;
        if ((uint64_t)usage.anonymous_bytes > atomic_load(most))
            atomic_store(most, (uint64_t)usage.anonymous_bytes);
    }
}

static int start_workers(struct run *self)
{
    const struct bench_worker worker = {.peer = BENCH_SLOTS,
                                        .gate = self->site.gate,
                                        .service = "*",
                                        .slots = SLOTS,
                                        .size = self->site.bench->size,
                                        .board = self->board};

    if (self->load.workers == 0)
        return bench_workers_start(&worker, WORKERS, self->worker);
    self->crowd = (struct bench_crowd){.site = &self->site,
                                       .kind = BENCH_CROWD_WORKERS,
                                       .count = self->load.workers,
                                       .slots = (unsigned)(SLOTS_TOGETHER / self->load.workers),
                                       .board = self->board};
    return bench_crowd_start(&self->crowd, &self->worker[0]);
}

static int start_observers(struct run *self)
{
    self->audience = (struct bench_crowd){.site = &self->site,
                                          .kind = BENCH_CROWD_OF_ALL,
                                          .count = self->load.observers,
                                          .board = self->board};
    return bench_crowd_start(&self->audience, &self->observers) < 0
               ? -1
               : bench_crowd_await(self->board, self->load.observers);
}

/* Waits until the gateway's low-water mark has passed the history: what is below is not read again.
 */
static int await_mark(const struct run *self)
{
    static const char sql[] =
        "SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM tailgate_meta WHERE key='low_water'";
    int64_t until_us = clock_mono_us() + MARK_US, mark = 0;
    sqlite3 *db = bench_open(self->site.db);

    while (db && (uint64_t)mark < self->load.history) {
        if (bench_number(db, sql, &mark) < 0)
            break;
        if (clock_mono_us() > until_us) {
            bench_fail("the low-water mark is at %" PRId64 " after 5 minutes", mark);
            break;
        }
        bench_sleep(50000);
    }
    sqlite3_close(db);
    return (uint64_t)mark >= self->load.history ? 0 : -1;
}

/* Who starts at a bridge for the first time looks at all of it once. */
static int start_gateway(struct run *self)
{
    static const char *const soon[] = {"park.after=100ms", NULL}; /* the mark follows at once */

    if (self->load.history > 0) {
        if (bench_gateway_start(&self->site, soon, &self->gateway) < 0 || await_mark(self) < 0 ||
            bench_gateway_stop(&self->gateway) < 0)
            return -1;
        self->first_start_us = self->gateway.start_us;
        if (bench_site_fill(&self->site, self->load.history, self->load.backlog, false) < 0)
            return -1;
    }
    return bench_gateway_start(&self->site, NULL, &self->gateway);
}

static int fill(struct run *self)
{
    const struct bench_load *load = &self->load;

    if (load->history > 0) /* the backlog comes after the first start */
        return bench_site_fill(&self->site, 0, load->history, true);
    return bench_site_fill(&self->site, 0, load->backlog, false);
}

/* Of the responses, to each observer: nobody waits for who is slow. (The queries were there before
 * the observers.) */
static void report_missed(const struct run *self, struct bench_sample *ret_sample)
{
    double all = (double)self->load.backlog * (double)self->load.observers;

    if (self->load.observers == 0)
        return;
    bench_sleep(200000); /* the last ones are on their way */
    bench_value(ret_sample, "responses_missed_percent",
                100 - 100 * (double)atomic_load(&self->board->extra[BENCH_EXTRA_RESPONSES]) / all);
}

static int answer_all(struct run *self, struct bench_sample *ret_sample)
{
    uint64_t rows = self->load.history + 2 * self->load.backlog;
    struct bench_usage before, after;
    int64_t done_us;

    if (bench_gateway_usage(&self->gateway, &before) < 0 ||
        bench_role_start("who looks at the memory", watch_memory, self, &self->watcher) < 0 ||
        (self->load.observers > 0 && start_observers(self) < 0) || start_workers(self) < 0 ||
        bench_site_await_rows(&self->site, rows, &done_us) < 0 ||
        bench_gateway_usage(&self->gateway, &after) < 0)
        return -1;
    if (self->load.history > 0) {
        bench_value(ret_sample, "first_start_s", (double)self->first_start_us / 1e6);
        bench_value(ret_sample, "start_ms", (double)self->gateway.start_us / 1e3);
    }
    bench_value(ret_sample, "served_per_s",
                (double)self->load.backlog * 1e6 /
                    (double)(done_us - atomic_load(&self->board->first_us)));
    bench_value(ret_sample, "cpu_us",
                (double)(after.cpu_us - before.cpu_us) / (double)self->load.backlog);
    bench_value(ret_sample, "anonymous_bytes",
                (double)atomic_load(&self->board->extra[EXTRA_MEMORY]));
    report_missed(self, ret_sample);
    return 0;
}

static int stop(struct run *self)
{
    if (bench_roles_end(self->worker, WORKERS) < 0 || bench_role_end(&self->observers) < 0 ||
        bench_role_end(&self->watcher) < 0 || bench_gateway_stop(&self->gateway) < 0)
        return -1;
    return bench_site_check(&self->site, self->load.backlog);
}

int bench_load_run(struct bench *bench, const struct bench_load *load,
                   struct bench_sample *ret_sample)
{
    struct run self = {.load = *load};
    int code;

    self.load.backlog = bench_scaled(bench, load->backlog, 100);
    if (load->history > 0)
        self.load.history = bench_scaled(bench, load->history, 100);
    if (load->conversations > 1)
        self.load.conversations = bench_scaled(bench, load->conversations, 1);
    if (load->workers > 0)
        self.load.workers = bench_scaled(bench, load->workers, 1);
    if (load->observers > 0)
        self.load.observers = bench_scaled(bench, load->observers, 1);
    self.board = bench_board_new(self.load.history + self.load.backlog);
    if (!self.board)
        return bench_fail("no memory for %" PRIu64 " queries", self.load.backlog);
    bench_crowd_descriptors();
    code = bench_site_make(bench, self.load.conversations ? self.load.conversations : 1,
                           self.load.services ? self.load.services : 1, &self.site);
    if (code == 0 && (fill(&self) < 0 || start_gateway(&self) < 0 ||
                      answer_all(&self, ret_sample) < 0 || stop(&self) < 0))
        code = -1;
    bench_site_destroy(&self.site);
    bench_board_destroy(&self.board);
    return code;
}
