/* What must be true of every query in test_dispatch_random.c, as told by the actions, and what
 * those who carry actions out have still to do. */
#ifndef TAILGATE_TESTS_UNIT_RANDOM_MODEL_H
#define TAILGATE_TESTS_UNIT_RANDOM_MODEL_H

#include "tests/unit/script.h"

#define STEPS 4000
#define QUERIES (STEPS + 1)
#define WORKERS 8
#define ATTEMPTS 3

/* A query's delivery row. */
struct disk {
    bool row, leased, claimed;
    uint32_t attempt, failed;
};

struct query {
    const char *service, *conversation;
    bool seen;
    bool leased;              /* handed over, or taken up */
    bool held;                /* restored, for the worker that had it */
    bool claiming, claimed;   /* its row */
    uint32_t attempt, failed; /* the highest that was given out; those that failed */
    unsigned writing;         /* failures that are not on disk */
    unsigned ends;            /* ANSWER, DEAD or DROP */
    bool elsewhere;           /* it ended without us */
    struct disk disk;
};

/* A query in the hands of a worker, as the worker knows it. */
struct work {
    unsigned worker;
    int64_t id;
    uint32_t attempt;
};

/* Something that goes to disk: the end of a query, a failure, or a claim. */
struct write {
    int64_t id;
    struct disk disk;
};

struct model {
    uint64_t random;
    bool claim;                      /* D7 */
    struct query query[QUERIES + 1]; /* by id */
    int64_t last_id;
    struct work *work;
    size_t works, room;
    struct write ending[QUERIES], failing[QUERIES], claiming[QUERIES];
    size_t endings, failings, claimings;
    const char *service[WORKERS]; /* what each worker last said READY for */
    unsigned answers, deads, duplicates, retries, returns, undelivered, adopted, recorded, restored;
    int64_t withdrawing; /* the query that is being withdrawn, or 0 */
    unsigned withdrawn;
};

extern struct model model;

unsigned below(unsigned bound);
const char *name_of(unsigned worker);
/* Takes all actions, checks each, and notes what has to be done; RELIABLE: deliveries get through.
 */
void take_actions(bool reliable);
/* What ITEM, one of COUNT in LIST, says; it is taken off the list. */
struct write take_write(struct write *list, size_t *count, size_t item);
/* The gateway stops and starts: what was not on disk has not been. */
void restart(void);
void model_done(void);

#endif
