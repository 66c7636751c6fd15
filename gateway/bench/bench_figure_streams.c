/* A thousand answers that come in parts, all at once: how late the parts are. */
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>

#include "adapters/host/clock.h"
#include "gateway/bench/bench_figures.h"
#include "gateway/bench/bench_gateway.h"
#include "gateway/bench/bench_role.h"
#include "gateway/bench/bench_stats.h"
#include "gateway/bench/bench_streamer.h"
#include "proto/buffer.h"

#define STREAMS 1000
#define PARTS_PER_S 20 /* of each stream */
#define SECONDS 10
#define END_US 120000000 /* more than the parts are to take */

/* 99 of 100 of the parts FIRST to END were at most so late. */
static int64_t p99_of(const struct bench_board *board, uint64_t first, uint64_t end)
{
    int64_t *lag_us = memory_new((size_t)(end - first + 1) * sizeof *lag_us), p99_us;
    size_t count = 0;

    for (uint64_t i = first; i < end; i++)
        if (board->trip[i].received_us)
            lag_us[count++] = board->trip[i].received_us - board->trip[i].committed_us;
    bench_order(lag_us, count);
    p99_us = bench_percentile(lag_us, count, 99);
    free(lag_us);
    return p99_us;
}

static void report(const struct bench_streamer *streamer, struct bench_sample *ret_sample)
{
    const struct bench_board *board = streamer->board;
    uint64_t parts = streamer->parts;
    int64_t *lag_us = NULL, first_us = board->trip[0].committed_us;
    uint64_t had = bench_board_delays(board, offsetof(struct bench_trip, committed_us),
                                      offsetof(struct bench_trip, received_us), &lag_us);
    double per_s =
        (double)parts * 1e6 / (double)(board->trip[parts - 1].committed_us - first_us + 1);

    bench_value(ret_sample, "parts_per_s", per_s);
    bench_value(ret_sample, "asked_share", per_s / (double)(streamer->streams * PARTS_PER_S));
    bench_value(ret_sample, "lag_p50_ms", (double)bench_percentile(lag_us, had, 50) / 1e3);
    bench_value(ret_sample, "lag_p99_ms", (double)bench_percentile(lag_us, had, 99) / 1e3);
    /* None grows where the last quarter is like the first one. */
    bench_value(ret_sample, "growth",
                (double)p99_of(board, parts - parts / 4, parts) /
                    (double)(p99_of(board, 0, parts / 4) + 1));
    bench_value(ret_sample, "lost", (double)(parts - had));
    free(lag_us);
}

static int await_said(const struct bench_streamer *streamer)
{
    int64_t until_us = clock_mono_us() + END_US + (int64_t)streamer->parts * streamer->pause_us;

    while (!atomic_load(&streamer->board->extra[BENCH_EXTRA_SAID])) {
        if (clock_mono_us() > until_us)
            return bench_fail("the worker has not said all");
        bench_sleep(10000);
    }
    return 0;
}

static int stream(struct bench_site *site, const struct bench_streamer *streamer,
                  struct bench_sample *ret_sample)
{
    struct bench_gateway gateway;
    struct bench_role worker, reader;
    struct bench_usage before, after;
    int64_t done_us;

    if (bench_site_fill(site, 0, streamer->streams, false) < 0 ||
        bench_gateway_start(site, NULL, &gateway) < 0 ||
        bench_gateway_usage(&gateway, &before) < 0 ||
        bench_role_start("the observer", bench_reader_run, streamer, &reader) < 0 ||
        bench_board_await_ready(streamer->board, 1) < 0 ||
        bench_role_start("the worker", bench_streamer_run, streamer, &worker) < 0 ||
        await_said(streamer) < 0 || bench_site_await(site, streamer->streams, &done_us) < 0 ||
        bench_gateway_usage(&gateway, &after) < 0)
        return -1;
    bench_sleep(200000); /* the last events are on their way */
    report(streamer, ret_sample);
    bench_value(ret_sample, "cpu_us",
                (double)(after.cpu_us - before.cpu_us) / (double)streamer->parts);
    if (bench_role_end(&worker) < 0 || bench_role_end(&reader) < 0 ||
        bench_gateway_stop(&gateway) < 0)
        return -1;
    return bench_site_check(site, streamer->streams);
}

static int run(struct bench *bench, struct bench_sample *ret_sample)
{
    struct bench_site site;
    struct bench_streamer streamer = {.site = &site, .streams = bench_scaled(bench, STREAMS, 10)};
    int code;

    if (streamer.streams > STREAMS) /* a worker has no more slots */
        streamer.streams = STREAMS;
    streamer.pause_us = 1000000 / (int64_t)(streamer.streams * PARTS_PER_S);
    streamer.parts = streamer.streams * bench_scaled(bench, PARTS_PER_S * SECONDS, 4);
    streamer.board = bench_board_new(streamer.parts);
    if (!streamer.board)
        return bench_fail("no memory for %" PRIu64 " parts", streamer.parts);
    code = bench_site_make(bench, streamer.streams, 1, &site);
    if (code == 0)
        code = stream(&site, &streamer, ret_sample);
    bench_site_destroy(&site);
    bench_board_destroy(&streamer.board);
    return code;
}

const struct bench_figure bench_figure_streams = {
    .name = "streams",
    .about = "1,000 answers in parts, 20 a second each: from worker to observer",
    .side = {{"tailgate", run}},
    .target = {{.side = "tailgate", .value = "lag_p99_ms", .limit = 20},
               {.side = "tailgate", .value = "growth", .limit = 2},
               {.side = "tailgate", .value = "lost", .limit = 0},
               {.side = "tailgate", .value = "asked_share", .at_least = true, .limit = 0.95}},
};
