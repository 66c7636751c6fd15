/* adapters/bridge/since: where a time begins, without an index on timestamps. */
#include "adapters/bridge/since.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/adapter/support.h"

static char folder[PATH_MAX];
static struct place place;
static sqlite3 *db;

static int set_up(void **state)
{
    (void)state;
    support_mkdir(folder);
    place = support_bridge(folder);
    return db_open(&place, DB_READER, 0, &db);
}

static int tear_down(void **state)
{
    (void)state;
    db_close(&db);
    support_rmdir(folder);
    return 0;
}

static void given_row(const char *id, const char *timestamp)
{
    char sql[400];

    snprintf(sql, sizeof sql,
             "INSERT INTO messages (id, conversation_id, from_session, to_session, message,"
             " timestamp) VALUES (%s, '" CONVERSATION "', 'a', 'b', 'x', '%s')",
             id, timestamp);
    file_run(&place, sql);
}

/* The first row that is not earlier than STAMP; 0: none. */
static int64_t first_since(const char *stamp)
{
    int64_t after = -1;
    char sql[100];

    assert_int_equal(since_find(db, span_str(stamp), &after), BRIDGE_OK);
    snprintf(sql, sizeof sql, "SELECT coalesce(min(id), 0) FROM messages WHERE id > %lld",
             (long long)after);
    return file_number(&place, sql);
}

static void empty_table_has_no_beginning(void **state)
{
    (void)state;
    assert_int_equal(first_since("2026-11-21T01:00:00"), 0);
}

static void first_row_at_or_behind_a_time_is_found_over_holes(void **state)
{
    (void)state;
    given_row("3", "2026-11-21T01:00:00");
    given_row("7", "2026-11-21 02:00:00");
    given_row("1000000", "2026-11-21T02:00:00.000001");
    given_row("9223372036854775806", "2026-11-21T03:00:00");
    assert_int_equal(first_since("2020-01-01T00:00:00"), 3);
    assert_int_equal(first_since("2026-11-21T01:00:00"), 3);
    assert_int_equal(first_since("2026-11-21T01:00:00.000001"), 7);
    assert_int_equal(first_since("2026-11-21T02:00:00"), 7);
    assert_int_equal(first_since("2026-11-21T02:00:00.000001"), 1000000);
    assert_int_equal(first_since("2026-11-21T02:30:00"), 9223372036854775806);
    assert_int_equal(first_since("2026-11-21T03:00:00.000001"), 0);
}

static void nothing_stays_open(void **state)
{
    (void)state;
    given_row("1", "2026-11-21T01:00:00");
    first_since("2026-11-21T01:00:00");
    assert_true(db_is_quiet(db));
}

int main(void)
{
#define WITH_FILE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_FILE(empty_table_has_no_beginning),
        WITH_FILE(first_row_at_or_behind_a_time_is_found_over_holes),
        WITH_FILE(nothing_stays_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
