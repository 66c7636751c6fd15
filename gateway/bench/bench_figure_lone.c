/* A lone question: from when its writer begins to insert it to when its reply can be read, with a
 * worker that answers at once. The bare limit is what no way of doing this can do without: the
 * question's commit, the reply's, and a hop to the worker and back.
 *
 * All parts are lone, as the question is: each begins a millisecond after the one before has ended,
 * when processors sleep and caches are cold. Hops that follow one another without a pause meet
 * processors that are awake, which those of a lone question never do; they are shown besides. */
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>

#include "gateway/bench/bench_asker.h"
#include "gateway/bench/bench_bare_commit.h"
#include "gateway/bench/bench_bare_router.h"
#include "gateway/bench/bench_figures.h"
#include "gateway/bench/bench_gateway.h"
#include "gateway/bench/bench_stats.h"
#include "gateway/bench/bench_writer.h"

#define COUNT 2000
#define LEAST 20
#define PAUSE_US 1000
#define PATIENCE_US 300000000

static double percentile(const struct bench_board *board, size_t from, size_t to, double percent)
{
    int64_t *delay = NULL;
    uint64_t count = bench_board_delays(board, from, to, &delay);
    double value = (double)bench_percentile(delay, count, percent);

    free(delay);
    return value;
}

static double median_commit(const struct bench_board *board)
{
    return percentile(board, offsetof(struct bench_trip, asked_us),
                      offsetof(struct bench_trip, committed_us), 50);
}

/* The questions' commits, by a writer that nobody hears. */
static int ask_bare(struct bench_site *site, struct bench_board *board, double *ret_us)
{
    const struct bench_writer writer = {.site = site,
                                        .manner = BENCH_APART,
                                        .count = board->room,
                                        .step = 1,
                                        .pause_us = PAUSE_US,
                                        .board = board};
    struct bench_role role;

    if (bench_role_start("the writer", bench_writer_run, &writer, &role) < 0 ||
        bench_role_wait(&role, PATIENCE_US) < 0)
        return -1;
    *ret_us = median_commit(board);
    return 0;
}

/* The replies' to them, each alone. */
static int reply_bare(struct bench_site *site, struct bench_board *board, double *ret_us)
{
    const struct bench_bare_commit work = {.site = site,
                                           .count = board->room,
                                           .group = 1,
                                           .duty = 100,
                                           .pause_us = PAUSE_US,
                                           .board = board};
    struct bench_role role;

    if (bench_role_start("the bare loop", bench_bare_commit_run, &work, &role) < 0 ||
        bench_role_wait(&role, PATIENCE_US) < 0)
        return -1;
    *ret_us = median_commit(board);
    return 0;
}

/* To a worker and back, with pauses and without. */
static int hop_bare(struct bench_site *site, struct bench_board *board, double *ret_lone_us,
                    double *ret_lockstep_us)
{
    char endpoint[PATH_MAX + 32];
    const struct bench_worker worker = {
        .peer = BENCH_REQ, .gate = endpoint, .size = site->bench->size, .board = board};
    double per_s = 0;

    snprintf(endpoint, sizeof endpoint, "ipc://%s/router", site->folder);
    if (bench_bare_route(&worker, 1, site->bench->size, board->room, &per_s) < 0)
        return -1;
    *ret_lockstep_us = per_s > 0 ? 1e6 / per_s : 0;
    snprintf(endpoint, sizeof endpoint, "ipc://%s/apart", site->folder);
    if (bench_bare_hop(&worker, site->bench->size, board->room, PAUSE_US) < 0)
        return -1;
    *ret_lone_us = percentile(board, offsetof(struct bench_trip, asked_us),
                              offsetof(struct bench_trip, visible_us), 50);
    return 0;
}

static int measure_bare(struct bench_site *site, struct bench_board *board,
                        struct bench_sample *ret_sample)
{
    double question_us, reply_us, hops_us, lockstep_us;

    if (ask_bare(site, board, &question_us) < 0 || reply_bare(site, board, &reply_us) < 0 ||
        hop_bare(site, board, &hops_us, &lockstep_us) < 0)
        return -1;
    bench_value(ret_sample, "question_commit_us", question_us);
    bench_value(ret_sample, "reply_commit_us", reply_us);
    bench_value(ret_sample, "two_hops_us", hops_us);
    bench_value(ret_sample, "two_hops_lockstep_us", lockstep_us);
    bench_value(ret_sample, "sum_us", question_us + reply_us + hops_us);
    return 0;
}

static int measure_gateway(struct bench_site *site, struct bench_board *board,
                           struct bench_sample *ret_sample)
{
    const struct bench_worker worker = {.peer = BENCH_SLOTS,
                                        .gate = site->gate,
                                        .service = "*",
                                        .slots = 1,
                                        .size = site->bench->size,
                                        .board = board};
    const struct bench_asker asker = {
        .site = site, .count = board->room, .pause_us = PAUSE_US, .board = board};
    size_t asked = offsetof(struct bench_trip, asked_us),
           committed = offsetof(struct bench_trip, committed_us),
           visible = offsetof(struct bench_trip, visible_us);
    struct bench_gateway gateway;
    struct bench_role work, ask;

    if (bench_gateway_start(site, NULL, &gateway) < 0 ||
        bench_workers_start(&worker, 1, &work) < 0 || bench_board_await_ready(board, 1) < 0 ||
        bench_role_start("the asker", bench_asker_run, &asker, &ask) < 0 ||
        bench_role_wait(&ask, PATIENCE_US) < 0 || bench_role_end(&work) < 0 ||
        bench_gateway_stop(&gateway) < 0 || bench_site_check(site, board->room) < 0)
        return -1;
    bench_value(ret_sample, "p50_us", percentile(board, asked, visible, 50));
    bench_value(ret_sample, "p99_us", percentile(board, asked, visible, 99));
    bench_value(ret_sample, "commit_p50_us", percentile(board, asked, committed, 50));
    bench_value(ret_sample, "after_commit_p50_us", percentile(board, committed, visible, 50));
    return 0;
}

static int run(struct bench *bench, bool bare, struct bench_sample *ret_sample)
{
    uint64_t count = bench_scaled(bench, COUNT, LEAST);
    struct bench_board *board = bench_board_new(count);
    struct bench_site site;
    int code;

    if (!board)
        return bench_fail("no memory for %" PRIu64 " queries", count);
    code = bench_site_make(bench, 1, 1, &site);
    if (code == 0)
        code = bare ? measure_bare(&site, board, ret_sample)
                    : measure_gateway(&site, board, ret_sample);
    bench_site_destroy(&site);
    bench_board_destroy(&board);
    return code;
}

static int run_bare(struct bench *bench, struct bench_sample *ret_sample)
{
    return run(bench, true, ret_sample);
}

static int run_tailgate(struct bench *bench, struct bench_sample *ret_sample)
{
    return run(bench, false, ret_sample);
}

const struct bench_figure bench_figure_lone = {
    .name = "lone",
    .about = "from before a lone question's INSERT to when its reply can be read",
    .side = {{"bare", run_bare}, {"tailgate", run_tailgate}},
    .target = {{.side = "tailgate",
                .value = "p50_us",
                .against = "bare",
                .against_value = "sum_us",
                .limit = 1,
                .slack = 150}},
};
