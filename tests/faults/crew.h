/* The gateway's side of the scripted run: opening, submitting, waiting, closing, as cmd_serve.c and
 * the loop do it, on one thread and without sockets. */
#ifndef TAILGATE_TESTS_FAULTS_CREW_H
#define TAILGATE_TESTS_FAULTS_CREW_H

#include "adapters/bridge/tail.h"
#include "gateway/committer.h"
#include "tests/faults/script.h"

struct crew {
    struct script_run *run;
    struct tail *tail;
    struct store *store;
    struct committer *committer;
    struct token_key key;
    int64_t id[QUESTIONS + 1];     /* of its row, as the tail brought it; 0: not yet */
    bool read[QUESTIONS + 1];      /* its read flag, as the tail brought it */
    char place[QUESTIONS + 1][24]; /* its conversation */
    bool dead;                     /* the committer was, and late_from counts */
    long late_from;
};

/* Opens the tail, the store and the committer. */
enum script_end crew_open(struct crew *self);
/* Reads to the end of the table. */
enum script_end crew_read(struct crew *self);
/* Submits the question's job and does not wait. False: the tail has not brought it, and it is not
 * to be asked now. */
bool crew_submit(struct crew *self, enum job_kind kind, int question);
/* True when the committer is dead. */
bool crew_is_dead(struct crew *self);
/* Waits until all COUNT jobs that were submitted have ended, and enters them in the ledger. */
enum script_end crew_await(struct crew *self, size_t count);
enum script_end crew_checkpoint(struct crew *self);
/* Closes all; DRAIN as in committer_destroy(). Leaves late_changes and closing in the run. */
void crew_close(struct crew *self, bool drain);

#endif
