#include <jansson.h>
#include <stdio.h>

#include "gateway/bench/bench_show.h"

static json_t *machine_json(const struct bench *bench, const struct bench_machine *machine)
{
    return json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:s}", "cpu", machine->cpu, "cores",
                     (json_int_t)machine->cores, "kernel", machine->kernel, "sqlite",
                     machine->sqlite, "libzmq", machine->libzmq, "file_system",
                     machine->file_system, "folder", bench->options->folder, "tailgate",
                     TAILGATE_VERSION);
}

static json_t *options_json(const struct bench_options *options)
{
    json_t *sizes = json_array();

    for (size_t i = 0; i < options->size_count; i++)
        json_array_append_new(sizes, json_integer((json_int_t)options->sizes[i]));
    return json_pack("{s:I, s:f, s:I, s:s?, s:o}", "rounds", (json_int_t)options->rounds, "scale",
                     options->scale, "duty", (json_int_t)options->duty, "guest", options->guest,
                     "sizes", sizes);
}

static json_t *values_json(const struct bench_side_result *side)
{
    json_t *values = json_array();

    for (size_t i = 0; i < side->count; i++) {
        const struct bench_series *series = &side->series[i];
        json_t *rounds = json_array();
        for (size_t r = 0; r < series->rounds; r++)
            json_array_append_new(rounds, json_real(series->round[r]));
        json_array_append_new(values,
                              json_pack("{s:s, s:f, s:f, s:f, s:o}", "name", series->name, "median",
                                        series->spread.median, "least", series->spread.least,
                                        "most", series->spread.most, "rounds", rounds));
    }
    return values;
}

static json_t *target_json(const struct bench_target *target, const struct bench_verdict *verdict)
{
    return json_pack("{s:s, s:s, s:s?, s:s?, s:s, s:f, s:f, s:f, s:f, s:b}", "side", target->side,
                     "value", target->value, "against", target->against, "against_value",
                     target->against_value, "has_to_be", target->at_least ? "at least" : "at most",
                     "limit", target->limit, "slack", target->slack, "bound", verdict->bound,
                     "ratio", verdict->ratio, "met", verdict->met);
}

static json_t *figure_json(const struct bench_result *result)
{
    const struct bench_figure *figure = result->figure;
    json_t *sides = json_array(), *targets = json_array();

    for (size_t s = 0; s < bench_sides(figure); s++)
        json_array_append_new(sides, json_pack("{s:s, s:o}", "name", figure->side[s].name, "values",
                                               values_json(&result->side[s])));
    for (size_t t = 0; t < bench_targets(figure); t++)
        json_array_append_new(targets, target_json(&figure->target[t], &result->verdict[t]));
    return json_pack("{s:s, s:s, s:I, s:o, s:o}", "name", figure->name, "about", figure->about,
                     "size", (json_int_t)result->size, "sides", sides, "targets", targets);
}

int bench_show_json(const struct bench *bench, const struct bench_machine *machine,
                    const struct bench_result *result, size_t count, bool met)
{
    json_t *figures = json_array(), *whole;
    int code;

    for (size_t i = 0; i < count; i++)
        json_array_append_new(figures, figure_json(&result[i]));
    whole = json_pack("{s:o, s:o, s:o, s:b}", "machine", machine_json(bench, machine), "options",
                      options_json(bench->options), "figures", figures, "met", met);
    code = whole ? json_dumpf(whole, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(12)) : -1;
    putchar('\n');
    json_decref(whole);
    return code;
}
