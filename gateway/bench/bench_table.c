#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gateway/bench/bench_show.h"
#include "gateway/columns.h"
#include "gateway/terminal.h"

#define COLUMNS_BEFORE 5 /* the verdict's two */

/* Units are at the ends of names. */
static const struct unit {
    const char *end, *shown;
    double divisor;
} units[] = {
    {"_us", "us", 1}, {"_ms", "ms", 1},      {"_per_s", "/s", 1},
    {"_s", "s", 1},   {"_bytes", "MB", 1e6}, {"_percent", "%", 1},
};

static const struct unit *unit_of(const char *name)
{
    static const struct unit none = {"", "", 1};
    size_t size = strlen(name);

    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t end = strlen(units[i].end);
        if (size > end && strcmp(name + size - end, units[i].end) == 0)
            return &units[i];
    }
    return &none;
}

/* Three digits are what a measurement is worth, and four of a large number. */
static void format_number(double value, char *ret_text, size_t room)
{
    int decimals = fabs(value) >= 100 || value == floor(value) ? 0 : fabs(value) >= 10 ? 1 : 2;
    snprintf(ret_text, room, "%.*f", decimals, value);
}

static void add(struct columns *table, const char *text)
{
    columns_text(table, span_str(text));
}

static void add_value(struct columns *table, const struct bench_series *series)
{
    const struct unit *unit = unit_of(series->name);
    const struct bench_spread *spread = &series->spread;
    char name[64], median[32], least[32], most[32], text[80];

    snprintf(name, sizeof name, "%.*s", (int)(strlen(series->name) - strlen(unit->end)),
             series->name);
    for (char *each = name; *each; each++)
        *each = (char)(*each == '_' ? ' ' : *each);
    format_number(spread->median / unit->divisor, median, sizeof median);
    format_number(spread->least / unit->divisor, least, sizeof least);
    format_number(spread->most / unit->divisor, most, sizeof most);
    add(table, name);
    snprintf(text, sizeof text, "%s%s%s", median, *unit->shown ? " " : "", unit->shown);
    add(table, text);
    snprintf(text, sizeof text, "%s-%s", least, most);
    add(table, text);
}

/* The ratio to the other side, and what it should be. */
static void add_verdict(struct columns *table, const struct bench_target *target,
                        const struct bench_verdict *verdict)
{
    const char *sign = target->at_least ? ">=" : "<=";
    char ratio[32] = "", bound[64], text[120];
    const struct unit *unit = unit_of(target->value);

    if (target->against)
        snprintf(ratio, sizeof ratio, "%.2f", verdict->ratio);
    if (target->against && target->slack == 0)
        snprintf(bound, sizeof bound, "%s %.2f", sign, target->limit);
    else {
        char number[32];
        format_number(verdict->bound / unit->divisor, number, sizeof number);
        snprintf(bound, sizeof bound, "%s %s%s%s", sign, number, *unit->shown ? " " : "",
                 unit->shown);
    }
    add(table, ratio);
    snprintf(text, sizeof text, "%s %s", bound, verdict->met ? "met" : "MISSED");
    add(table, text);
}

/* The verdicts on a value, which end its line; a second one has a line of its own. */
static void add_verdicts(struct columns *table, const struct bench_result *result, const char *side,
                         const char *value)
{
    const struct bench_figure *figure = result->figure;
    size_t count = 0;

    for (size_t t = 0; t < bench_targets(figure); t++) {
        if (strcmp(figure->target[t].side, side) != 0 ||
            strcmp(figure->target[t].value, value) != 0)
            continue;
        for (size_t i = 0; count > 0 && i < COLUMNS_BEFORE; i++)
            add(table, " ");
        add_verdict(table, &figure->target[t], &result->verdict[t]);
        count++;
    }
    if (count == 0) {
        add(table, " ");
        add(table, " ");
    }
}

static void add_rows(struct columns *table, const struct bench_result *result)
{
    const struct bench_figure *figure = result->figure;

    for (size_t s = 0; s < bench_sides(figure); s++)
        for (size_t i = 0; i < result->side[s].count; i++) {
            const struct bench_series *series = &result->side[s].series[i];
            add(table, s == 0 && i == 0 ? figure->name : " ");
            add(table, i == 0 ? figure->side[s].name : " ");
            add_value(table, series);
            add_verdicts(table, result, figure->side[s].name, series->name);
        }
}

void bench_show_table(const struct bench *bench, const struct bench_machine *machine,
                      const struct bench_result *result, size_t count)
{
    static const char *const titles[] = {"FIGURE",  "SIDE",   "VALUE", ">MEDIAN",
                                         ">SPREAD", ">RATIO", "TARGET"};
    const struct bench_options *options = bench->options;

    printf("%s, %ld cores, %s, SQLite %s, libzmq %s, %s\n", *machine->cpu ? machine->cpu : "?",
           machine->cores, machine->kernel, machine->sqlite, machine->libzmq, machine->file_system);
    for (size_t i = 0; i < count;) {
        struct columns table;
        size_t size = result[i].size;
        printf("\n%zu bytes, %u rounds%s\n", size, options->rounds,
               options->scale == 1 ? "" : ", scaled: targets are meant for --scale 1");
        columns_init(&table, titles, sizeof titles / sizeof *titles);
        for (; i < count && result[i].size == size; i++)
            add_rows(&table, &result[i]);
        columns_print(&table);
        columns_done(&table);
    }
}

bool bench_all_met(const struct bench_result *result, size_t count)
{
    bool met = true;

    for (size_t i = 0; i < count; i++)
        for (size_t t = 0; t < bench_targets(result[i].figure); t++)
            met = met && result[i].verdict[t].met;
    return met;
}
