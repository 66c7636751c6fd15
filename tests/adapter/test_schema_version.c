/* adapters/bridge/schema: a file whose tables of ours are of an older version. */
#include "adapters/bridge/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "adapters/bridge/store.h"
#include "tests/adapter/support.h"

#define VERSION "SELECT value FROM tailgate_meta WHERE key = 'schema_version'"
#define VERSION_1                                                                                  \
    "CREATE TABLE tailgate_meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;"             \
    "INSERT INTO tailgate_meta VALUES('schema_version', 1), ('token_key', zeroblob(32));"

/* With a row in each table. */
#define VERSION_2                                                                                  \
    "CREATE TABLE tailgate_meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;"             \
    "CREATE TABLE tailgate_delivery (message_id INTEGER PRIMARY KEY, conversation_id TEXT NOT"     \
    " NULL, service TEXT NOT NULL, state TEXT NOT NULL CHECK (state IN ('leased', 'waiting',"      \
    " 'dead')), claimed INTEGER NOT NULL DEFAULT 0, attempt INTEGER NOT NULL, failed INTEGER NOT"  \
    " NULL, worker TEXT, pid INTEGER, leased_at TEXT, due_at TEXT, reason TEXT, history TEXT NOT"  \
    " NULL DEFAULT '[]', redriven INTEGER, updated_at TEXT NOT NULL);"                             \
    "CREATE INDEX tailgate_delivery_dead ON tailgate_delivery (updated_at) WHERE state = 'dead';"  \
    "CREATE INDEX tailgate_delivery_open ON tailgate_delivery (message_id)"                        \
    " WHERE state <> 'dead';"                                                                      \
    "CREATE TABLE tailgate_answer (id INTEGER PRIMARY KEY, message_id INTEGER NOT NULL,"           \
    " conversation_id TEXT NOT NULL, why TEXT NOT NULL CHECK (why IN ('cut', 'superseded',"        \
    " 'expired', 'deleted', 'refused')), worker TEXT NOT NULL, attempt INTEGER NOT NULL, kept_at"  \
    " TEXT NOT NULL, answer TEXT NOT NULL, metadata TEXT);"                                        \
    "CREATE INDEX tailgate_answer_message ON tailgate_answer (message_id);"                        \
    "CREATE TABLE tailgate_parked (message_id INTEGER PRIMARY KEY);"                               \
    "CREATE TABLE tailgate_ended (message_id INTEGER PRIMARY KEY);"                                \
    "CREATE TABLE tailgate_made (conversation_id TEXT PRIMARY KEY, expires_at TEXT NOT NULL,"      \
    " last_id INTEGER) WITHOUT ROWID;"                                                             \
    "CREATE INDEX tailgate_made_live ON tailgate_made (expires_at) WHERE last_id IS NULL;"         \
    "CREATE INDEX tailgate_made_over ON tailgate_made (expires_at) WHERE last_id IS NOT NULL;"     \
    "INSERT INTO tailgate_meta VALUES('schema_version', 2), ('token_key', zeroblob(32)),"          \
    " ('low_water', 7);"                                                                           \
    "INSERT INTO tailgate_delivery(message_id, conversation_id, service, state, claimed, attempt," \
    " failed, updated_at) VALUES(1, 'c', 's', 'waiting', 1, 2, 1, 'then');"                        \
    "INSERT INTO tailgate_answer VALUES(1, 2, 'c', 'cut', 'w', 1, 'then', 'an answer', NULL);"     \
    "INSERT INTO tailgate_parked VALUES(3); INSERT INTO tailgate_ended VALUES(4);"                 \
    "INSERT INTO tailgate_made VALUES('conv_made', '9999-01-01T00:00:00', NULL);"

/* What version 3 added to that. */
#define VERSION_3                                                                                  \
    VERSION_2                                                                                      \
    "UPDATE tailgate_meta SET value = 3 WHERE key = 'schema_version';"                             \
    "CREATE TABLE tailgate_client (conversation_id TEXT PRIMARY KEY, principal TEXT NOT NULL,"     \
    " service TEXT NOT NULL, made_at TEXT NOT NULL) WITHOUT ROWID;"                                \
    "CREATE INDEX tailgate_client_asks ON tailgate_client (principal, service, made_at);"          \
    "CREATE TABLE tailgate_request (message_id INTEGER PRIMARY KEY, digest BLOB NOT NULL,"         \
    " asked_at TEXT NOT NULL, reply_id INTEGER);"                                                  \
    "CREATE INDEX tailgate_request_digest ON tailgate_request (digest);"                           \
    "CREATE TABLE tailgate_ticket (ticket TEXT PRIMARY KEY, message_id INTEGER NOT NULL,"          \
    " reply_id INTEGER, expires_at TEXT NOT NULL) WITHOUT ROWID;"                                  \
    "CREATE INDEX tailgate_ticket_message ON tailgate_ticket (message_id);"                        \
    "CREATE INDEX tailgate_ticket_over ON tailgate_ticket (expires_at);"                           \
    "CREATE TABLE tailgate_blob (message_id INTEGER PRIMARY KEY, kept_at TEXT NOT NULL,"           \
    " data BLOB NOT NULL);"                                                                        \
    "INSERT INTO tailgate_blob VALUES(1, 'then', x'00');"

/* What version 4 added to that. */
#define VERSION_4                                                                                  \
    VERSION_3                                                                                      \
    "UPDATE tailgate_meta SET value = 4 WHERE key = 'schema_version';"                             \
    "CREATE TABLE tailgate_sender (message_id INTEGER PRIMARY KEY, principal TEXT NOT NULL,"       \
    " name TEXT, made_at TEXT NOT NULL);"                                                          \
    "INSERT INTO tailgate_sender VALUES(1, 'uid:1', NULL, 'then');"

static char folder[PATH_MAX];

static int set_up(void **state)
{
    (void)state;
    support_mkdir(folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    support_rmdir(folder);
    return 0;
}

static int open_store(const struct place *place)
{
    struct store *store = NULL;
    struct token_key key;
    int error = store_open(place, 5000, &store, &key);
    store_close(&store);
    return error;
}

/* Everything of the bridge's own in the file: its schema and its rows. */
static char *bridge_of(const struct place *place)
{
    return file_text(
        place, "SELECT (SELECT group_concat(name || sql) FROM (SELECT name, sql FROM sqlite_schema"
               " WHERE tbl_name NOT LIKE 'tailgate_%' AND sql IS NOT NULL ORDER BY name)) ||"
               " (SELECT group_concat(id || message || read) FROM messages) ||"
               " (SELECT group_concat(id || expires_at) FROM conversations) ||"
               " (SELECT count(*) FROM audit_log)");
}

static void a_file_of_version_1_is_migrated(void **state)
{
    (void)state;
    struct place place = support_bridge(folder);
    peer_run("send", place.db, CONVERSATION, "a", "a question", NULL);
    file_run(&place, VERSION_1);
    char *before = bridge_of(&place);
    sqlite3 *db = NULL;
    assert_int_equal(db_open(&place, DB_READER, 0, &db), BRIDGE_OK);
    assert_int_equal(schema_check_ours(db), BRIDGE_OK);
    db_close(&db);
    assert_int_equal(open_store(&place), BRIDGE_OK);
    assert_int_equal(file_number(&place, VERSION), SCHEMA_VERSION);
    assert_int_equal(file_number(&place, "SELECT value = zeroblob(32) FROM tailgate_meta"
                                         " WHERE key = 'token_key'"),
                     1);
    assert_int_equal(file_number(&place, "SELECT count(*) FROM sqlite_schema WHERE type = 'table'"
                                         " AND name IN ('tailgate_delivery', 'tailgate_answer',"
                                         " 'tailgate_parked', 'tailgate_made')"),
                     4);
    char *after = bridge_of(&place);
    assert_string_equal(before, after);
    free(before);
    free(after);
    assert_int_equal(open_store(&place), BRIDGE_OK); /* and stays so */
}

static void a_migration_that_fails_leaves_version_1(void **state)
{
    (void)state;
    struct place place = support_bridge(folder);
    /* in the way of the last table's index */
    file_run(&place, VERSION_1 "CREATE TABLE tailgate_made (something TEXT)");
    assert_int_not_equal(open_store(&place), BRIDGE_OK);
    assert_int_equal(file_number(&place, VERSION), 1);
    assert_int_equal(
        file_number(&place, "SELECT count(*) FROM sqlite_schema WHERE name = 'tailgate_delivery'"),
        0);
}

/* Every row of version 2. */
static char *ours_of(const struct place *place)
{
    return file_text(
        place, "SELECT (SELECT group_concat(key || hex(value)) FROM tailgate_meta"
               "  WHERE key <> 'schema_version') ||"
               " (SELECT message_id || conversation_id || service || state || claimed || attempt ||"
               "  failed || history || updated_at FROM tailgate_delivery) ||"
               " (SELECT id || message_id || why || kept_at || answer FROM tailgate_answer) ||"
               " (SELECT message_id FROM tailgate_parked) ||"
               " (SELECT message_id FROM tailgate_ended) ||"
               " (SELECT conversation_id || expires_at || (last_id IS NULL) FROM tailgate_made)");
}

static void migrate_all(const char *older)
{
    struct place place = support_bridge(folder);
    peer_run("send", place.db, CONVERSATION, "a", "a question", NULL);
    file_run(&place, older);
    char *bridge = bridge_of(&place), *ours = ours_of(&place);
    assert_non_null(ours);
    assert_int_equal(open_store(&place), BRIDGE_OK);
    assert_int_equal(file_number(&place, VERSION), SCHEMA_VERSION);
    char *bridge_now = bridge_of(&place), *ours_now = ours_of(&place);
    assert_string_equal(bridge, bridge_now);
    assert_string_equal(ours, ours_now);
    assert_int_equal(file_number(&place, "SELECT count(*) FROM sqlite_schema WHERE type = 'table'"
                                         " AND name IN ('tailgate_client', 'tailgate_request',"
                                         " 'tailgate_ticket', 'tailgate_blob', 'tailgate_sender',"
                                         " 'tailgate_idempotency')"),
                     6);
    /* the same tables as in a new file */
    struct place new_place = support_place(folder, "new.db");
    peer_run("make", new_place.db, CONVERSATION, NULL);
    assert_int_equal(open_store(&new_place), BRIDGE_OK);
    static const char names[] = "SELECT group_concat(name) FROM (SELECT name FROM sqlite_schema"
                                " WHERE tbl_name LIKE 'tailgate%' ORDER BY name)";
    char *migrated = file_text(&place, names), *made = file_text(&new_place, names);
    assert_string_equal(migrated, made);
    free(bridge);
    free(ours);
    free(bridge_now);
    free(ours_now);
    free(migrated);
    free(made);
}

static void a_file_of_version_2_is_migrated_with_all_that_is_in_it(void **state)
{
    (void)state;
    migrate_all(VERSION_2);
}

static void a_file_of_version_3_is_migrated_with_all_that_is_in_it(void **state)
{
    (void)state;
    migrate_all(VERSION_3);
}

static void a_file_of_version_4_is_migrated_with_all_that_is_in_it(void **state)
{
    (void)state;
    migrate_all(VERSION_4);
    struct place place = support_place(folder, "bridge.db");
    assert_int_equal(file_number(&place, "SELECT count(*) FROM tailgate_sender"), 1);
}

static void a_migration_that_fails_leaves_version_2(void **state)
{
    (void)state;
    struct place place = support_bridge(folder);
    /* in the way of an index */
    file_run(&place, VERSION_2 "CREATE TABLE tailgate_ticket (something TEXT)");
    assert_int_not_equal(open_store(&place), BRIDGE_OK);
    assert_int_equal(file_number(&place, VERSION), 2);
    assert_int_equal(file_number(&place, "SELECT count(*) FROM sqlite_schema WHERE name IN"
                                         " ('tailgate_client', 'tailgate_request')"),
                     0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_of_version_1_is_migrated, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_migration_that_fails_leaves_version_1, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_of_version_2_is_migrated_with_all_that_is_in_it,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_of_version_3_is_migrated_with_all_that_is_in_it,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_of_version_4_is_migrated_with_all_that_is_in_it,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_migration_that_fails_leaves_version_2, set_up, tear_down),
    };
    if (token_init() != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
