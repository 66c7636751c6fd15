/* What the verbs of `tailgate dead` share (cmd_dead.c: their words; dead_view.c: list and show;
 * dead_change.c: redrive and drop). */
#ifndef TAILGATE_GATEWAY_DEAD_COMMAND_H
#define TAILGATE_GATEWAY_DEAD_COMMAND_H

#include <stdint.h>

#include "adapters/bridge/records.h"

/* The command line. */
struct dead_words {
    const char *command; /* "dead list", for messages */
    const char *db, *service;
    int64_t older_us; /* how long it has been dead; -1: not given */
    int64_t limit;
    bool all, again, answers, yes, json;
    const int64_t *id; /* named one by one */
    size_t count;
};

/* One run of a verb: DB is open, a bridge, and has tables that we know or none of ours. */
struct dead_run {
    const struct dead_words *words;
    const struct place *place;
    sqlite3 *db;
    int64_t now_us; /* UTC */
};

/* The dead rows that the words mean, where they do not name them. REDRIVEN: also those that were
 * asked again. */
struct records_filter dead_filter(const struct dead_run *run, bool redriven);

/* Each returns an exit code. */
int dead_view_list(const struct dead_run *run);
int dead_view_show(const struct dead_run *run);
int dead_change_redrive(const struct dead_run *run);
int dead_change_drop(const struct dead_run *run);

#endif
