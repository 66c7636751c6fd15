/* How long after a COMMIT a worker has the query, with nothing else to do: one query at a time. */
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>

#include "gateway/bench/bench_bare_wake.h"
#include "gateway/bench/bench_figures.h"
#include "gateway/bench/bench_gateway.h"
#include "gateway/bench/bench_stats.h"
#include "gateway/bench/bench_worker.h"
#include "gateway/bench/bench_writer.h"

#define COUNT 2000
#define MILLION 1000000
#define PAUSE_US 1000          /* so that the machine is at rest, and the reply is committed */
#define EACH_US INT64_C(20000) /* what a query may take on the average before we give up */

/* Writes COUNT queries one by one, for whoever is there to receive them. */
static int write_all(struct bench_site *site, struct bench_board *board, uint64_t count,
                     int64_t pause_us)
{
    const struct bench_writer writer = {.site = site,
                                        .manner = BENCH_ONE_BY_ONE,
                                        .count = count,
                                        .step = 1,
                                        .pause_us = pause_us,
                                        .board = board};
    struct bench_role role;

    return bench_role_start("the writer", bench_writer_run, &writer, &role) < 0
               ? -1
               : bench_role_wait(&role, 60000000 + (int64_t)count * EACH_US);
}

static void report(const struct bench_board *board, uint64_t count, struct bench_sample *ret_sample)
{
    int64_t *delay = NULL;
    uint64_t had = bench_board_delays(board, offsetof(struct bench_trip, committed_us),
                                      offsetof(struct bench_trip, received_us), &delay);

    bench_value(ret_sample, "p50_us", (double)bench_percentile(delay, had, 50));
    bench_value(ret_sample, "p99_us", (double)bench_percentile(delay, had, 99));
    bench_value(ret_sample, "worst_us", (double)bench_percentile(delay, had, 100));
    bench_value(ret_sample, "missed", (double)(count - had + atomic_load(&board->missed)));
    free(delay);
}

static int measure_bare(struct bench_site *site, struct bench_board *board, uint64_t count)
{
    char endpoint[PATH_MAX + 32];
    const struct bench_bare_wake wake = {.site = site, .endpoint = endpoint, .board = board};
    struct bench_role role[2] = {{.pid = 0}};
    int code;

    snprintf(endpoint, sizeof endpoint, "ipc://%s/peer", site->folder);
    code = bench_role_start("the bare peer", bench_bare_peer_run, &wake, &role[0]);
    if (code == 0)
        code = bench_board_await_ready(board, 1);
    if (code == 0)
        code = bench_role_start("the bare watcher", bench_bare_watcher_run, &wake, &role[1]);
    if (code == 0)
        code = bench_board_await_ready(board, 2);
    if (code == 0)
        code = write_all(site, board, count, PAUSE_US);
    return bench_roles_end(role, 2) < 0 ? -1 : code;
}

/* *RET_FOUND: queries that no hint told the gateway of, so that its safety net had to find them. */
static int measure_gateway(struct bench_site *site, struct bench_board *board, uint64_t count,
                           int64_t pause_us, double *ret_found)
{
    const struct bench_worker worker = {.peer = BENCH_SLOTS,
                                        .gate = site->gate,
                                        .service = "*",
                                        .slots = 1,
                                        .size = site->bench->size,
                                        .board = board};
    struct bench_gateway gateway;
    struct bench_role role;
    int64_t done_us;

    if (bench_gateway_start(site, NULL, &gateway) < 0 ||
        bench_workers_start(&worker, 1, &role) < 0 || bench_board_await_ready(board, 1) < 0 ||
        write_all(site, board, count, pause_us) < 0 ||
        bench_site_await(site, count, &done_us) < 0 ||
        bench_gateway_counter(&gateway, "wake", "safety_net_hits", ret_found) < 0 ||
        bench_role_end(&role) < 0 || bench_gateway_stop(&gateway) < 0)
        return -1;
    return bench_site_check(site, count);
}

static int run(struct bench *bench, uint64_t count, int64_t pause_us, bool bare,
               struct bench_sample *ret_sample)
{
    struct bench_board *board = bench_board_new(count);
    struct bench_site site;
    double found = 0;
    int code;

    if (!board)
        return bench_fail("no memory for %" PRIu64 " queries", count);
    board->rings = true;
    code = bench_site_make(bench, 1, 1, &site);
    if (code == 0)
        code = bare ? measure_bare(&site, board, count)
                    : measure_gateway(&site, board, count, pause_us, &found);
    if (code == 0)
        report(board, count, ret_sample);
    if (code == 0 && !bare)
        bench_value(ret_sample, "found_by_safety_net", found);
    bench_site_destroy(&site);
    bench_board_destroy(&board);
    return code;
}

static int run_bare(struct bench *bench, struct bench_sample *ret_sample)
{
    return run(bench, bench_scaled(bench, COUNT, 20), PAUSE_US, true, ret_sample);
}

static int run_tailgate(struct bench *bench, struct bench_sample *ret_sample)
{
    return run(bench, bench_scaled(bench, COUNT, 20), PAUSE_US, false, ret_sample);
}

static int run_million(struct bench *bench, struct bench_sample *ret_sample)
{
    return run(bench, bench_scaled(bench, MILLION, 20), 0, false, ret_sample);
}

const struct bench_figure bench_figure_wake = {
    .name = "wake",
    .about = "from COMMIT to when a worker has the query, one query at a time",
    .side = {{"bare", run_bare}, {"tailgate", run_tailgate}},
    .target = {{.side = "tailgate",
                .value = "p50_us",
                .against = "bare",
                .against_value = "p50_us",
                .limit = 1.5},
               {.side = "tailgate", .value = "p99_us", .limit = 1000},
               {.side = "tailgate", .value = "missed", .limit = 0},
               {.side = "tailgate", .value = "found_by_safety_net", .limit = 0}},
};

const struct bench_figure bench_figure_wake_million = {
    .name = "wake-million",
    .about = "the same with 1,000,000 queries: how many were missed",
    .side = {{"tailgate", run_million}},
    .target = {{.side = "tailgate", .value = "missed", .limit = 0},
               {.side = "tailgate", .value = "found_by_safety_net", .limit = 0}},
    .heavy = true,
};
