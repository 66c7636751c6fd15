/* What must hold in a file, whatever was done to those who wrote it. */
#ifndef TAILGATE_TESTS_FAULTS_JUDGE_H
#define TAILGATE_TESTS_FAULTS_JUDGE_H

#include "tests/faults/script.h"

/* Opens the bridge with the system's own layer, as any program would, and compares it with LEDGER:
 * everything in it stands in the file, nothing in the file is half (I2), and integrity_check says
 * ok. COMPLETE: there is no unanswered question of a live conversation, either. Returns the number
 * of violations, each of them told in a line on stderr that begins with WHAT; QUIET: only counted.
 * There is none of SQLite's locks in this process. */
int judge_file(const struct place *place, const struct ledger *ledger, bool complete,
               const char *what, bool quiet);

#endif
