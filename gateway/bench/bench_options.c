#include "gateway/bench/bench_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/cli.h"
#include "gateway/helper_path.h"

#define SIZE_MOST 1000000

static const struct cli_command page = {
    .name = BENCH_COMMAND,
    .usage = "bench [options] [FIGURE...]",
    .about = "measure this gateway, and the bare limit of the same work, on this disk",
    .details =
        "A FIGURE measures its sides, mostly two or more, one after the other, in rounds: the bare "
        "limit "
        "of the work (SQLite that only commits the same rows, ZeroMQ that only echoes, an inotify "
        "watch that only passes on) and Tailgate. Shown are the medians over the rounds, their "
        "least and most, and the ratio to the bare limit with what it should be. Without a FIGURE "
        "all are measured that take seconds; --list tells their names.\n"
        "Databases are made in a folder of their own below --folder, and removed. Nothing else "
        "should run meanwhile.\n"
        "\n"
        "  tailgate bench wake backlog           two figures, in the current folder\n"
        "  tailgate bench --folder /srv/bridge   on that disk\n"
        "  tailgate bench --json > figures.json  for programs; each round's value is there\n"
        "\n"
        "Exit status: 0 measured, 1 it could not be measured or a query was not answered exactly "
        "once, 2 wrong words, 8 a target was missed (with --judge).\n",
};

static int parse(struct bench_order *order, const char **sizes, const char **scale, bool *all,
                 bool *list, int argc, char **argv, int *ret_first)
{
    struct bench_options *options = &order->options;
    int64_t rounds = 5, duty = 50;
    const struct cli_option table[] = {
        {"list", 0, CLI_FLAG, list, NULL, "print the figures, and leave", 0, 0},
        {"all", 'a', CLI_FLAG, all, NULL, "measure all, those too that take many minutes", 0, 0},
        {"rounds", 'r', CLI_INTEGER, &rounds, "N", "how often each side is run (default 5)", 1,
         BENCH_ROUNDS},
        {"scale", 0, CLI_TEXT, scale, "X",
         "multiply counts and times with X (default 1, what the targets are meant for)", 0, 0},
        {"size", 0, CLI_TEXT, sizes, "BYTES[,BYTES]...",
         "of a query and of an answer (default 180); several: everything with each", 0, 0},
        {"folder", 0, CLI_TEXT, &options->folder, "DIR",
         "where databases are made (default: the current folder)", 0, 0},
        {"duty", 0, CLI_INTEGER, &duty, "PERCENT",
         "commit.duty of the gateway where a figure names none (default 50)", 1, 100},
        {"guest", 0, CLI_TEXT, &options->guest, "COMMAND",
         "a program that writes as a guest does, instead of ours", 0, 0},
        {"tailgate", 0, CLI_TEXT, &options->tailgate, "FILE",
         "the program that is measured (default: the one this belongs to)", 0, 0},
        {"judge", 0, CLI_FLAG, &options->judge, NULL, "exit with 8 when a target is missed", 0, 0},
        {"json", 'j', CLI_FLAG, &options->json, NULL, "print one JSON object", 0, 0},
        {"quiet", 'q', CLI_FLAG, &options->quiet, NULL, "show no progress", 0, 0},
        {.name = NULL},
    };
    int code = cli_parse(&page, table, argc, argv, ret_first);

    options->rounds = (unsigned)rounds;
    options->duty = (unsigned)duty;
    return code;
}

static int print_list(void)
{
    for (size_t i = 0; bench_figures[i]; i++)
        printf("%-14s %s%s\n", bench_figures[i]->name, bench_figures[i]->about,
               bench_figures[i]->heavy ? " (only by name or with --all)" : "");
    return fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
}

static int read_sizes(struct bench_options *options, const char *text)
{
    while (options->size_count < BENCH_SIZES) {
        char *end;
        unsigned long size = strtoul(text, &end, 10);
        if (end == text || size < 1 || size > SIZE_MOST || (*end && *end != ','))
            break;
        options->sizes[options->size_count++] = size;
        if (!*end)
            return -1;
        text = end + 1;
    }
    return cli_fail(BENCH_COMMAND, CLI_USAGE,
                    "--size: up to %d numbers from 1 to %d with commas between them", BENCH_SIZES,
                    SIZE_MOST);
}

static int read_scale(struct bench_options *options, const char *text)
{
    char *end;

    options->scale = strtod(text, &end);
    if (end != text && !*end && options->scale >= 0.0001 && options->scale <= 1000)
        return -1;
    return cli_fail(BENCH_COMMAND, CLI_USAGE, "--scale %s: a number from 0.0001 to 1000", text);
}

static int fail_unknown(const char *word)
{
    const char *nearest = NULL;
    size_t least = SIZE_MAX;

    for (size_t i = 0; bench_figures[i]; i++) {
        size_t distance = cli_distance(word, bench_figures[i]->name);
        if (cli_is_near(word, bench_figures[i]->name) && (!nearest || distance < least)) {
            nearest = bench_figures[i]->name;
            least = distance;
        }
    }
    if (nearest)
        return cli_fail(BENCH_COMMAND, CLI_USAGE, "there is no figure %s; did you mean: %s", word,
                        nearest);
    return cli_fail(BENCH_COMMAND, CLI_USAGE, "there is no figure %s; see: tailgate bench --list",
                    word);
}

static const struct bench_figure *find(const char *name)
{
    for (size_t i = 0; bench_figures[i]; i++)
        if (strcmp(bench_figures[i]->name, name) == 0)
            return bench_figures[i];
    return NULL;
}

/* In the order of the table, whatever the order of the words; none twice. */
static int choose(struct bench_order *order, bool all, int count, char **word)
{
    size_t chosen = 0;

    for (int i = 0; i < count; i++)
        if (!find(word[i]))
            return fail_unknown(word[i]);
    for (size_t i = 0; bench_figures[i] && chosen < BENCH_FIGURES; i++) {
        bool is_wanted = all || (count == 0 && !bench_figures[i]->heavy);
        for (int w = 0; w < count; w++)
            is_wanted = is_wanted || find(word[w]) == bench_figures[i];
        if (is_wanted)
            order->figure[chosen++] = bench_figures[i];
    }
    return -1;
}

static int find_program(struct bench_options *options)
{
    static char path[HELPER_PATH_SIZE];

    if (!options->tailgate && helper_path("tailgate", path) != 0 && /* a build tree */
        helper_path("../../bin/tailgate", path) != 0)
        return cli_fail(BENCH_COMMAND, CLI_FAILED,
                        "the program tailgate is not where it was installed; name it with "
                        "--tailgate");
    if (!options->tailgate)
        options->tailgate = path;
    return -1;
}

int bench_options_read(struct bench_order *ret_order, int argc, char **argv)
{
    const char *sizes = "180", *scale = "1";
    bool all = false, list = false;
    int first = argc, code;

    memset(ret_order, 0, sizeof *ret_order);
    ret_order->options.folder = ".";
    code = parse(ret_order, &sizes, &scale, &all, &list, argc, argv, &first);
    if (code >= 0)
        return code;
    if (list)
        return print_list();
    if ((code = read_sizes(&ret_order->options, sizes)) >= 0 ||
        (code = read_scale(&ret_order->options, scale)) >= 0 ||
        (code = choose(ret_order, all, argc - first, argv + first)) >= 0)
        return code;
    return find_program(&ret_order->options);
}
