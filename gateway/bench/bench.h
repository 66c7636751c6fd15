/* `tailgate bench`: Tailgate and the bare limit of the same work, in turns, on the same file
 * system.
 *
 *  B1. A figure has sides: what is measured without Tailgate (the bare limit, or the same run
 *      without what is asked about) and with it. Each round runs every side once, one after the
 *      other, so that a machine that slows down slows all of them.
 *
 *  B2. A side gives values, each with a name; the figure shows medians over the rounds, their
 *      spread, and the ratio of two of them beside its target. No value is an average of averages.
 *
 *  B3. Gateway, writers, workers and observers are processes of their own. The gateway is `tailgate
 *      serve` as it is installed, with no other settings than the figure names. Writers go through
 *      SQLite as the bridge's programs do: connect, insert, commit.
 *
 *  B4. What a side counts it checks: a query that was not answered exactly once fails the run. What
 *      came too late, a writer that saw "locked", is a value with a target of 0. */
#ifndef TAILGATE_GATEWAY_BENCH_BENCH_H
#define TAILGATE_GATEWAY_BENCH_BENCH_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_VALUES 16 /* of one side */
#define BENCH_SIDES 6
#define BENCH_ROUNDS 101
#define BENCH_SIZES 8

/* What the user has chosen (bench_options.c). */
struct bench_options {
    const char *folder;   /* where databases are made; each figure makes its own below it */
    const char *tailgate; /* the program that is measured */
    const char *guest;    /* a command that writes as a guest does; NULL: our own writer in C */
    unsigned rounds;
    double scale;              /* of every count and time: 1 is what the targets are meant for */
    size_t sizes[BENCH_SIZES]; /* the run is made once with each */
    size_t size_count;
    unsigned duty; /* commit.duty where a figure names none, percent */
    bool json, quiet, judge;
};

/* What one side measured in one round. */
struct bench_sample {
    /* static texts; the unit is the end: _us _ms _s _per_s _bytes _percent */
    const char *name[BENCH_VALUES];
    double value[BENCH_VALUES];
    size_t count;
};

void bench_value(struct bench_sample *sample, const char *name, double value);

/* The run. */
struct bench {
    const struct bench_options *options;
    char folder[PATH_MAX]; /* of this run, below options->folder: gone when the run is over */
    size_t size;           /* bytes of a query's text, and of what a worker answers; what is
                            * committed of an answer is some 150 bytes longer */
    unsigned sites;        /* made so far, for their names */
};

/* Says on stderr, in one line, why something cannot be measured. Returns -1. */
int bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* FULL times the scale, at least LEAST. */
uint64_t bench_scaled(const struct bench *bench, uint64_t full, uint64_t least);

/* Runs one side once. Returns 0, or -1 after bench_fail() has said in one line why it cannot. */
typedef int bench_side_fn(struct bench *bench, struct bench_sample *ret_sample);

struct bench_side {
    const char *name; /* "bare", "tailgate", "tailgate, 1,000 workers" */
    bench_side_fn *run;
};

/* What is to hold: the median of SIDE's VALUE is at most, or at least, LIMIT times the median of
 * AGAINST's AGAINST_VALUE, plus SLACK; where AGAINST is NULL, LIMIT itself. */
struct bench_target {
    const char *side, *value;
    const char *against, *against_value; /* NULL: LIMIT is absolute */
    bool at_least;                       /* else at most */
    double limit;
    double slack; /* in VALUE's unit */
};

struct bench_figure {
    const char *name;  /* as the user asks for it: "wake", "lone", "backlog", "lockstep" */
    const char *about; /* one line */
    struct bench_side side[BENCH_SIDES]; /* ends with an empty one */
    struct bench_target target[BENCH_SIDES];
    bool heavy; /* minutes, gigabytes: only where it is named, or with --all */
};

/* All of them, in the order of the table; ends with NULL. */
extern const struct bench_figure *const bench_figures[];

#endif
