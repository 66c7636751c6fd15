/* What the files of retention share: store_retire.c (kept answers, dead rows, audit rows, walks),
 * store_retire_made.c (conversations), store_retire_asked.c (requests, tickets, bodies). For nobody
 * else. */
#ifndef TAILGATE_ADAPTERS_BRIDGE_STORE_RETIRE_INSIDE_H
#define TAILGATE_ADAPTERS_BRIDGE_STORE_RETIRE_INSIDE_H

#include "adapters/bridge/store_inside.h"

#define RETIRE_WALK_FACTOR 16 /* rows that are looked at in one go, times the limit */
#define RETIRE_AHEAD_S 86400  /* further than this no clock of ours should be from another */

/* What the statements of walks say of a row. */
enum retire_age {
    AGE_OVER,  /* or not ours */
    AGE_YOUNG, /* of ours, and too young to go */
    AGE_AHEAD  /* of ours, and later than it can be */
};

/* One batch. */
struct batch {
    struct store *store;
    size_t limit; /* of the whole batch */
    size_t left;  /* of it */
    bool more;    /* what stopped it was a limit */
};

/* How far a walk has come. */
struct stretch {
    int64_t to;   /* where the next one begins, */
    int64_t over; /*   and up to where rows of ours go */
};

/* Rows that the last statement has changed. */
size_t retire_changed(const struct batch *batch);
/* ROWS of the batch are used up. */
void retire_spend(struct batch *batch, size_t rows);
/* Runs STATEMENT, whose parameters are a horizon SECONDS ago and how many rows are left, and spends
 * what it has removed. */
int retire_older(struct batch *batch, enum store_statement statement, int64_t seconds);
/* Walks from FROM on over rows until one of ours is too young, or enough are to be removed, or
 * enough have been seen. */
int retire_walk(struct batch *batch, enum store_statement statement, const char *horizon,
                int64_t from, struct stretch *ret_stretch);
/* Removes rows of ours with STATEMENT, above FROM and up to TO. */
int retire_between(struct batch *batch, enum store_statement statement, int64_t from, int64_t to);

/* Conversations that ended SECONDS ago, with all that is in them. */
int retire_made(struct batch *batch, int64_t seconds);
/* Tickets, requests, bodies. */
int retire_asked(struct batch *batch, const struct store_retention *retention);

#endif
