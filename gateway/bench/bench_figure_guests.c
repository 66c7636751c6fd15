/* What the programs that share the file have to put up with. */
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>

#include "adapters/host/clock.h"
#include "gateway/bench/bench_figures.h"
#include "gateway/bench/bench_gateway.h"
#include "gateway/bench/bench_guest.h"
#include "gateway/bench/bench_stats.h"
#include "gateway/bench/bench_worker.h"
#include "gateway/bench/bench_writer.h"

#define BACKLOG 200000 /* which keeps the gateway busy for seconds */
#define LENGTH_US 5000000
#define EVERY_US 20000
#define ROOM 400000 /* inserts of all guests, more than there can be */
#define WORKERS 4
#define SLOTS 100
#define BUSY_US 120000000 /* a gateway that has not done its work by then will not */

struct party {
    struct bench_site site;
    struct bench_board *board;
    struct bench_gateway gateway;
    struct bench_role worker[WORKERS];
    struct bench_guests guests;
    uint64_t backlog;
};

static int begin(struct party *self, struct bench *bench, uint64_t backlog, int64_t pause_us)
{
    *self = (struct party){.backlog = backlog};
    self->board = bench_board_new(backlog + ROOM);
    if (!self->board)
        return bench_fail("no memory for %" PRIu64 " queries", backlog + ROOM);
    if (bench_site_make(bench, BENCH_GUESTS, 1, &self->site) < 0)
        return -1;
    self->guests = (struct bench_guests){
        .site = &self->site, .first = backlog, .pause_us = pause_us, .board = self->board};
    return backlog > 0 ? bench_site_fill(&self->site, 0, backlog, false) : 0;
}

static void end(struct party *self)
{
    bench_site_destroy(&self->site);
    bench_board_destroy(&self->board);
}

static int start_gateway(struct party *self)
{
    const struct bench_worker worker = {.peer = BENCH_SLOTS,
                                        .gate = self->site.gate,
                                        .service = "*",
                                        .slots = SLOTS,
                                        .size = self->site.bench->size,
                                        .board = self->board};

    return bench_gateway_start(&self->site, NULL, &self->gateway) < 0
               ? -1
               : bench_workers_start(&worker, WORKERS, self->worker);
}

/* Once all is answered: each exactly once. */
static int stop_gateway(struct party *self, uint64_t queries)
{
    int64_t done_us;

    if (bench_site_await(&self->site, queries, &done_us) < 0 ||
        bench_roles_end(self->worker, WORKERS) < 0 || bench_gateway_stop(&self->gateway) < 0)
        return -1;
    return bench_site_check(&self->site, queries);
}

/* Until the backlog is with the workers. */
static int await_backlog(const struct party *self)
{
    int64_t until_us = clock_mono_us() + BUSY_US;

    while (atomic_load(&self->board->received) < self->backlog) {
        if (clock_mono_us() > until_us)
            return bench_fail("workers have %" PRIu64 " of %" PRIu64 " queries after 2 minutes",
                              (uint64_t)atomic_load(&self->board->received), self->backlog);
        bench_sleep(5000);
    }
    return 0;
}

static void report(const struct party *self, double seconds, struct bench_sample *ret_sample)
{
    struct bench_patience patience;

    bench_guests_measure(&self->guests, &patience);
    bench_value(ret_sample, "worst_p50_ms", (double)patience.p50_us / 1e3);
    bench_value(ret_sample, "worst_p99_ms", (double)patience.p99_us / 1e3);
    bench_value(ret_sample, "worst_ms", (double)patience.most_us / 1e3);
    bench_value(ret_sample, "inserts_per_s", (double)patience.inserts / seconds);
    bench_value(ret_sample, "locked", (double)atomic_load(&self->board->locked));
}

static uint64_t inserts(const struct party *self)
{
    struct bench_patience patience;

    bench_guests_measure(&self->guests, &patience);
    return patience.inserts;
}

static int alone(struct bench *bench, uint64_t backlog, int64_t pause_us,
                 struct bench_sample *ret_sample)
{
    struct party self;
    int64_t length_us = (int64_t)bench_scaled(bench, LENGTH_US, 200000);
    int code = begin(&self, bench, backlog, pause_us);
    struct bench_role keeper = {.pid = 0};

    if (code == 0)
        code = bench_role_start("the keeper", bench_keeper_run, &self.site, &keeper);
    if (code == 0)
        code = bench_guests_start(&self.guests);
    if (code == 0) {
        bench_sleep(length_us);
        code = bench_guests_end(&self.guests);
    }
    if (bench_role_end(&keeper) < 0)
        code = -1;
    if (code == 0)
        report(&self, (double)length_us / 1e6, ret_sample);
    end(&self);
    return code;
}

static int run_alone(struct bench *bench, struct bench_sample *ret_sample)
{
    return alone(bench, bench_scaled(bench, BACKLOG, 200), EVERY_US, ret_sample);
}

static int beside_busy(struct party *self, struct bench_sample *ret_sample)
{
    int64_t begin_us = clock_mono_us();
    double seconds;

    if (bench_guests_start(&self->guests) < 0 || start_gateway(self) < 0 || await_backlog(self) < 0)
        return -1;
    seconds = (double)(clock_mono_us() - begin_us) / 1e6;
    if (bench_guests_end(&self->guests) < 0 ||
        stop_gateway(self, self->backlog + inserts(self)) < 0)
        return -1;
    report(self, seconds, ret_sample);
    bench_value(ret_sample, "handed_out_per_s", (double)self->backlog / seconds);
    return 0;
}

static int run_guests(struct bench *bench, struct bench_sample *ret_sample)
{
    struct party self;
    int code = begin(&self, bench, bench_scaled(bench, BACKLOG, 200), EVERY_US);

    if (code == 0)
        code = beside_busy(&self, ret_sample);
    end(&self);
    return code;
}

static int run_flood_alone(struct bench *bench, struct bench_sample *ret_sample)
{
    return alone(bench, 0, 0, ret_sample);
}

static void report_lag(const struct party *self, struct bench_sample *ret_sample)
{
    int64_t *lag_us = NULL;
    uint64_t count = bench_board_delays(self->board, offsetof(struct bench_trip, committed_us),
                                        offsetof(struct bench_trip, received_us), &lag_us);

    bench_value(ret_sample, "lag_p50_ms", (double)bench_percentile(lag_us, count, 50) / 1e3);
    bench_value(ret_sample, "lag_p99_ms", (double)bench_percentile(lag_us, count, 99) / 1e3);
    bench_value(ret_sample, "unserved", (double)(inserts(self) - count));
    free(lag_us);
}

static int beside_flood(struct party *self, struct bench_sample *ret_sample)
{
    int64_t length_us = (int64_t)bench_scaled(self->site.bench, LENGTH_US, 200000);

    if (start_gateway(self) < 0 || bench_board_await_ready(self->board, WORKERS) < 0 ||
        bench_guests_start(&self->guests) < 0)
        return -1;
    bench_sleep(length_us);
    if (bench_guests_end(&self->guests) < 0 || stop_gateway(self, inserts(self)) < 0)
        return -1;
    report(self, (double)length_us / 1e6, ret_sample);
    report_lag(self, ret_sample);
    return 0;
}

static int run_flood(struct bench *bench, struct bench_sample *ret_sample)
{
    struct party self;
    int code = begin(&self, bench, 0, 0);

    if (code == 0)
        code = beside_flood(&self, ret_sample);
    end(&self);
    return code;
}

const struct bench_figure bench_figure_guests = {
    .name = "guests",
    .about = "4 writers, each inserting every 20 ms, beside a saturated gateway",
    .side = {{"alone", run_alone}, {"tailgate", run_guests}},
    .target = {{.side = "tailgate", .value = "worst_p99_ms", .limit = 50},
               {.side = "tailgate",
                .value = "worst_p99_ms",
                .against = "alone",
                .against_value = "worst_p99_ms",
                .limit = 3},
               {.side = "tailgate", .value = "locked", .limit = 0}},
};

const struct bench_figure bench_figure_flood = {
    .name = "flood",
    .about = "4 writers that insert flat out: from COMMIT to when a worker has the query",
    .side = {{"alone", run_flood_alone}, {"tailgate", run_flood}},
    .target = {{.side = "tailgate", .value = "lag_p99_ms", .limit = 20},
               {.side = "tailgate", .value = "unserved", .limit = 0},
               {.side = "tailgate", .value = "locked", .limit = 0}},
};
