/* adapters/bridge/store: retention removes what only we made, bit by bit, and nothing else. */
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

#define OLD "2026-11-01T00:00:00"   /* before the horizon, */
#define YOUNG "2026-11-19T00:00:00" /* behind it, */
#define AHEAD "2031-01-01T00:00:00" /* years from now */
#define DAY_US 86400000000LL

static const struct store_retention week = {7 * 86400, 7 * 86400, 7 * 86400, 600, 86400};

static bool more; /* what the last call said */

static size_t retire_at(int64_t now_us, const struct store_retention *retention, size_t limit)
{
    size_t count = 0;
    assert_int_equal(store_begin(store_fixture.store, now_us), BRIDGE_OK);
    assert_int_equal(store_retire(store_fixture.store, retention, limit, &count, &more), BRIDGE_OK);
    assert_int_equal(store_commit(store_fixture.store), BRIDGE_OK);
    return count;
}

static size_t retire(size_t limit)
{
    return retire_at(STORE_TIME, &week, limit);
}

/* Goes on for as long as there is said to be more; returns how many calls that took. */
static int retire_until_no_more(size_t limit)
{
    int calls = 0;
    do {
        retire(limit);
        assert_in_range(++calls, 1, 1000);
    } while (more);
    return calls;
}

static void fill(const char *sql)
{
    file_run(&store_fixture.place, sql);
}

#define KEEP(id, at)                                                                               \
    "INSERT INTO tailgate_answer(message_id, conversation_id, why, worker, attempt, kept_at,"      \
    " answer) VALUES(" #id ", 'c', 'cut', '', 1, '" at "', 'x');"
#define DELIVER(id, state, at)                                                                     \
    "INSERT INTO tailgate_delivery(message_id, conversation_id, service, state, attempt, failed,"  \
    " updated_at) VALUES(" #id ", 'c', 's', '" state "', 1, 1, '" at "');"
#define LOG(action, at)                                                                            \
    "INSERT INTO audit_log(conversation_id, session_id, action, details, timestamp)"               \
    " VALUES('c', 'b', '" action "', '{\"message_id\": 1}', '" at "');"

static void what_is_young_stays_and_what_is_old_goes(void **state)
{
    (void)state;
    fill(KEEP(1, OLD) KEEP(2, YOUNG) DELIVER(1, "dead", OLD) DELIVER(2, "dead", YOUNG)
             LOG("query_dead", OLD) LOG("query_dead", YOUNG));
    assert_int_equal(retire(100), 3);
    assert_int_equal(store_number("SELECT message_id FROM tailgate_answer"), 2);
    assert_int_equal(store_number("SELECT message_id FROM tailgate_delivery"), 2);
    store_expect_text("SELECT timestamp FROM audit_log", YOUNG);
    assert_int_equal(retire(100), 0);
    /* and has its turn when its time is over */
    assert_int_equal(retire_at(STORE_TIME + 10 * DAY_US, &week, 100), 3);
    assert_int_equal(store_number(KEPT), 0);
    assert_int_equal(store_number(DELIVERIES), 0);
    assert_int_equal(store_number("SELECT count(*) FROM audit_log"), 0);
}

static void only_the_dead_are_removed_from_the_deliveries(void **state)
{
    (void)state;
    fill(DELIVER(1, "leased", OLD) DELIVER(2, "waiting", OLD) DELIVER(3, "dead", OLD));
    assert_int_equal(retire(100), 1);
    store_expect_text("SELECT group_concat(state) FROM tailgate_delivery", "leased,waiting");
}

static void rows_of_the_bridge_and_of_others_are_never_removed(void **state)
{
    (void)state;
    store_given(5);
    fill("UPDATE messages SET timestamp = '" OLD "', read = 1;"
         "UPDATE conversations SET expires_at = '" OLD "';"
         "INSERT INTO session_status VALUES('" CONVERSATION "', 'a', 'tailgate', '" OLD
         "');" LOG("send_message", OLD) LOG("get_messages", OLD) LOG("create_conversation", OLD)
             LOG("query_dead2", OLD) LOG("QUERY_DEAD", OLD) LOG("query", OLD) LOG("query_run", OLD)
                 LOG("dead_letter", OLD) LOG(" query_dead", OLD));
    assert_int_equal(retire(100), 0);
    assert_int_equal(store_number("SELECT count(*) FROM audit_log"), 9);
    assert_int_equal(store_number("SELECT count(*) FROM messages"), 5);
    assert_int_equal(store_number("SELECT count(*) FROM conversations"), 1);
    assert_int_equal(store_number("SELECT count(*) FROM session_status"), 1);
    fill(LOG("query_dead", OLD) LOG("query_dropped", OLD) LOG("dead_redriven", OLD));
    assert_int_equal(retire(100), 3);
    assert_int_equal(store_number("SELECT count(*) FROM audit_log"), 9);
}

static void foreign_rows_do_not_stop_the_walk_and_are_passed_once(void **state)
{
    (void)state;
    fill("INSERT INTO audit_log(action, timestamp) SELECT 'send_message', 'not a time'"
         " FROM (WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
         " SELECT i FROM n);" LOG("query_expired", OLD));
    /* 16 times the limit in one go: 160, and the rest is for the next ones */
    assert_int_equal(retire(10), 0);
    assert_int_equal(store_number("SELECT value FROM tailgate_meta WHERE key = 'retire.audit'"),
                     160);
    for (int i = 0; i < 5; i++)
        retire(10);
    assert_int_equal(retire(10), 1);
    assert_int_equal(store_number("SELECT count(*) FROM audit_log"), 1000);
}

static void make_own(const char *id, const char *expires_at, int from)
{
    char sql[1000];
    snprintf(sql, sizeof sql,
             "INSERT INTO conversations SELECT '%s', 'ask', 'default', 't', 't', '', '%s';"
             "INSERT INTO tailgate_made(conversation_id, expires_at) VALUES('%s', '%s');"
             "INSERT INTO session_status VALUES('%s', 'b', 'tailgate', '');"
             "INSERT INTO messages SELECT %d, '%s', 'a', 'b', 'q', NULL, '', 1;"
             "INSERT INTO messages SELECT %d + 2, '%s', 'b', 'a', 'x', NULL, '', 1;",
             id, expires_at, id, expires_at, id, from, id, from, id);
    fill(sql);
}

static void whoever_goes_on_while_there_is_more_comes_to_the_end(void **state)
{
    (void)state;
    retire(10);
    assert_false(more);
    fill("INSERT INTO audit_log(action, timestamp) SELECT 'send_message', 'not a time'"
         " FROM (WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
         " SELECT i FROM n);" LOG("query_expired", OLD) LOG("query_dead", YOUNG));
    assert_int_equal(retire_until_no_more(10), 7); /* few of the calls removed anything */
    store_expect_text("SELECT group_concat(action) FROM audit_log WHERE action <> 'send_message'",
                      "query_dead");
    make_own("conv_one", OLD, 2000);
    store_given(1000);
    retire_until_no_more(10);
    assert_int_equal(store_number("SELECT count(*) FROM tailgate_made"), 0);
    fill("INSERT INTO tailgate_made(conversation_id, expires_at) SELECT 'conv_' || id, '" OLD
         "' FROM messages LIMIT 25");
    retire_until_no_more(10);
    assert_int_equal(store_number("SELECT count(*) FROM tailgate_made"), 0);
    fill("INSERT INTO tailgate_made(conversation_id, expires_at) SELECT 'conv_' || id, '" YOUNG
         "' FROM messages LIMIT 25"); /* over, and to be kept for a while */
    retire_until_no_more(10);
    assert_int_equal(store_number("SELECT count(*) FROM tailgate_made WHERE last_id IS NULL"), 0);
    retire(10);
    assert_false(more);
}

/* A clock was ahead for a while: what it stamped does not keep what came before and after. */
static void stamps_from_a_clock_that_was_ahead_stop_nothing(void **state)
{
    (void)state;
    fill(KEEP(1, OLD) KEEP(2, AHEAD) KEEP(3, AHEAD) KEEP(4, OLD) KEEP(5, AHEAD) KEEP(6, YOUNG));
    fill(LOG("query_dead", AHEAD) LOG("send_message", OLD) LOG("query_expired", OLD)
             LOG("query_expired", AHEAD) LOG("send_message", OLD) LOG("query_dead", YOUNG));
    fill(DELIVER(1, "dead", AHEAD) DELIVER(2, "dead", OLD));
    assert_int_equal(retire(100), 4 + 2 + 1);
    assert_false(more);
    store_expect_text("SELECT group_concat(message_id) FROM tailgate_answer", "5,6");
    store_expect_text("SELECT group_concat(action || ' ' || timestamp) FROM audit_log"
                      " WHERE action <> 'send_message'",
                      "query_expired " AHEAD ",query_dead " YOUNG);
    store_expect_text("SELECT group_concat(message_id) FROM tailgate_delivery", "1");
    /* those whose order nothing has told yet go with what comes after them */
    assert_int_equal(retire_at(STORE_TIME + 10 * DAY_US, &week, 100), 2 + 2);
    assert_int_equal(store_number(KEPT), 0);
    assert_int_equal(store_number("SELECT count(*) FROM audit_log WHERE action LIKE 'query%'"), 0);
}

static void more_stamps_ahead_than_a_batch_has_do_not_stop_it_either(void **state)
{
    (void)state;
    for (int i = 0; i < 25; i++)
        fill(KEEP(1, AHEAD) LOG("query_dead", AHEAD));
    fill(KEEP(2, OLD) LOG("query_expired", OLD));
    assert_int_equal(retire(10), 10);
    assert_true(more);
    retire_until_no_more(10);
    assert_int_equal(store_number(KEPT), 0);
    for (int i = 0; i < 5; i++) /* such a long row of them is passed bit by bit */
        retire(10);
    assert_int_equal(store_number(AUDIT("query_expired")), 0);
}

/* At its start a machine may believe that it is last year. */
static void a_clock_that_is_behind_removes_nothing(void **state)
{
    (void)state;
    fill(KEEP(1, OLD) KEEP(2, YOUNG) DELIVER(1, "dead", OLD) LOG("query_dead", OLD)
             LOG("query_dead", YOUNG));
    assert_int_equal(retire_at(STORE_TIME - 365 * DAY_US, &week, 100), 0);
    assert_int_equal(retire(100), 3); /* nor did it pass anything for good */
}

static void retention_goes_in_batches(void **state)
{
    (void)state;
    char sql[3000];
    for (int i = 0; i < 25; i++) {
        snprintf(sql, sizeof sql, KEEP(% d, OLD) DELIVER(% d, "dead", OLD), i, i);
        fill(sql);
        fill(LOG("query_dead", OLD));
    }
    size_t all = 0;
    for (int batch = 0; batch < 7; batch++) {
        assert_int_equal(retire(10), 10);
        all += 10;
    }
    assert_int_equal(retire(10), 75 - all);
    assert_int_equal(retire(10), 0);
}

static void a_conversation_that_we_made_goes_with_all_that_is_in_it(void **state)
{
    (void)state;
    make_own("conv_one", OLD, 10);
    fill("INSERT INTO messages SELECT 11, '" CONVERSATION "', 'a', 'b', 'q', NULL, '', 1;"
         "INSERT INTO messages SELECT 13, '" CONVERSATION "', 'a', 'b', 'q', NULL, '', 1;"
         "INSERT INTO session_status VALUES('" CONVERSATION
         "', 'b', 'working', '');" KEEP(12, YOUNG) KEEP(11, YOUNG));
    /* its time is over, and its retention begins */
    assert_int_equal(retire_at(STORE_TIME - 19 * DAY_US, &week, 100), 0);
    make_own("conv_young", YOUNG, 20);
    assert_int_equal(retire(100), 3); /* two messages and a conversation */
    store_expect_text("SELECT group_concat(id) FROM messages", "11,13,20,22");
    store_expect_text("SELECT group_concat(message_id) FROM tailgate_answer", "11");
    store_expect_text("SELECT group_concat(id) FROM (SELECT id FROM conversations ORDER BY id)",
                      CONVERSATION ",conv_young");
    store_expect_text("SELECT group_concat(conversation_id) FROM"
                      " (SELECT conversation_id FROM session_status ORDER BY 1)",
                      CONVERSATION ",conv_young");
    store_expect_text("SELECT group_concat(conversation_id) FROM tailgate_made", "conv_young");
    assert_int_equal(retire(100), 0);
    /* with the answer that was kept for somebody else's, whose time is over by then, too */
    assert_int_equal(retire_at(STORE_TIME + 10 * DAY_US, &week, 100), 4);
    assert_int_equal(store_number("SELECT count(*) FROM tailgate_made"), 0);
    store_expect_text("SELECT group_concat(id) FROM messages", "11,13");
}

static void a_conversation_goes_only_when_the_walk_is_past_its_last_message(void **state)
{
    (void)state;
    make_own("conv_one", OLD, 1);
    make_own("conv_two", OLD, 2);
    assert_int_equal(retire(1), 1);
    assert_int_equal(store_number("SELECT count(*) FROM tailgate_made"), 2);
    for (int i = 0; i < 5; i++)
        assert_int_equal(retire(1), 1);
    assert_int_equal(retire(1), 0);
    assert_int_equal(store_number("SELECT count(*) FROM messages"), 0);
    assert_int_equal(store_number("SELECT count(*) FROM tailgate_made"), 0);
    assert_int_equal(store_number("SELECT count(*) FROM conversations"), 1);
}

static void a_conversation_whose_time_somebody_changed_is_theirs(void **state)
{
    (void)state;
    make_own("conv_one", OLD, 1);
    fill("UPDATE conversations SET expires_at = '2027-01-01T00:00:00' WHERE id = 'conv_one'");
    assert_int_equal(retire(100), 0);
    assert_int_equal(store_number("SELECT count(*) FROM tailgate_made"), 0);
    assert_int_equal(store_number("SELECT count(*) FROM messages"), 2);
    assert_int_equal(store_number("SELECT count(*) FROM conversations"), 2);
}

static void what_the_bridges_own_cleanup_took_is_no_trouble(void **state)
{
    (void)state;
    make_own("conv_one", OLD, 1);
    fill("DELETE FROM messages; DELETE FROM conversations WHERE id = 'conv_one'");
    retire(100);
    assert_int_equal(store_number("SELECT count(*) FROM tailgate_made"), 0);
    assert_int_equal(store_number("SELECT count(*) FROM session_status"), 0);
}

/* Rows of the bridge's messages are looked at once in their life. */
static void a_walk_does_not_begin_anew(void **state)
{
    (void)state;
    store_given(1000);
    make_own("conv_one", OLD, 2000);
    for (int i = 0; i < 7; i++)
        retire(10);
    assert_int_equal(store_number("SELECT count(*) FROM tailgate_made"), 0);
    assert_int_equal(store_number("SELECT value FROM tailgate_meta WHERE key = 'retire.messages'"),
                     2002);
    store_given(500);
    retire(10); /* none of ours: it goes to the end at once */
    assert_int_equal(store_number("SELECT value FROM tailgate_meta WHERE key = 'retire.messages'"),
                     2502);
    assert_int_equal(store_number("SELECT count(*) FROM messages"), 1500);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, store_set_up, store_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_is_young_stays_and_what_is_old_goes),
        TEST(only_the_dead_are_removed_from_the_deliveries),
        TEST(rows_of_the_bridge_and_of_others_are_never_removed),
        TEST(foreign_rows_do_not_stop_the_walk_and_are_passed_once),
        TEST(whoever_goes_on_while_there_is_more_comes_to_the_end),
        TEST(stamps_from_a_clock_that_was_ahead_stop_nothing),
        TEST(more_stamps_ahead_than_a_batch_has_do_not_stop_it_either),
        TEST(a_clock_that_is_behind_removes_nothing),
        TEST(retention_goes_in_batches),
        TEST(a_conversation_that_we_made_goes_with_all_that_is_in_it),
        TEST(a_conversation_goes_only_when_the_walk_is_past_its_last_message),
        TEST(a_conversation_whose_time_somebody_changed_is_theirs),
        TEST(what_the_bridges_own_cleanup_took_is_no_trouble),
        TEST(a_walk_does_not_begin_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
