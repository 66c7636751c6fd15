/* What a bridge is called where several are joined: 16 lower-case hexadecimal digits, drawn at
 * random once and kept in tailgate_meta. A copy of the file has the same one: it is the same
 * bridge. */
#ifndef TAILGATE_ADAPTERS_BRIDGE_BRIDGE_ID_H
#define TAILGATE_ADAPTERS_BRIDGE_BRIDGE_ID_H

#include "adapters/bridge/db.h"
#include "proto/span.h"

#define BRIDGE_ID_SIZE 17 /* with its NUL */

/* True when TEXT has the form of an id. */
bool bridge_id_ok(struct span text);
/* Reads the id of DB's bridge: BRIDGE_ABSENT when it has none, which says that no gateway of
 * Tailgate has served it since there are ids. */
int bridge_id_find(sqlite3 *db, char ret_id[BRIDGE_ID_SIZE]);
/* The same, made on first use (DB is a writer, our tables exist). token_init() comes first. */
int bridge_id_make(sqlite3 *db, char ret_id[BRIDGE_ID_SIZE]);

#endif
