/* sim: runs seeds of the simulation and says what it has found. */
#include "tests/sim/sim.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static struct sim sim;

static const char help[] =
    "usage: sim [--seeds N] [--first S] [--strict] [--trace] [--trace-hash]\n"
    "       sim --seed S [--strict] [--trace] [--trace-hash]\n"
    "  --seeds N      run N seeds (default 2000)\n"
    "  --first S      the first of them (default 1)\n"
    "  --seed S       run one seed\n"
    "  --strict       a query may not wait beside a free worker even until the next heartbeat\n"
    "  --trace        print every event\n"
    "  --trace-hash   print a hash of all events\n"
    "Exit 0: every promise was kept. 1: one was broken; the seed and its last events are on\n"
    "stderr. 2: usage.\n";

struct wish {
    uint64_t first, seeds;
    bool trace, hash, strict;
};

/* An assertion of the core itself is a promise, too. */
static void on_abort(int number)
{
    (void)number;
    trace_violation(&sim, "an assertion of the core", 0, "see the line above");
    _exit(1);
}

static struct sigaction before; /* a sanitizer's, perhaps */

/* Says which seed it was, and lets it crash. */
static void on_crash(int number)
{
    trace_violation(&sim, "a crash of the core", 0, "the program ends here");
    sigaction(number, &before, NULL);
}

static bool number_of(const char *text, uint64_t *ret_number)
{
    char *end;
    unsigned long long number = strtoull(text, &end, 10);

    if (end == text || *end || text[0] == '-')
        return false;
    *ret_number = number;
    return true;
}

/* Returns 0, or -1 for a usage error, or 1 when help was asked for. */
static int read_wish(int argc, char **argv, struct wish *wish)
{
    static const struct option option[] = {
        {"seeds", required_argument, NULL, 'n'}, {"first", required_argument, NULL, 'f'},
        {"seed", required_argument, NULL, 's'},  {"trace", no_argument, NULL, 't'},
        {"trace-hash", no_argument, NULL, 'x'},  {"strict", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0}};
    bool one = false, good = true;
    int letter;

    while (good && (letter = getopt_long(argc, argv, "", option, NULL)) != -1) {
        if (letter == 'h')
            return 1;
        if (letter == 't')
            wish->trace = true;
        else if (letter == 'x')
            wish->hash = true;
        else if (letter == 'q')
            wish->strict = true;
        else if (letter == 'n')
            good = number_of(optarg, &wish->seeds);
        else if (letter == 'f' || letter == 's')
            good = number_of(optarg, &wish->first);
        else
            good = false;
        one = one || letter == 's';
    }
    if (one)
        wish->seeds = 1;
    return good && optind == argc ? 0 : -1;
}

static void close_with(const struct wish *wish, uint64_t ran, const struct totals *totals,
                       double seconds)
{
    static const char *const end[ENDS] = {"answered",   "dead",    "dropped",
                                          "superseded", "expired", "deleted"};

    uint64_t all = 0;

    for (int i = 0; i < FAULTS; i++)
        all += totals->faults[i];
    printf("seeds       %" PRIu64 ", from %" PRIu64 "\nevents      %" PRIu64 "\nends        ", ran,
           wish->first, totals->events);
    for (int i = 0; i < ENDS; i++)
        printf("%s%s %" PRIu64, i ? ", " : "", end[i], totals->ends[i]);
    printf("\nrestarts    %" PRIu64 ": %" PRIu64 " queries restored, %" PRIu64
           " taken up again, %" PRIu64 " that may be executed only once\n",
           totals->restarts, totals->restored, totals->adopted, totals->guarded);
    printf("file        %" PRIu64 " leases recorded, %" PRIu64 " claims, %" PRIu64 " refills\n",
           totals->records, totals->claims, totals->refills);
    printf("faults      %" PRIu64 ":", all);
    for (int i = 0; i < FAULTS; i++)
        printf("%s%-20s %9" PRIu64, i % 3 ? "  " : "\n  ", fault_name((enum fault)i),
               totals->faults[i]);
    printf("\nviolations  %u\nseconds     %.1f\n", totals->violations, seconds);
}

int main(int argc, char **argv)
{
    struct wish wish = {.first = 1, .seeds = 2000};
    static struct totals totals;
    struct timespec from, to;
    uint64_t ran = 0, hash = 0;
    int asked = read_wish(argc, argv, &wish);

    if (asked) {
        fputs(help, asked > 0 ? stdout : stderr);
        return asked > 0 ? 0 : 2;
    }
    if (token_init() < 0) {
        fputs("sim: libsodium cannot start\n", stderr);
        return 1;
    }
    signal(SIGABRT, on_abort);
    sigaction(SIGSEGV, &(struct sigaction){.sa_handler = on_crash}, &before);
    clock_gettime(CLOCK_MONOTONIC, &from);
    while (ran < wish.seeds && totals.violations == 0) {
        run_seed(&sim, wish.first + ran++, &totals, wish.trace, wish.strict);
        hash = hash * 31 + sim.hash;
        run_done(&sim);
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    if (wish.hash)
        printf("trace hash %016" PRIx64 "\n", hash);
    close_with(&wish, ran, &totals,
               (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9);
    return totals.violations ? 1 : 0;
}
