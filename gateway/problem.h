/* What a command says when it cannot get at the bridge: one line that names the file and what to
 * do, and the exit code that belongs to it. */
#ifndef TAILGATE_GATEWAY_PROBLEM_H
#define TAILGATE_GATEWAY_PROBLEM_H

#include "adapters/bridge/db.h"

/* For place_find(NAME) having returned ERROR (-errno). Like problem_bridge() it prints one line on
 * stderr and returns an exit code: CLI_NOT_A_BRIDGE for what will never do, else CLI_FAILED. */
int problem_place(const char *command, const char *name, int error);
/* For a bridge_error on PLACE's database; DB may be NULL, else SQLite's words are added where ours
 * do not say enough. */
int problem_bridge(const char *command, const struct place *place, int error, sqlite3 *db);

#endif
