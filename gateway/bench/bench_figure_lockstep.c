/* 16 workers that have one query at a time: REQ sockets, and Majordomo as it stands in the RFCs. */
#include <inttypes.h>
#include <stdio.h>

#include "gateway/bench/bench_bare_router.h"
#include "gateway/bench/bench_figures.h"
#include "gateway/bench/bench_gateway.h"

#define COUNT 50000
#define LEAST 200
#define CONVERSATIONS 100
#define WORKERS 16
#define PIPELINED_WORKERS 4
#define SLOTS 100

static int measure_bare(struct bench *bench, enum bench_peer peer, size_t workers,
                        struct bench_sample *ret_sample)
{
    uint64_t count = bench_scaled(bench, COUNT, LEAST);
    struct bench_board *board = bench_board_new(count);
    char endpoint[PATH_MAX + 32];
    const struct bench_worker worker = {.peer = peer,
                                        .gate = endpoint,
                                        .service = "*",
                                        .slots = SLOTS,
                                        .size = bench->size,
                                        .board = board};
    double per_s;
    int code;

    if (!board)
        return bench_fail("no memory for %" PRIu64 " queries", count);
    snprintf(endpoint, sizeof endpoint, "ipc://%s/router", bench->folder);
    code = bench_bare_route(&worker, workers, bench->size, count, &per_s);
    if (code == 0)
        bench_value(ret_sample, "answers_per_s", per_s);
    bench_board_destroy(&board);
    return code;
}

static int serve(struct bench_site *site, const struct bench_worker *worker,
                 struct bench_sample *ret_sample)
{
    uint64_t count = worker->board->room;
    struct bench_gateway gateway;
    struct bench_role role[WORKERS];
    int64_t done_us;

    if (bench_gateway_start(site, NULL, &gateway) < 0 ||
        bench_workers_start(worker, WORKERS, role) < 0 ||
        bench_site_await(site, count, &done_us) < 0 || bench_roles_end(role, WORKERS) < 0 ||
        bench_gateway_stop(&gateway) < 0 || bench_site_check(site, count) < 0)
        return -1;
    bench_value(ret_sample, "answers_per_s",
                (double)count * 1e6 / (double)(done_us - worker->board->first_us));
    return 0;
}

static int measure(struct bench *bench, enum bench_peer peer, struct bench_sample *ret_sample)
{
    uint64_t count = bench_scaled(bench, COUNT, LEAST);
    struct bench_board *board = bench_board_new(count);
    struct bench_site site;
    const struct bench_worker worker = {
        .peer = peer, .gate = site.gate, .service = "default", .size = bench->size, .board = board};
    int code;

    if (!board)
        return bench_fail("no memory for %" PRIu64 " queries", count);
    code = bench_site_make(bench, CONVERSATIONS, 1, &site);
    if (code == 0)
        code = bench_site_fill(&site, 0, count, false);
    if (code == 0)
        code = serve(&site, &worker, ret_sample);
    bench_site_destroy(&site);
    bench_board_destroy(&board);
    return code;
}

static int run_bare(struct bench *bench, struct bench_sample *ret_sample)
{
    return measure_bare(bench, BENCH_REQ, WORKERS, ret_sample);
}

static int run_bare_pipelined(struct bench *bench, struct bench_sample *ret_sample)
{
    return measure_bare(bench, BENCH_SLOTS, PIPELINED_WORKERS, ret_sample);
}

static int run_req(struct bench *bench, struct bench_sample *ret_sample)
{
    return measure(bench, BENCH_REQ, ret_sample);
}

static int run_majordomo_02(struct bench *bench, struct bench_sample *ret_sample)
{
    return measure(bench, BENCH_STOCK_02, ret_sample);
}

static int run_majordomo_01(struct bench *bench, struct bench_sample *ret_sample)
{
    return measure(bench, BENCH_STOCK_01, ret_sample);
}

#define AGAINST_BARE(name)                                                                         \
    {                                                                                              \
        .side = (name), .value = "answers_per_s", .against = "bare",                               \
        .against_value = "answers_per_s", .at_least = true, .limit = 0.65                          \
    }

const struct bench_figure bench_figure_lockstep = {
    .name = "lockstep",
    .about = "16 workers with one query at a time; the bare limit is a ROUTER that only echoes",
    .side = {{"bare", run_bare},
             {"bare, 4 pipelined", run_bare_pipelined},
             {"tailgate, REQ", run_req},
             {"tailgate, MDP 0.2", run_majordomo_02},
             {"tailgate, MDP 0.1", run_majordomo_01}},
    .target = {AGAINST_BARE("tailgate, REQ"), AGAINST_BARE("tailgate, MDP 0.2"),
               AGAINST_BARE("tailgate, MDP 0.1")},
};
