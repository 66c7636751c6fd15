/* The bridge's four tables as its own programs make them (proto/schema.sql), and our own tables
 * with their schema version. Ours are named tailgate_*; we change nothing else in the file. */
#ifndef TAILGATE_ADAPTERS_BRIDGE_SCHEMA_H
#define TAILGATE_ADAPTERS_BRIDGE_SCHEMA_H

#include "adapters/bridge/db.h"
#include "proto/token.h"

#define SCHEMA_VERSION 5 /* of our own tables; kept in tailgate_meta */

enum schema_state {
    SCHEMA_EMPTY,  /* no tables at all, or only some of the bridge's: it is being made */
    SCHEMA_BRIDGE, /* the bridge's tables are there with the columns we use */
    SCHEMA_FOREIGN /* tables of somebody else, and none or unusable ones of the bridge's */
};

/* Looks at what DB is. Returns BRIDGE_OK and the state, or an error (BRIDGE_NOT_SQLITE …). */
int schema_look(sqlite3 *db, enum schema_state *ret_state);
/* BRIDGE_OK when DB is a bridge, BRIDGE_ABSENT when it is empty or being made, BRIDGE_FOREIGN, or
 * another error. */
int schema_require_bridge(sqlite3 *db);
/* Creates the bridge's tables where they are missing and sets journal_mode=WAL, as the bridge does
 * on each call. DB is a DB_MAKER. */
int schema_make_bridge(sqlite3 *db);
/* Creates our own tables where they are missing, and brings those of an older version to ours, in
 * one transaction; nothing of the bridge's changes. Returns BRIDGE_OK, or BRIDGE_NEWER when the
 * file has a newer version (then nothing was changed), or another error. */
int schema_make_ours(sqlite3 *db);
/* BRIDGE_OK when our tables are absent or of a version we know, else BRIDGE_NEWER or an error. */
int schema_check_ours(sqlite3 *db);
/* Whether DB has a table of that name. */
int schema_has(sqlite3 *db, const char *table, bool *ret_there);
/* Reads the key of the fencing tokens, made on first use (DB is a writer, our tables exist). */
int schema_token_key(sqlite3 *db, struct token_key *ret_key);

#endif
