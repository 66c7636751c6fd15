/* Whether a reply can be committed, tried beside the file: what others have hung on its tables
 * refuses there, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "adapters/bridge/schema.h"
#include "adapters/bridge/schema_sql.h"
#include "gateway/doctor_trial.h"

static int setup(void **state)
{
    sqlite3 *db = NULL;

    if (sqlite3_open(":memory:", &db) != SQLITE_OK || db_run(db, schema_sql_bridge) != BRIDGE_OK)
        return -1;
    *state = db;
    return 0;
}

static int teardown(void **state)
{
    return sqlite3_close(*state);
}

static int try_with(void **state, const char *sql, char why[DOCTOR_WHY_SIZE])
{
    int64_t before = sqlite3_total_changes(*state);
    int error;

    why[0] = '\0';
    assert_int_equal(db_run(*state, sql), BRIDGE_OK);
    before = sqlite3_total_changes(*state);
    error = doctor_trial_reply(*state, why);
    assert_int_equal(sqlite3_total_changes(*state), before);
    return error;
}

static void bridge_as_it_is_made_takes_a_reply(void **state)
{
    char why[DOCTOR_WHY_SIZE];

    assert_int_equal(try_with(state, schema_sql_ours, why), BRIDGE_OK);
    assert_string_equal(why, "");
}

static void column_that_must_be_given_refuses(void **state)
{
    char why[DOCTOR_WHY_SIZE];

    assert_int_equal(try_with(state,
                              "DROP TABLE audit_log; CREATE TABLE audit_log (id INTEGER PRIMARY "
                              "KEY, conversation_id, session_id, action, details, timestamp, "
                              "mood TEXT NOT NULL)",
                              why),
                     BRIDGE_REFUSED);
    assert_non_null(strstr(why, "audit_log.mood"));
}

static void function_that_only_somebody_elses_program_has_refuses(void **state)
{
    char why[DOCTOR_WHY_SIZE];

    assert_int_equal(try_with(state,
                              "CREATE TRIGGER t AFTER UPDATE ON messages BEGIN "
                              "SELECT their_function(new.id); END",
                              why),
                     BRIDGE_REFUSED);
    assert_non_null(strstr(why, "their_function"));
}

static void trigger_without_end_is_ended(void **state)
{
    char why[DOCTOR_WHY_SIZE];

    assert_int_equal(
        try_with(state,
                 "CREATE TABLE n (i); CREATE TRIGGER t AFTER INSERT ON messages BEGIN INSERT INTO "
                 "n SELECT a.i FROM (WITH RECURSIVE x(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM "
                 "x) SELECT i FROM x) a; END",
                 why),
        BRIDGE_REFUSED);
    assert_true(why[0]);
}

/* Few steps, each of which takes long. */
static void trigger_that_makes_large_values_is_ended(void **state)
{
    char why[DOCTOR_WHY_SIZE];

    assert_int_equal(
        try_with(state,
                 "CREATE TRIGGER t AFTER INSERT ON messages BEGIN INSERT INTO audit_log(action, "
                 "timestamp) SELECT 'x', m FROM (WITH RECURSIVE n(i, b) AS (SELECT 1, 'x' UNION "
                 "ALL SELECT i + 1, hex(randomblob(400000)) FROM n LIMIT 20000) SELECT max(b) AS m "
                 "FROM n); END",
                 why),
        BRIDGE_REFUSED);
    assert_true(why[0]);
}

/* As whoever may write the file can have it: SQLite loads such a schema without a word. */
static void statement_behind_a_table_is_not_run(void **state)
{
    char folder[] = "/tmp/trial.XXXXXX", why[DOCTOR_WHY_SIZE], sql[600];

    assert_non_null(mkdtemp(folder));
    snprintf(
        sql, sizeof sql,
        "CREATE TABLE odd (x); PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = sql "
        "|| '; VACUUM INTO ''%s/vacuum''; ATTACH ''%s/attach'' AS o; CREATE TABLE o.t (x)' "
        "WHERE name = 'odd'; PRAGMA writable_schema = OFF",
        folder, folder);
    assert_int_equal(try_with(state, sql, why), BRIDGE_OK);
    assert_int_equal(rmdir(folder), 0); /* it is empty */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bridge_as_it_is_made_takes_a_reply, setup, teardown),
        cmocka_unit_test_setup_teardown(column_that_must_be_given_refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(function_that_only_somebody_elses_program_has_refuses,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(trigger_without_end_is_ended, setup, teardown),
        cmocka_unit_test_setup_teardown(trigger_that_makes_large_values_is_ended, setup, teardown),
        cmocka_unit_test_setup_teardown(statement_behind_a_table_is_not_run, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
