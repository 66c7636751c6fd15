/* adapters/bridge/brief: which rows may still want an answer. */
#include "adapters/bridge/brief.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/adapter/support.h"

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

static void rows_are_open_that_the_bridge_would_fetch(void **state)
{
    (void)state;
    static const bool open[] = {true, false, true, false, false, false, true, true};
    struct place place = support_bridge(folder);
    struct brief brief[10];
    sqlite3 *db = NULL;
    size_t count = 0;

    file_run(&place, "INSERT INTO messages(conversation_id, from_session, to_session, message,"
                     " timestamp, read) VALUES"
                     "('" CONVERSATION "', 'a', 'b', '', '', 0), ('x', 'a', 'b', '', '', 1),"
                     "('x', 'a', 'b', '', '', NULL), ('x', 'a', 'b', '', '', 'yes'),"
                     "('x', 'a', 'b', '', '', x'00'), ('x', 'b', 'a', '', '', 0),"
                     "('x', 'a', 'b', '', '', 0.0), ('x', 'a', x'62', '', '', 0)");
    assert_int_equal(db_open(&place, DB_READER, 0, &db), BRIDGE_OK);
    assert_int_equal(brief_read(db, 0, INT64_MAX, span_str("b"), 10, brief, &count), BRIDGE_OK);
    assert_int_equal(count, sizeof open / sizeof open[0]);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(brief[i].id, i + 1);
        assert_int_equal(brief[i].open, open[i]);
    }
    assert_int_equal(brief_read(db, 1, 4, span_str("b"), 10, brief, &count), BRIDGE_OK);
    assert_int_equal(count, 3);
    assert_int_equal(brief[0].id, 2);
    assert_int_equal(brief_read(db, 1, 4, span_str("b"), 2, brief, &count), BRIDGE_OK);
    assert_int_equal(count, 2);
    assert_true(db_is_quiet(db));
    db_close(&db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_are_open_that_the_bridge_would_fetch, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
