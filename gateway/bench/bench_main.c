/* tailgate-bench: the helper executable behind `tailgate bench`. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/bench/bench_guard.h"
#include "gateway/bench/bench_options.h"
#include "gateway/bench/bench_show.h"
#include "gateway/cli.h"
#include "proto/buffer.h"

/* Each figure with each size; *ret_count: those that were measured. */
static int measure(struct bench *bench, const struct bench_order *order,
                   struct bench_result *ret_result, size_t *ret_count)
{
    for (size_t s = 0; s < bench->options->size_count; s++)
        for (size_t i = 0; order->figure[i]; i++) {
            bench->size = bench->options->sizes[s];
            if (bench_run(bench, order->figure[i], &ret_result[*ret_count]) < 0)
                return -1;
            ++*ret_count;
        }
    return 0;
}

static int run(const void *with, const char *folder)
{
    const struct bench_order *order = with;
    struct bench bench = {.options = &order->options};
    struct bench_result *result =
        memory_zero(BENCH_FIGURES * order->options.size_count, sizeof *result);
    struct bench_machine machine;
    size_t count = 0;
    bool met;
    int code;

    snprintf(bench.folder, sizeof bench.folder, "%s", folder);
    bench_machine_look(folder, &machine);
    code = measure(&bench, order, result, &count);
    met = code == 0 && bench_all_met(result, count);
    if (order->options.json && bench_show_json(&bench, &machine, result, count, met) < 0)
        code = -1;
    else if (!order->options.json && count > 0)
        bench_show_table(&bench, &machine, result, count);
    if (fflush(stdout) != 0)
        code = bench_fail("stdout: %s", strerror(errno));
    if (code == 0 && order->options.judge && !met)
        code = CLI_MISSED;
    free(result);
    return code < 0 ? CLI_FAILED : code;
}

int main(int argc, char **argv)
{
    struct bench_order order;
    int code = bench_options_read(&order, argc, argv);

    return code >= 0 ? code : bench_guard(order.options.folder, run, &order);
}
