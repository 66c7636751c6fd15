/* How many replies a second are served and stored, when many queries wait and workers answer at
 * once; against SQLite that only commits such rows. */
#include <inttypes.h>

#include "adapters/host/clock.h"
#include "gateway/bench/bench_bare_commit.h"
#include "gateway/bench/bench_figures.h"
#include "gateway/bench/bench_gateway.h"
#include "gateway/bench/bench_worker.h"

#define COUNT 200000
#define LEAST 200
#define CONVERSATIONS 100
#define WORKERS 4
#define SLOTS 100
#define GROUP 1000
#define PATIENCE_US 600000000

static int commit_bare(struct bench_site *site, struct bench_board *board, unsigned duty,
                       struct bench_sample *ret_sample)
{
    const struct bench_bare_commit work = {
        .site = site, .count = board->room, .group = GROUP, .duty = duty, .board = board};
    uint64_t last = (board->room - 1) / GROUP * GROUP;
    struct bench_role role;

    if (bench_role_start("the bare loop", bench_bare_commit_run, &work, &role) < 0 ||
        bench_role_wait(&role, PATIENCE_US) < 0)
        return -1;
    bench_value(ret_sample, "replies_per_s",
                (double)board->room * 1e6 /
                    (double)(board->trip[last].committed_us - board->trip[0].asked_us));
    return 0;
}

static int serve(struct bench_site *site, struct bench_board *board, const char *duty,
                 struct bench_sample *ret_sample)
{
    const char *const settings[] = {duty, NULL};
    const struct bench_worker worker = {.peer = BENCH_SLOTS,
                                        .gate = site->gate,
                                        .service = "*",
                                        .slots = SLOTS,
                                        .size = site->bench->size,
                                        .board = board};
    struct bench_usage before, after;
    struct bench_gateway gateway;
    struct bench_role role[WORKERS];
    int64_t done_us;

    if (bench_gateway_start(site, settings, &gateway) < 0 ||
        bench_gateway_usage(&gateway, &before) < 0 ||
        bench_workers_start(&worker, WORKERS, role) < 0 ||
        bench_site_await(site, board->room, &done_us) < 0 ||
        bench_gateway_usage(&gateway, &after) < 0 || bench_roles_end(role, WORKERS) < 0 ||
        bench_gateway_stop(&gateway) < 0 || bench_site_check(site, board->room) < 0)
        return -1;
    bench_value(ret_sample, "replies_per_s",
                (double)board->room * 1e6 / (double)(done_us - board->first_us));
    bench_value(ret_sample, "gateway_cpu_per_query_us",
                (double)(after.cpu_us - before.cpu_us) / (double)board->room);
    bench_value(ret_sample, "anonymous_bytes", (double)after.anonymous_bytes);
    return 0;
}

/* The backlog, and then who works it off: the bare loop with DUTY percent, or the gateway with the
 * setting SERVED. */
static int run(struct bench *bench, unsigned duty, const char *served,
               struct bench_sample *ret_sample)
{
    uint64_t count = bench_scaled(bench, COUNT, LEAST);
    struct bench_board *board = bench_board_new(count);
    struct bench_site site;
    int code;

    if (!board)
        return bench_fail("no memory for %" PRIu64 " queries", count);
    code = bench_site_make(bench, CONVERSATIONS, 1, &site);
    if (code == 0)
        code = bench_site_fill(&site, 0, count, false);
    if (code == 0)
        code = served ? serve(&site, board, served, ret_sample)
                      : commit_bare(&site, board, duty, ret_sample);
    bench_site_destroy(&site);
    bench_board_destroy(&board);
    return code;
}

static int run_bare(struct bench *bench, struct bench_sample *ret_sample)
{
    return run(bench, 100, NULL, ret_sample);
}

static int run_bare_duty(struct bench *bench, struct bench_sample *ret_sample)
{
    return run(bench, bench->options->duty, NULL, ret_sample);
}

static int run_bare_90(struct bench *bench, struct bench_sample *ret_sample)
{
    return run(bench, 90, NULL, ret_sample);
}

static int run_tailgate(struct bench *bench, struct bench_sample *ret_sample)
{
    char duty[32];

    snprintf(duty, sizeof duty, "commit.duty=%u", bench->options->duty);
    return run(bench, 0, duty, ret_sample);
}

static int run_tailgate_90(struct bench *bench, struct bench_sample *ret_sample)
{
    return run(bench, 0, "commit.duty=90", ret_sample);
}

#define AGAINST_BARE(least)                                                                        \
    {                                                                                              \
        .side = "tailgate", .value = "replies_per_s", .against = "bare",                           \
        .against_value = "replies_per_s", .at_least = true, .limit = (least)                       \
    }

const struct bench_figure bench_figure_backlog = {
    .name = "backlog",
    .about = "200,000 queries wait, 4 workers with 100 slots each: served and stored a second",
    .side = {{"bare", run_bare}, {"bare, same duty", run_bare_duty}, {"tailgate", run_tailgate}},
    .target = {AGAINST_BARE(0.40)},
};

const struct bench_figure bench_figure_backlog_90 = {
    .name = "backlog-90",
    .about = "the same with commit.duty 90: no other program writes to the file",
    .side = {{"bare", run_bare}, {"bare, same duty", run_bare_90}, {"tailgate", run_tailgate_90}},
    .target = {AGAINST_BARE(0.60)},
};
