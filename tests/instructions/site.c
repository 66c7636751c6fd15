#include "tests/instructions/site.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "adapters/bridge/db.h"
#include "adapters/bridge/schema.h"
#include "tests/instructions/part.h"

static char folder[] = "/tmp/tailgate-instructions-XXXXXX";
static struct place place;

static void add_conversations(sqlite3 *db)
{
    char sql[400];

    for (size_t i = 0; i < CONVERSATIONS; i++) {
        snprintf(sql, sizeof sql,
                 "INSERT INTO conversations VALUES('%s', 'asker', 'default', '%064x', '%064x',"
                 " '2026-01-01T00:00:00', '2999-01-01T00:00:00')",
                 part_conversation(i), 10, 11);
        part_need(db_run(db, sql) == BRIDGE_OK, "a conversation cannot be made");
    }
}

static void add_queries(sqlite3 *db)
{
    sqlite3_stmt *insert = NULL;
    char text[QUERY_SIZE + 1];

    part_need(db_prepare(db,
                         "INSERT INTO messages(conversation_id, from_session, to_session, message,"
                         " timestamp) VALUES(?, 'a', 'b', ?, '2026-01-01T00:00:00.123456')",
                         &insert) == BRIDGE_OK,
              "no query can be inserted");
    for (size_t id = 1; id <= QUERIES_MAX; id++) {
        part_query(id, text);
        sqlite3_bind_text(insert, 1, part_conversation(id), -1, SQLITE_STATIC);
        sqlite3_bind_text(insert, 2, text, -1, SQLITE_STATIC);
        part_need(sqlite3_step(insert) == SQLITE_DONE, "a query is not inserted");
        sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
}

const struct place *site_make(void)
{
    char name[sizeof folder + 16];
    sqlite3 *db = NULL;

    part_need(mkdtemp(folder) != NULL, "no folder can be made below /tmp");
    snprintf(name, sizeof name, "%s/bridge.db", folder);
    part_need(place_find(name, &place) == 0 && db_open(&place, DB_MAKER, 1000, &db) == BRIDGE_OK &&
                  schema_make_bridge(db) == BRIDGE_OK && schema_make_ours(db) == BRIDGE_OK,
              "no bridge can be made");
    part_need(db_run(db, "BEGIN IMMEDIATE") == BRIDGE_OK, "it does not begin");
    add_conversations(db);
    add_queries(db);
    part_need(db_run(db, "COMMIT") == BRIDGE_OK, "it does not commit");
    db_close(&db); /* the last one: the -wal goes back into the file */
    return &place;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status, (void)kind, (void)walk;
    return remove(path);
}

void site_remove(void)
{
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
