/* adapters/bridge/store: the record of a query that ended without us. */
#include "adapters/bridge/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "adapters/host/clock.h"
#include "tests/adapter/store_fixture.h"

static int record(int64_t id, enum store_outcome *ret_outcome)
{
    const struct store_reply end = {
        .message_id = id,
        .conversation_id = span_str(CONVERSATION),
        .from_session = span_str("b"),
    };
    int error;

    assert_int_equal(store_begin(store_fixture.store, clock_utc_us()), BRIDGE_OK);
    error = store_end(store_fixture.store, &end, ret_outcome);
    if (error)
        store_rollback(store_fixture.store);
    else
        assert_int_equal(store_commit(store_fixture.store), BRIDGE_OK);
    return error;
}

static void an_end_is_one_audit_row_and_nothing_else(void **state)
{
    enum store_outcome outcome = STORE_COMMITTED;

    (void)state;
    store_given(1);
    file_run(&store_fixture.place, "UPDATE messages SET read = 1");
    assert_int_equal(record(1, &outcome), BRIDGE_OK);
    assert_int_equal(outcome, STORE_SUPERSEDED);
    assert_int_equal(store_number(AUDIT("query_superseded")), 1);
    assert_int_equal(store_number("SELECT count(*) FROM audit_log"), 1);
    assert_int_equal(store_number(REPLIES), 0);
}

static void an_end_is_recorded_once_until_the_mark_has_passed_it(void **state)
{
    enum store_outcome outcome;

    (void)state;
    store_given(1);
    file_run(&store_fixture.place, "UPDATE conversations SET expires_at = '2000-01-01T00:00:00'");
    assert_int_equal(record(1, &outcome), BRIDGE_OK);
    assert_int_equal(record(1, &outcome), BRIDGE_OK); /* a scan or a restart came by it again */
    assert_int_equal(outcome, STORE_EXPIRED);
    assert_int_equal(store_number(AUDIT("query_expired")), 1);
    assert_int_equal(store_number("SELECT count(*) FROM tailgate_ended"), 1);
    assert_int_equal(store_begin(store_fixture.store, clock_utc_us()), BRIDGE_OK);
    assert_int_equal(store_mark(store_fixture.store, 1, NULL, 0), BRIDGE_OK);
    assert_int_equal(store_commit(store_fixture.store), BRIDGE_OK);
    assert_int_equal(store_number("SELECT count(*) FROM tailgate_ended"), 0);
}

static void each_end_is_told_apart(void **state)
{
    enum store_outcome outcome = STORE_COMMITTED;

    (void)state;
    store_given(1);
    assert_int_equal(record(999, &outcome), BRIDGE_OK);
    assert_int_equal(outcome, STORE_DELETED);
    file_run(&store_fixture.place, "UPDATE conversations SET expires_at = '2001-01-01T00:00:00'");
    assert_int_equal(record(1, &outcome), BRIDGE_OK);
    assert_int_equal(outcome, STORE_EXPIRED);
    assert_int_equal(store_number(AUDIT("query_deleted")), 1);
    assert_int_equal(store_number(AUDIT("query_expired")), 1);
}

static void a_query_that_has_not_ended_is_not_recorded_as_ended(void **state)
{
    enum store_outcome outcome = STORE_COMMITTED;

    (void)state;
    store_given(1);
    assert_int_equal(record(1, &outcome), BRIDGE_REFUSED);
    assert_int_equal(outcome, STORE_COMMITTED); /* untouched */
    assert_int_equal(store_number("SELECT count(*) FROM audit_log"), 0);
}

/* A worker that has lost its gateway says its answer again to the next one. */
static void an_answer_that_comes_again_is_no_second_end(void **state)
{
    (void)state;
    store_given(1);
    file_run(&store_fixture.place, "UPDATE conversations SET expires_at = '2001-01-01T00:00:00'");
    assert_int_equal(store_commit_one(1, "paid for"), STORE_EXPIRED);
    assert_int_equal(store_commit_one(1, "paid for"), STORE_EXPIRED);
    assert_int_equal(store_number(AUDIT("query_expired")), 1);
    assert_int_equal(store_number(KEPT), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_end_is_one_audit_row_and_nothing_else, store_set_up,
                                        store_tear_down),
        cmocka_unit_test_setup_teardown(an_end_is_recorded_once_until_the_mark_has_passed_it,
                                        store_set_up, store_tear_down),
        cmocka_unit_test_setup_teardown(each_end_is_told_apart, store_set_up, store_tear_down),
        cmocka_unit_test_setup_teardown(a_query_that_has_not_ended_is_not_recorded_as_ended,
                                        store_set_up, store_tear_down),
        cmocka_unit_test_setup_teardown(an_answer_that_comes_again_is_no_second_end, store_set_up,
                                        store_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
