/* What a command says when it cannot get at the bridge: one line that names the file and what to
 * do, and the exit code that belongs to it. */
#ifndef TAILGATE_GATEWAY_PROBLEM_H
#define TAILGATE_GATEWAY_PROBLEM_H

#include "adapters/bridge/db.h"
#include "gateway/gate_client.h"

/* For place_find(NAME) having returned ERROR (-errno). Like problem_bridge() it prints one line on
 * stderr and returns an exit code: CLI_NOT_A_BRIDGE for what will never do, else CLI_FAILED. */
int problem_place(const char *command, const char *name, int error);
/* For a bridge_error on PLACE's database; DB may be NULL, else SQLite's words are added where ours
 * do not say enough. */
int problem_bridge(const char *command, const struct place *place, int error, sqlite3 *db);

/* Whether --cert and --server-cert (NULL: not given) can be used: -1 when they can. */
int problem_certs(const char *command, const char *cert, const char *server_cert);

/* Completes WAY, of which the options --gate, --cert and --server-cert were read, with the place of
 * the option --db (NULL: not given). -1 when it can be gone. */
int problem_way(const char *command, const char *db, struct place *ret_place, struct gate_way *way);

#endif
