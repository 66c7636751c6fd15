/* adapters/bridge/store: presence in the bridge's own session_status. */
#include "adapters/bridge/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "adapters/host/clock.h"
#include "tests/adapter/store_fixture.h"

#define STATUS "SELECT status || ' ' || last_heartbeat FROM session_status WHERE session_id = 'b'"
#define ROWS "SELECT count(*) FROM session_status"
#define SECOND 1000000LL

static void present_at(int64_t now_us, const char *conversation)
{
    assert_int_equal(store_begin(store_fixture.store, now_us), BRIDGE_OK);
    assert_int_equal(store_present(store_fixture.store, span_str(conversation), span_str("b")),
                     BRIDGE_OK);
    assert_int_equal(store_commit(store_fixture.store), BRIDGE_OK);
}

static void a_served_session_is_present(void **state)
{
    (void)state;
    present_at(STORE_TIME, CONVERSATION);
    store_expect_text(STATUS, "tailgate " STORE_TIME_TEXT);
    present_at(STORE_TIME + 31 * SECOND, CONVERSATION);
    store_expect_text(STATUS, "tailgate 2026-11-21T00:00:31");
    assert_int_equal(store_number(ROWS), 1);
}

static void presence_is_told_once_in_half_a_minute(void **state)
{
    (void)state;
    present_at(STORE_TIME, CONVERSATION);
    present_at(STORE_TIME + 29 * SECOND, CONVERSATION);
    store_expect_text(STATUS, "tailgate " STORE_TIME_TEXT);
    present_at(STORE_TIME - 500 * SECOND, CONVERSATION); /* the clock was set back */
    store_expect_text(STATUS, "tailgate 2026-11-20T23:51:40");
}

static void presence_leaves_a_living_agent_alone(void **state)
{
    static const struct {
        const char *heartbeat;
        bool alive;
    } table[] = {
        {"2026-11-20T23:58:00.000001", true}, {"2026-11-20 23:59:00", true},
        {"2026-11-21T00:10:00", true},        {"2026-11-20T23:58:00", false},
        {"2026-11-20 23:57:59.9", false},     {"", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char sql[300], want[100];
        snprintf(sql, sizeof sql,
                 "INSERT OR REPLACE INTO session_status VALUES('" CONVERSATION
                 "', 'b', 'working', '%s')",
                 table[i].heartbeat);
        snprintf(want, sizeof want, "working %s", table[i].heartbeat);
        file_run(&store_fixture.place, sql);
        store_rollback(store_fixture.store); /* which forgets that it was told */
        present_at(STORE_TIME, CONVERSATION);
        store_expect_text(STATUS, table[i].alive ? want : "tailgate " STORE_TIME_TEXT);
    }
}

static void presence_that_was_rolled_back_is_told_again(void **state)
{
    (void)state;
    assert_int_equal(store_begin(store_fixture.store, STORE_TIME), BRIDGE_OK);
    assert_int_equal(store_present(store_fixture.store, span_str(CONVERSATION), span_str("b")),
                     BRIDGE_OK);
    store_rollback(store_fixture.store);
    assert_int_equal(store_number(ROWS), 0);
    present_at(STORE_TIME, CONVERSATION);
    assert_int_equal(store_number(ROWS), 1);
}

static void each_session_has_a_presence_of_its_own(void **state)
{
    (void)state;
    char name[16];
    file_run(&store_fixture.place,
             "WITH RECURSIVE n(i) AS (VALUES(0) UNION ALL SELECT i + 1 FROM n WHERE i < 599)"
             " INSERT INTO conversations SELECT 'conv_' || i, '', '', '', '', '', '' FROM n");
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 600; i++) {
            snprintf(name, sizeof name, "conv_%d", i);
            present_at(STORE_TIME + round * 40 * SECOND, name);
        }
    }
    assert_int_equal(store_number(ROWS), 600);
    assert_int_equal(store_number("SELECT count(*) FROM session_status"
                                  " WHERE last_heartbeat = '2026-11-21T00:00:40'"),
                     600);
}

static void presence_that_was_told_costs_a_reply_no_statement(void **state)
{
    (void)state;
    store_given(2);
    struct store_reply reply = store_reply_to(1, "x");
    reply.present = true;
    assert_int_equal(store_commit_reply(&reply), STORE_COMMITTED);
    file_run(&store_fixture.place, "DELETE FROM session_status");
    reply.message_id = 2;
    assert_int_equal(store_commit_reply(&reply), STORE_COMMITTED);
    assert_int_equal(store_number(ROWS), 0); /* nobody looked */
}

static void a_thousand_conversations_in_turn_are_remembered(void **state)
{
    (void)state;
    file_run(&store_fixture.place, /* ids as scattered as the bridge's are */
             "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
             " INSERT INTO conversations SELECT printf('conv_%016x', i * 2654435761 * 1000003),"
             " 'x', 'y', 'x', 'y', '', '2099-01-01' FROM n");
    for (int round = 0; round < 2; round++) {
        assert_int_equal(store_begin(store_fixture.store, STORE_TIME), BRIDGE_OK);
        for (long long i = 1; i <= 1000; i++) {
            char id[40];
            snprintf(id, sizeof id, "conv_%016llx", i * 2654435761 * 1000003);
            assert_int_equal(store_present(store_fixture.store, span_str(id), span_str("b")),
                             BRIDGE_OK);
        }
        assert_int_equal(store_commit(store_fixture.store), BRIDGE_OK);
        if (round == 0) {
            assert_int_equal(store_number(ROWS), 1000);
            file_run(&store_fixture.place, "DELETE FROM session_status");
        }
    }
    assert_in_range(store_number(ROWS), 0, 50); /* what was forgotten is told again */
}

static void a_conversation_that_is_gone_has_no_presence(void **state)
{
    (void)state;
    present_at(STORE_TIME, "conv_gone");
    assert_int_equal(store_number(ROWS), 0);
}

static void a_reply_and_a_lease_tell_presence_when_they_are_to(void **state)
{
    (void)state;
    store_given(3);
    struct store_reply reply = store_reply_to(1, "x");
    assert_int_equal(store_commit_reply(&reply), STORE_COMMITTED);
    assert_int_equal(store_number(ROWS), 0);
    reply.message_id = 2;
    reply.present = true;
    assert_int_equal(store_commit_reply(&reply), STORE_COMMITTED);
    assert_int_equal(store_number(ROWS), 1);
    assert_int_equal(store_commit_reply(&reply), STORE_SUPERSEDED);
    file_run(&store_fixture.place, "DELETE FROM session_status");
    store_rollback(store_fixture.store); /* which forgets that it was told */
    struct store_delivery delivery = store_delivery_of(3);
    store_commit_lease(&delivery);
    assert_int_equal(store_number(ROWS), 0);
    delivery.present = true;
    store_commit_lease(&delivery);
    assert_int_equal(store_number(ROWS), 1);
}

static void every_leased_query_keeps_its_session_present(void **state)
{
    (void)state;
    store_given(4);
    file_run(&store_fixture.place, "UPDATE messages SET to_session = 'c' WHERE id = 3;"
                                   "UPDATE messages SET to_session = 'd' WHERE id = 4");
    for (int64_t id = 1; id <= 4; id++) {
        struct store_delivery delivery = store_delivery_of(id);
        store_commit_lease(&delivery);
        delivery.reason = span_str("slow");
        if (id == 4)
            store_commit_failure(&delivery);
    }
    file_run(&store_fixture.place, "DELETE FROM session_status");
    assert_int_equal(store_begin(store_fixture.store, STORE_TIME), BRIDGE_OK);
    assert_int_equal(store_present_all(store_fixture.store), BRIDGE_OK);
    assert_int_equal(store_commit(store_fixture.store), BRIDGE_OK);
    store_expect_text("SELECT group_concat(session_id || status) FROM"
                      " (SELECT * FROM session_status ORDER BY session_id)",
                      "btailgate,ctailgate");
}

static void reopen_with(const char *sql)
{
    store_close(&store_fixture.store);
    file_run(&store_fixture.place, sql);
    store_fixture.store = store_open_caught(&store_fixture.place, 200);
}

static void a_session_status_without_its_key_is_left_alone(void **state)
{
    (void)state;
    assert_true(store_can_present(store_fixture.store));
    reopen_with("DROP TABLE session_status; CREATE TABLE session_status"
                "(conversation_id TEXT, session_id TEXT, status TEXT, last_heartbeat TEXT)");
    assert_false(store_can_present(store_fixture.store));
    store_given(1);
    struct store_reply reply = store_reply_to(1, "x");
    reply.present = true;
    assert_int_equal(store_commit_reply(&reply), STORE_COMMITTED);
    assert_int_equal(store_number(ROWS), 0);
    assert_int_equal(store_number(REPLIES), 1);
}

static void a_session_status_that_refuses_our_row_costs_no_reply(void **state)
{
    (void)state;
    file_run(&store_fixture.place, "CREATE TRIGGER no_gateway BEFORE INSERT ON session_status"
                                   " WHEN new.status NOT IN ('working', 'waiting')"
                                   " BEGIN SELECT raise(ABORT, 'not a status'); END");
    store_given(2);
    struct store_reply reply = store_reply_to(1, "x");
    reply.present = true;
    assert_true(store_can_present(store_fixture.store));
    assert_int_equal(store_commit_reply(&reply), STORE_COMMITTED);
    assert_false(store_can_present(store_fixture.store));
    reply.message_id = 2;
    assert_int_equal(store_commit_reply(&reply), STORE_COMMITTED);
    assert_int_equal(store_number(REPLIES), 2);
    assert_int_equal(store_number(ROWS), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, store_set_up, store_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_served_session_is_present),
        TEST(presence_is_told_once_in_half_a_minute),
        TEST(presence_leaves_a_living_agent_alone),
        TEST(presence_that_was_rolled_back_is_told_again),
        TEST(each_session_has_a_presence_of_its_own),
        TEST(presence_that_was_told_costs_a_reply_no_statement),
        TEST(a_thousand_conversations_in_turn_are_remembered),
        TEST(a_conversation_that_is_gone_has_no_presence),
        TEST(a_reply_and_a_lease_tell_presence_when_they_are_to),
        TEST(every_leased_query_keeps_its_session_present),
        TEST(a_session_status_without_its_key_is_left_alone),
        TEST(a_session_status_that_refuses_our_row_costs_no_reply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
