/* One scripted run in a process of its own, with one fault, and everything that is to be judged
 * after it. */
#ifndef TAILGATE_TESTS_FAULTS_ONE_RUN_H
#define TAILGATE_TESTS_FAULTS_ONE_RUN_H

#include "tests/faults/script.h"
#include "tests/faults/shim_vfs.h"
#include "tests/faults/site.h"

struct one_wish {
    const struct site_image *image; /* that it begins with */
    struct shim_fault fault;        /* n 0: none */
    bool trace;
    const char *what; /* begins each line about it; says how to repeat it */
};

struct one_result {
    bool died; /* by a signal, a sanitizer, or of old age; all below is of no use then */
    enum script_end end;
    long injected;
    bool closing; /* the first fault came while a store was closed, which tells nobody */
    long late_changes;
    int64_t checkpoints;
    long count[SHIM_OPS];
};

/* Returns the number of violations in the files that it left. */
int one_run(const struct one_wish *wish, struct one_result *ret_result);

#endif
