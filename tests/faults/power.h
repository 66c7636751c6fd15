/* The scripted run on a disk that loses its power: after each change of a file, everything that was
 * not synced is dropped, applied, torn or reordered, and what is left is opened as after a boot. */
#ifndef TAILGATE_TESTS_FAULTS_POWER_H
#define TAILGATE_TESTS_FAULTS_POWER_H

#include <stdbool.h>

#include "tests/faults/site.h"

struct power_wish {
    unsigned long seeds; /* states of the disk per cut */
    long cut;            /* only the one after so many changes, with SEED; -1: all */
    unsigned long seed;
    bool lie; /* syncs do nothing: a violation must be found, and is what is not counted as one */
};

/* Runs MODE, prints a line with the totals. Returns the number of violations. */
long power_run(enum site_mode mode, const struct power_wish *wish);

#endif
