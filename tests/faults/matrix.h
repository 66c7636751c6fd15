/* The scripted run once for each call that the shim can fail, once and for ever, and what must hold
 * after each: in the file as a crash leaves it, in the file as the closing leaves it, and in both
 * after the next start. */
#ifndef TAILGATE_TESTS_FAULTS_MATRIX_H
#define TAILGATE_TESTS_FAULTS_MATRIX_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/faults/site.h"

struct matrix_wish {
    int jobs;         /* processes at a time; most of a run is waiting */
    bool trace;       /* each call and step on stderr */
    const char *kind; /* only this one; NULL: all */
    long n;           /* with KIND: only the N-th; 0: all */
    int ever;         /* with KIND: 0 only once, 1 only for ever, -1 both */
    long stride;      /* of all calls each STRIDE-th fails, */
    long first;       /*   from one of the first STRIDE on: 0 to STRIDE - 1 */
};

/* Runs MODE, prints a line with the totals. Returns the number of violations. */
long matrix_run(enum site_mode mode, const struct matrix_wish *wish);
/* The name of the NUMBER-th kind of fault; NULL behind the last. */
const char *matrix_kind_name(size_t number);

#endif
