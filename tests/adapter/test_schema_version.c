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
    assert_int_equal(file_number(&place, VERSION), 2);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_of_version_1_is_migrated, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_migration_that_fails_leaves_version_1, set_up, tear_down),
    };
    if (token_init() != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
