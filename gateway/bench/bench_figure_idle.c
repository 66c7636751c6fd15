/* What it costs to have a gateway that has nothing to do. */
#include "adapters/host/clock.h"
#include "gateway/bench/bench_figures.h"
#include "gateway/bench/bench_gateway.h"
#include "gateway/bench/bench_role.h"

#define SETTLE_US 15000000 /* it looks closely for 10 s after each change of the file */
#define LENGTH_US 20000000

static int watch_it(const struct bench_gateway *gateway, struct bench *bench,
                    struct bench_sample *ret_sample)
{
    struct bench_usage before, after;
    int64_t begin_us;
    double seconds;

    bench_sleep((int64_t)bench_scaled(bench, SETTLE_US, 100000));
    begin_us = clock_mono_us();
    if (bench_gateway_usage(gateway, &before) < 0)
        return -1;
    bench_sleep((int64_t)bench_scaled(bench, LENGTH_US, 500000));
    if (bench_gateway_usage(gateway, &after) < 0)
        return -1;
    seconds = (double)(clock_mono_us() - begin_us) / 1e6;
    bench_value(ret_sample, "core_percent", (double)(after.cpu_us - before.cpu_us) / 1e4 / seconds);
    bench_value(ret_sample, "wakeups_per_s", (double)(after.wakeups - before.wakeups) / seconds);
    bench_value(ret_sample, "anonymous_bytes", (double)after.anonymous_bytes);
    return 0;
}

static int run(struct bench *bench, struct bench_sample *ret_sample)
{
    struct bench_site site;
    struct bench_gateway gateway = {.pid = 0};
    int code = bench_site_make(bench, 1, 1, &site);

    if (code == 0)
        code = bench_gateway_start(&site, NULL, &gateway);
    if (code == 0)
        code = watch_it(&gateway, bench, ret_sample);
    if (bench_gateway_stop(&gateway) < 0)
        code = -1;
    bench_site_destroy(&site);
    return code;
}

const struct bench_figure bench_figure_idle = {
    .name = "idle",
    .about = "a gateway with nothing to do and no worker: processor, wake-ups, memory",
    .side = {{"tailgate", run}},
    .target = {{"tailgate", "core_percent", .limit = 0.1},
               {"tailgate", "wakeups_per_s", .limit = 5},
               {"tailgate", "anonymous_bytes", .limit = 8 * 1024 * 1024}},
};
