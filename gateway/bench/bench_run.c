#include "gateway/bench/bench_run.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gateway/bench/bench_options.h"
#include "gateway/cli.h"
#include "gateway/terminal.h"

/* Wipes the line of the progress, too. */
int bench_fail(const char *format, ...)
{
    char text[1024];
    va_list values;

    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    if (terminal_is(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    cli_fail(BENCH_COMMAND, CLI_FAILED, "%s", text);
    return -1;
}

uint64_t bench_scaled(const struct bench *bench, uint64_t full, uint64_t least)
{
    double scaled = (double)full * bench->options->scale;
    return scaled < (double)least ? least : (uint64_t)(scaled + 0.5);
}

void bench_value(struct bench_sample *sample, const char *name, double value)
{
    assert(sample->count < BENCH_VALUES);
    sample->name[sample->count] = name;
    sample->value[sample->count++] = value;
}

size_t bench_sides(const struct bench_figure *figure)
{
    size_t count = 0;

    while (count < BENCH_SIDES && figure->side[count].run)
        count++;
    return count;
}

size_t bench_targets(const struct bench_figure *figure)
{
    size_t count = 0;

    while (count < BENCH_SIDES && figure->target[count].side)
        count++;
    return count;
}

const struct bench_series *bench_find(const struct bench_result *result, const char *side,
                                      const char *value)
{
    for (size_t s = 0; s < bench_sides(result->figure); s++)
        for (size_t i = 0; i < result->side[s].count; i++)
            if (strcmp(result->figure->side[s].name, side) == 0 &&
                strcmp(result->side[s].series[i].name, value) == 0)
                return &result->side[s].series[i];
    return NULL;
}

static void show_progress(const struct bench *bench, const struct bench_figure *figure,
                          unsigned round, const char *side)
{
    if (!bench->options->quiet && terminal_is(STDERR_FILENO))
        fprintf(stderr, "\r\033[K%s, %zu bytes, round %u of %u: %s", figure->name, bench->size,
                round + 1, bench->options->rounds, side);
}

static void end_progress(const struct bench *bench)
{
    if (!bench->options->quiet && terminal_is(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

static void keep(struct bench_side_result *result, const struct bench_sample *sample)
{
    for (size_t i = 0; i < sample->count; i++) {
        struct bench_series *series = &result->series[i];
        series->name = sample->name[i];
        series->round[series->rounds++] = sample->value[i];
    }
    result->count = sample->count;
}

static bool is_never(const struct bench_target *target)
{
    return !target->against && !target->at_least && target->limit == 0;
}

static void sum_up(struct bench_result *result)
{
    double ordered[BENCH_ROUNDS];

    for (size_t s = 0; s < bench_sides(result->figure); s++)
        for (size_t i = 0; i < result->side[s].count; i++) {
            struct bench_series *series = &result->side[s].series[i];
            memcpy(ordered, series->round, series->rounds * sizeof *ordered);
            bench_spread_of(ordered, series->rounds, &series->spread);
        }
    for (size_t t = 0; t < bench_targets(result->figure); t++) {
        const struct bench_target *target = &result->figure->target[t];
        const struct bench_series *value = bench_find(result, target->side, target->value);
        const struct bench_series *against =
            target->against ? bench_find(result, target->against, target->against_value) : NULL;
        assert(value && (against || !target->against));
        /* What must never be is judged by the worst round. */
        bench_judge(target, is_never(target) ? value->spread.most : value->spread.median,
                    against ? against->spread.median : 1, &result->verdict[t]);
    }
}

int bench_run(struct bench *bench, const struct bench_figure *figure,
              struct bench_result *ret_result)
{
    memset(ret_result, 0, sizeof *ret_result);
    ret_result->figure = figure;
    ret_result->size = bench->size;
    for (unsigned round = 0; round < bench->options->rounds; round++)
        for (size_t s = 0; s < bench_sides(figure); s++) {
            struct bench_sample sample = {.count = 0};
            show_progress(bench, figure, round, figure->side[s].name);
            if (figure->side[s].run(bench, &sample) < 0)
                return bench_fail("%s, %s: not measured", figure->name, figure->side[s].name);
            keep(&ret_result->side[s], &sample);
        }
    end_progress(bench);
    sum_up(ret_result);
    return 0;
}
