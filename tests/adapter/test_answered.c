/* adapters/bridge/answered: the reply's row is found, and what only looks like it is not. */
#include "adapters/bridge/answered.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/adapter/store_fixture.h"

static sqlite3 *db;

static int set_up(void **state)
{
    if (store_set_up(state) != 0)
        return -1;
    return db_open(&store_fixture.place, DB_READER, 50, &db);
}

static int tear_down(void **state)
{
    db_close(&db);
    return store_tear_down(state);
}

static int64_t find(int64_t id, int64_t after, int64_t upto)
{
    int64_t found = -1, looked_to = upto;
    assert_int_equal(answered_find(db, id, span_str(CONVERSATION), span_str("b"), after, INT64_MAX,
                                   &found, &looked_to),
                     BRIDGE_OK);
    assert_int_equal(looked_to, found ? found : upto);
    assert_true(db_is_quiet(db));
    return found;
}

static void the_reply_of_a_query_is_found_within_its_bounds(void **state)
{
    (void)state;
    store_given(12);
    file_run(&store_fixture.place,
             "INSERT INTO messages(conversation_id, from_session, to_session, message, metadata,"
             " timestamp) VALUES('" CONVERSATION "', 'b', 'a', 'x', '{\"in_reply_to\":12}', 't'),"
             "('" CONVERSATION "', 'b', 'a', 'x', '{\"in_reply_to\":1,\"worker\":\"w\"}', 't')");
    assert_int_equal(find(12, 12, 100), 13);
    assert_int_equal(find(1, 1, 100), 14);
    assert_int_equal(find(1, 1, 13), 0);
    assert_int_equal(find(1, 14, 100), 0);
    assert_int_equal(find(2, 2, 100), 0);
}

static void metadata_that_is_something_else_is_passed_over(void **state)
{
    static const char *const metadata[] = {
        "NULL",
        "7",
        "x'7b'",
        "''",
        "'{\"in_reply_to\":1'",
        "'{\"in_reply_to\":10}'",
        "'{\"x\":{\"in_reply_to\":1}}'",
        "'[\"in_reply_to\",1]'",
        "CAST(x'ff7b22696e5f7265706c795f746f223a317d' AS TEXT)",
        "x'7b22696e5f7265706c795f746f223a317d'",
    };
    (void)state;
    store_given(1);
    for (size_t i = 0; i < sizeof metadata / sizeof metadata[0]; i++) {
        char sql[300];
        snprintf(sql, sizeof sql,
                 "INSERT INTO messages(conversation_id, from_session, to_session, message,"
                 " metadata, timestamp) VALUES('" CONVERSATION "', 'b', 'a', 'x', %s, 't')",
                 metadata[i]);
        file_run(&store_fixture.place, sql);
    }
    assert_int_equal(find(1, 1, 100), 0);
}

static void search_stops_behind_a_row_when_its_time_is_over(void **state)
{
    int64_t found = -1, upto = 100;
    (void)state;
    store_given(1);
    for (int i = 0; i < 2; i++)
        file_run(&store_fixture.place,
                 "INSERT INTO messages(conversation_id, from_session, to_session, message,"
                 " metadata, timestamp) VALUES('" CONVERSATION "', 'a', 'b', 'x', NULL, 't'),"
                 "('" CONVERSATION "', 'b', 'a', 'x', '{\"in_reply_to\":10}', 't')");
    assert_int_equal(
        answered_find(db, 1, span_str(CONVERSATION), span_str("b"), 1, 0, &found, &upto),
        BRIDGE_OK);
    assert_true(db_is_quiet(db));
    assert_int_equal(found, 0);
    assert_int_equal(upto, 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_reply_of_a_query_is_found_within_its_bounds),
        TEST(metadata_that_is_something_else_is_passed_over),
        TEST(search_stops_behind_a_row_when_its_time_is_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
