/* adapters/bridge/store: one reply, in one transaction, or one record of why there is none. */
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
#include "tests/adapter/support.h"

static void a_reply_is_a_row_a_read_flag_and_the_bridges_audit_row(void **state)
{
    (void)state;
    store_given(2);
    assert_int_equal(store_begin(store_fixture.store, 1795222800123456), BRIDGE_OK);
    assert_int_equal(store_put(1, "schön"), STORE_COMMITTED);
    assert_int_equal(store_commit(store_fixture.store), BRIDGE_OK);
    assert_int_equal(store_number(REPLIES), 1);
    assert_int_equal(store_number(UNREAD), 1);
    assert_int_equal(store_number("SELECT id FROM messages WHERE read = 1"), 1);
    store_expect_text(
        "SELECT conversation_id || from_session || to_session || message || metadata ||"
        " timestamp || read || typeof(message) FROM messages WHERE id = 3",
        CONVERSATION "baschön{\"in_reply_to\":1}2026-11-21T01:00:00.1234560text");
    store_expect_text("SELECT conversation_id || session_id || action || details || timestamp"
                      " FROM audit_log",
                      CONVERSATION "bsend_message{\"to\": \"a\", \"message_length\": 5,"
                                   " \"redacted\": false}2026-11-21T01:00:00.123456");
}

static void the_bridge_fetches_what_was_committed(void **state)
{
    (void)state;
    store_given(1);
    assert_int_equal(store_commit_one(1, "{\"answer\": \"東\"}"), STORE_COMMITTED);
    struct peer_process peer = peer_start("fetch", store_fixture.place.db, CONVERSATION, "a", NULL);
    char line[1000];
    assert_true(peer_line(&peer, line, sizeof line));
    assert_int_equal(peer_wait(&peer), 0);
    assert_non_null(strstr(line, "\"metadata\": {\"in_reply_to\": 1}"));
    assert_non_null(strstr(line, "\\u6771"));
}

static void a_reply_committed_however_often_is_one_row(void **state)
{
    (void)state;
    store_given(1);
    assert_int_equal(store_commit_one(1, "first"), STORE_COMMITTED);
    for (int i = 0; i < 5; i++)
        assert_int_equal(store_commit_one(1, "again"), STORE_SUPERSEDED);
    assert_int_equal(store_begin(store_fixture.store, clock_utc_us()), BRIDGE_OK);
    assert_int_equal(store_put(1, "in a group"), STORE_SUPERSEDED);
    assert_int_equal(store_put(1, "of two"), STORE_SUPERSEDED);
    assert_int_equal(store_commit(store_fixture.store), BRIDGE_OK);
    assert_int_equal(store_number(REPLIES), 1);
    store_expect_text("SELECT message FROM messages WHERE from_session = 'b'", "first");
    assert_int_equal(store_number(AUDIT("send_message")), 1);
    assert_int_equal(store_number(AUDIT("query_superseded")), 1); /* it ended once */
}

static void expect_end(enum store_outcome outcome, enum store_outcome want, const char *action)
{
    assert_int_equal(outcome, want);
    assert_int_equal(store_number(REPLIES), 0);
    assert_int_equal(store_number("SELECT count(*) FROM audit_log"), 1);
    store_expect_text("SELECT action FROM audit_log", action);
    store_expect_text("SELECT details FROM audit_log", "{\"message_id\": 1}");
    store_expect_text("SELECT conversation_id || session_id FROM audit_log", CONVERSATION "b");
}

static void a_query_that_somebody_else_took_is_superseded(void **state)
{
    (void)state;
    store_given(1);
    file_run(&store_fixture.place, "UPDATE messages SET read = 1");
    expect_end(store_commit_one(1, "late"), STORE_SUPERSEDED, "query_superseded");
}

static void a_query_of_an_expired_conversation_is_expired(void **state)
{
    (void)state;
    store_given(1);
    file_run(&store_fixture.place, "UPDATE conversations SET expires_at = '2020-01-01T00:00:00'");
    expect_end(store_commit_one(1, "late"), STORE_EXPIRED, "query_expired");
    assert_int_equal(store_number(UNREAD), 1);
}

static void a_query_whose_row_is_gone_is_deleted(void **state)
{
    (void)state;
    store_given(1);
    file_run(&store_fixture.place, "DELETE FROM messages");
    expect_end(store_commit_one(1, "late"), STORE_DELETED, "query_deleted");
}

static void a_query_whose_conversation_is_gone_is_deleted(void **state)
{
    (void)state;
    store_given(1);
    file_run(&store_fixture.place, "DELETE FROM conversations");
    expect_end(store_commit_one(1, "late"), STORE_DELETED, "query_deleted");
}

static void a_query_whose_id_belongs_to_another_conversation_is_deleted(void **state)
{
    (void)state;
    store_given(1);
    file_run(&store_fixture.place,
             "INSERT INTO conversations SELECT 'conv_other', 'x', 'y', 't', 't', '',"
             " expires_at FROM conversations;"
             "UPDATE messages SET conversation_id = 'conv_other'");
    expect_end(store_commit_one(1, "late"), STORE_DELETED, "query_deleted");
    assert_int_equal(store_number(UNREAD), 1);
}

static void the_forms_of_a_time_that_python_reads_are_compared_as_times(void **state)
{
    (void)state;
    static const struct {
        const char *expires_at;
        enum store_outcome want;
    } table[] = {
        {"2026-11-21T01:00:00.000001", STORE_COMMITTED},
        {"2026-11-21T01:00:01", STORE_COMMITTED},
        {"2026-11-21 01:00:00.5", STORE_COMMITTED},
        {"2026-11-21T01:00:00", STORE_EXPIRED},
        {"2026-11-21 00:59:59.999999", STORE_EXPIRED},
        {"2026-11-21", STORE_EXPIRED},
        {"2026-11-22", STORE_COMMITTED},
        {"2026-11-21T00:59:59.999999", STORE_EXPIRED},
        {"", STORE_EXPIRED},
        {"never", STORE_COMMITTED},
    };
    size_t count = sizeof table / sizeof table[0];
    store_given((int)count);
    for (size_t i = 0; i < count; i++) {
        char sql[200];
        snprintf(sql, sizeof sql, "UPDATE conversations SET expires_at = '%s'",
                 table[i].expires_at);
        file_run(&store_fixture.place, sql);
        /* 01:00:00 */
        assert_int_equal(store_begin(store_fixture.store, 1795222800000000), BRIDGE_OK);
        assert_int_equal(store_put((int64_t)i + 1, "x"), table[i].want);
        assert_int_equal(store_commit(store_fixture.store), BRIDGE_OK);
    }
}

static void a_dead_querys_error_reply_is_recorded_as_such(void **state)
{
    (void)state;
    store_given(1);
    struct store_reply reply = store_reply_to(1, "{\"type\":\"error\"}");
    reply.dead = true;
    enum store_outcome outcome;
    assert_int_equal(store_begin(store_fixture.store, clock_utc_us()), BRIDGE_OK);
    assert_int_equal(store_reply(store_fixture.store, &reply, &outcome), BRIDGE_OK);
    assert_int_equal(outcome, STORE_COMMITTED);
    assert_int_equal(store_commit(store_fixture.store), BRIDGE_OK);
    assert_int_equal(store_number(REPLIES), 1);
    assert_int_equal(store_number(AUDIT("send_message")), 1);
    assert_int_equal(store_number(AUDIT("query_dead")), 1);
    store_expect_text("SELECT details FROM audit_log WHERE action = 'query_dead'",
                      "{\"message_id\": 1}");
}

static void a_rolled_back_group_leaves_nothing(void **state)
{
    (void)state;
    store_given(3);
    assert_int_equal(store_begin(store_fixture.store, clock_utc_us()), BRIDGE_OK);
    assert_int_equal(store_put(1, "x"), STORE_COMMITTED);
    assert_int_equal(store_put(2, "x"), STORE_COMMITTED);
    assert_int_equal(store_put(99, "x"), STORE_DELETED);
    store_rollback(store_fixture.store);
    store_rollback(store_fixture.store); /* and does no harm twice */
    assert_int_equal(store_number(REPLIES), 0);
    assert_int_equal(store_number(UNREAD), 3);
    assert_int_equal(store_number("SELECT count(*) FROM audit_log"), 0);
    assert_int_equal(store_commit_one(1, "x"), STORE_COMMITTED);
}

static void a_group_that_is_not_committed_is_seen_by_nobody(void **state)
{
    (void)state;
    store_given(1);
    assert_int_equal(store_begin(store_fixture.store, clock_utc_us()), BRIDGE_OK);
    assert_int_equal(store_put(1, "x"), STORE_COMMITTED);
    assert_int_equal(store_number(REPLIES), 0);
    assert_int_equal(store_number(UNREAD), 1);
    store_close(&store_fixture.store); /* closing in the middle is a rollback */
    assert_int_equal(store_number(UNREAD), 1);
    assert_int_equal(store_number("SELECT count(*) FROM audit_log"), 0);
}

static void a_text_that_python_could_not_read_is_refused(void **state)
{
    (void)state;
    store_given(2);
    struct store_reply bad[] = {store_reply_to(1, "x"), store_reply_to(1, "x"),
                                store_reply_to(1, "bad \xff"), store_reply_to(1, "x")};
    bad[0].text = span_of("a\0b", 3);
    bad[1].metadata = span_str("{\"x\":\"\xc0\"}");
    bad[3].to_session = span_str("\xed\xa0\x80");
    assert_int_equal(store_begin(store_fixture.store, clock_utc_us()), BRIDGE_OK);
    for (size_t i = 0; i < 4; i++) {
        enum store_outcome outcome;
        assert_int_equal(store_reply(store_fixture.store, &bad[i], &outcome), BRIDGE_REFUSED);
    }
    assert_int_equal(store_put(2, "good"), STORE_COMMITTED);
    assert_int_equal(store_commit(store_fixture.store), BRIDGE_OK);
    assert_int_equal(store_number(REPLIES), 1);
}

static void a_trigger_that_refuses_a_reply_is_reported_and_leaves_nothing(void **state)
{
    (void)state;
    static const char *const triggers[] = {
        "BEFORE INSERT ON messages BEGIN SELECT RAISE(ABORT, 'no'); END",
        "BEFORE INSERT ON messages BEGIN SELECT RAISE(ROLLBACK, 'no'); END",
        "BEFORE INSERT ON messages BEGIN SELECT RAISE(IGNORE); END",
        "BEFORE UPDATE ON messages BEGIN SELECT RAISE(IGNORE); END",
    };
    store_given(1);
    for (size_t i = 0; i < 4; i++) {
        char sql[200];
        snprintf(sql, sizeof sql, "CREATE TRIGGER t %s", triggers[i]);
        file_run(&store_fixture.place, sql);
        struct store_reply reply = store_reply_to(1, "x");
        enum store_outcome outcome;
        assert_int_equal(store_begin(store_fixture.store, clock_utc_us()), BRIDGE_OK);
        assert_int_equal(store_reply(store_fixture.store, &reply, &outcome), BRIDGE_REFUSED);
        store_rollback(store_fixture.store);
        file_run(&store_fixture.place, "DROP TRIGGER t");
        assert_int_equal(store_number(UNREAD), 1);
        assert_int_equal(store_number("SELECT count(*) FROM audit_log"), 0);
    }
    assert_int_equal(store_commit_one(1, "x"), STORE_COMMITTED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, store_set_up, store_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_reply_is_a_row_a_read_flag_and_the_bridges_audit_row),
        TEST(the_bridge_fetches_what_was_committed),
        TEST(a_reply_committed_however_often_is_one_row),
        TEST(a_query_that_somebody_else_took_is_superseded),
        TEST(a_query_of_an_expired_conversation_is_expired),
        TEST(a_query_whose_row_is_gone_is_deleted),
        TEST(a_query_whose_conversation_is_gone_is_deleted),
        TEST(a_query_whose_id_belongs_to_another_conversation_is_deleted),
        TEST(the_forms_of_a_time_that_python_reads_are_compared_as_times),
        TEST(a_dead_querys_error_reply_is_recorded_as_such),
        TEST(a_rolled_back_group_leaves_nothing),
        TEST(a_group_that_is_not_committed_is_seen_by_nobody),
        TEST(a_text_that_python_could_not_read_is_refused),
        TEST(a_trigger_that_refuses_a_reply_is_reported_and_leaves_nothing),
    };
    if (token_init() != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
