/* faults: the scripted run under every fault of its files, and under every cut of the power. */
#include <getopt.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/token.h"
#include "tests/faults/matrix.h"
#include "tests/faults/power.h"

static const char help[] =
    "usage: faults [--journal wal|delete] [--jobs N] [--stride N] [--trace]\n"
    "              [--only KIND[:N[:once|ever]]]\n"
    "       faults --power [--lie] [--journal wal|delete] [--seeds N] [--cut N:SEED]\n"
    "  --journal M   only this journal mode (default: both)\n"
    "  --only K:N:W  only faults of kind K, only the N-th call, only once or only for ever\n"
    "  --jobs N      runs at a time (default 3; 1 with --only K:N)\n"
    "  --stride N    only each N-th call, from a random one on (default 1: all)\n"
    "  --trace       each step and each call of SQLite on its files, on stderr\n"
    "  --power       the power is cut after each change of a file instead\n"
    "  --seeds N     states of the disk per cut (default 5)\n"
    "  --cut N:SEED  only the cut after the N-th change, only that state\n"
    "  --lie         the disk only says that it has synced: an answer must get lost. Exit 0 then\n"
    "Exit 0: every promise was kept. 1: one was broken; how to repeat it is on stderr. 2: usage.\n"
    "Kinds:";

/* What AddressSanitizer asks for when it is there. Each run is a fork, and each fork costs what
 * this process has in memory: freed blocks are not kept for long. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "quarantine_size_mb=1";
}

struct wish {
    struct matrix_wish matrix;
    struct power_wish power;
    bool cuts; /* --power */
    int mode;  /* -1: both */
    char kind[32];
};

static void print_help(FILE *to)
{
    fputs(help, to);
    for (size_t i = 0; matrix_kind_name(i); i++)
        fprintf(to, " %s", matrix_kind_name(i));
    fputc('\n', to);
}

static bool read_kind(struct wish *wish, const char *text)
{
    char when[8] = "";
    int read = sscanf(text, "%31[a-z-]:%ld:%7[a-z]", wish->kind, &wish->matrix.n, when);
    bool known = false;

    for (size_t i = 0; matrix_kind_name(i); i++)
        known = known || strcmp(matrix_kind_name(i), wish->kind) == 0;
    wish->matrix.kind = wish->kind;
    if (read == 3)
        wish->matrix.ever = strcmp(when, "ever") == 0;
    if (read == 3 && !wish->matrix.ever && strcmp(when, "once") != 0)
        return false;
    if (read >= 2)
        wish->matrix.jobs = 1;
    return known && wish->matrix.n >= 0;
}

static bool read_option(struct wish *wish, int letter, const char *text)
{
    switch (letter) {
    case 'm':
        wish->mode = strcmp(text, "wal") == 0 ? SITE_WAL : SITE_DELETE;
        return wish->mode == SITE_WAL || strcmp(text, "delete") == 0;
    case 'o':
        return read_kind(wish, text);
    case 'j':
        return sscanf(text, "%d", &wish->matrix.jobs) == 1 && wish->matrix.jobs > 0;
    case 'e':
        return sscanf(text, "%ld", &wish->matrix.stride) == 1 && wish->matrix.stride > 0;
    case 's':
        return sscanf(text, "%lu", &wish->power.seeds) == 1 && wish->power.seeds > 0;
    case 'c':
        return sscanf(text, "%ld:%lu", &wish->power.cut, &wish->power.seed) == 2;
    case 't':
        wish->matrix.trace = true;
        return true;
    case 'p':
        wish->cuts = true;
        return true;
    case 'l':
        wish->power.lie = true;
        return true;
    default:
        return false;
    }
}

/* Returns -1 to go on, else the exit code. */
static int read_wish(int argc, char **argv, struct wish *wish)
{
    static const struct option option[] = {{"journal", required_argument, NULL, 'm'},
                                           {"only", required_argument, NULL, 'o'},
                                           {"jobs", required_argument, NULL, 'j'},
                                           {"seeds", required_argument, NULL, 's'},
                                           {"cut", required_argument, NULL, 'c'},
                                           {"trace", no_argument, NULL, 't'},
                                           {"power", no_argument, NULL, 'p'},
                                           {"lie", no_argument, NULL, 'l'},
                                           {"stride", required_argument, NULL, 'e'},
                                           {"help", no_argument, NULL, 'h'},
                                           {NULL, 0, NULL, 0}};
    int letter;

    while ((letter = getopt_long(argc, argv, "", option, NULL)) != -1) {
        if (letter == 'h') {
            print_help(stdout);
            return 0;
        }
        if (!read_option(wish, letter, optarg)) {
            print_help(stderr);
            return 2;
        }
    }
    if (optind == argc)
        return -1;
    print_help(stderr);
    return 2;
}

int main(int argc, char **argv)
{
    struct wish wish = {.matrix = {.jobs = 3, .ever = -1, .stride = 1},
                        .power = {.seeds = 5, .cut = -1},
                        .mode = -1};
    int code = read_wish(argc, argv, &wish);
    long violations = 0;

    if (code >= 0)
        return code;
    if (token_init() < 0) {
        fputs("faults: libsodium cannot start\n", stderr);
        return 1;
    }
    wish.matrix.first = (long)randombytes_uniform((uint32_t)wish.matrix.stride);
    for (int mode = 0; mode < SITE_MODES; mode++) {
        if (wish.mode >= 0 && wish.mode != mode)
            continue;
        violations += wish.cuts ? power_run((enum site_mode)mode, &wish.power)
                                : matrix_run((enum site_mode)mode, &wish.matrix);
    }
    return violations ? 1 : 0;
}
