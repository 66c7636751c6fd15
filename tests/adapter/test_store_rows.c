/* adapters/bridge/store: what the replies of one group share, the rows that are written many at
 * once and the look at their conversation. */
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

#define LATER 4102444800000000 /* 2100-01-01 */

/* The rows that replies have left, beside what should stand there. */
#define SENT "SELECT count(*) FROM audit_log WHERE action = 'send_message'"
#define SENT_WRONG                                                                                 \
    "SELECT count(*) FROM"                                                                         \
    " (SELECT message, timestamp, row_number() OVER (ORDER BY id) AS n FROM messages"              \
    "  WHERE from_session = 'b') m FULL JOIN"                                                      \
    " (SELECT *, row_number() OVER (ORDER BY id) AS n FROM audit_log) a ON a.n = m.n"              \
    " WHERE a.details IS NOT '{\"to\": \"a\", \"message_length\": ' || length(m.message) ||"       \
    " ', \"redacted\": false, \"verified\": \"uid:7\"}' OR a.timestamp IS NOT m.timestamp"         \
    " OR a.session_id IS NOT 'b' OR a.conversation_id IS NOT '" CONVERSATION "'"
#define SENDERS "SELECT count(*) FROM tailgate_sender"
#define SENDERS_WRONG                                                                              \
    "SELECT count(*) FROM messages m LEFT JOIN tailgate_sender t ON t.message_id = m.id"           \
    " WHERE m.from_session = 'b' AND (t.principal IS NOT 'uid:7' OR t.made_at IS NOT m.timestamp"  \
    " OR t.name IS NOT CASE WHEN length(m.message) % 2 THEN 'odd' END)"

static char text_of_length[200];

/* A reply whose text is ID bytes long, of a sender that has a name or not. */
static void put_sent(int64_t id)
{
    struct store_reply reply = store_reply_to(id, text_of_length + sizeof text_of_length - 1 - id);
    enum store_outcome outcome = STORE_DELETED;
    reply.sender = (struct store_sender){span_str("uid:7"), span_str(id % 2 ? "odd" : "")};
    assert_int_equal(store_reply(store_fixture.store, &reply, &outcome), BRIDGE_OK);
    assert_int_equal(outcome, STORE_COMMITTED);
}

static void begin(void)
{
    assert_int_equal(store_begin(store_fixture.store, clock_utc_us()), BRIDGE_OK);
}

static void commit(void)
{
    assert_int_equal(store_commit(store_fixture.store), BRIDGE_OK);
}

static int set_up(void **state)
{
    memset(text_of_length, 'x', sizeof text_of_length - 1);
    return store_set_up(state);
}

static void groups_of_every_size_leave_one_row_of_each_for_a_reply(void **state)
{
    static const int sizes[] = {1, 2, 3, 4, 5, 15, 16, 17, 21, 32, 37};
    int64_t id = 1;
    (void)state;
    store_given(153);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        begin();
        for (int n = 0; n < sizes[i]; n++)
            put_sent(id++);
        commit();
        assert_int_equal(store_number(SENT), id - 1);
        assert_int_equal(store_number(SENDERS), id - 1);
    }
    assert_int_equal(id - 1, 153);
    assert_int_equal(store_number(REPLIES), 153);
    assert_int_equal(store_number(SENT_WRONG), 0);
    assert_int_equal(store_number(SENDERS_WRONG), 0);
}

static int count_statement(unsigned type, void *context, void *statement, void *text)
{
    (void)type, (void)statement, (void)text;
    ++*(int *)context;
    return 0;
}

/* Without its BEGIN. */
static int statements_of_a_group(int64_t first, int64_t last)
{
    int statements = 0;
    begin();
    sqlite3_trace_v2(store_fixture.db, SQLITE_TRACE_STMT, count_statement, &statements);
    for (int64_t id = first; id <= last; id++)
        put_sent(id);
    commit();
    sqlite3_trace_v2(store_fixture.db, 0, NULL, NULL);
    return statements;
}

static void a_reply_of_a_large_group_runs_two_statements_of_its_own(void **state)
{
    (void)state;
    store_given(101);
    /* guard, reply, audit, sender, COMMIT */
    assert_int_equal(statements_of_a_group(1, 1), 5);
    /* of 100 rows six times sixteen, and four */
    assert_int_equal(statements_of_a_group(2, 101), 100 * 2 + 2 * (6 + 1) + 1);
}

static void a_group_that_is_undone_leaves_nothing_for_the_next_one(void **state)
{
    (void)state;
    store_given(4);
    begin();
    for (int64_t id = 1; id <= 3; id++)
        put_sent(id);
    store_rollback(store_fixture.store);
    begin();
    put_sent(4);
    commit();
    assert_int_equal(store_number(SENT), 1);
    assert_int_equal(store_number(SENDERS), 1);
    assert_int_equal(store_number(SENT_WRONG), 0);
    assert_int_equal(store_number(SENDERS_WRONG), 0);
}

static void the_audit_log_keeps_the_order_of_the_jobs(void **state)
{
    (void)state;
    store_given(4);
    file_run(&store_fixture.place, "UPDATE messages SET read = 1 WHERE id = 2");
    begin();
    put_sent(1);
    assert_int_equal(store_put(2, "late"), STORE_SUPERSEDED);
    put_sent(3);
    put_sent(4);
    commit();
    store_expect_text("SELECT group_concat(action) FROM (SELECT action FROM audit_log ORDER BY id)",
                      "send_message,query_superseded,send_message,send_message");
}

static void a_refused_audit_row_refuses_the_group(void **state)
{
    (void)state;
    store_given(2);
    file_run(&store_fixture.place, "CREATE TRIGGER no BEFORE INSERT ON audit_log"
                                   " BEGIN SELECT raise(ABORT, 'no'); END");
    begin();
    put_sent(1);
    assert_int_equal(store_commit(store_fixture.store), BRIDGE_REFUSED);
    store_rollback(store_fixture.store);
    assert_int_equal(store_number(REPLIES), 0);
    assert_int_equal(store_number(UNREAD), 2);
    file_run(&store_fixture.place, "DROP TRIGGER no");
    begin();
    put_sent(2);
    commit();
    assert_int_equal(store_number(SENT), 1);
    assert_int_equal(store_number(REPLIES), 1);
}

/* Conversations */

/* NAME, until 2099, with one query of it. */
static int64_t open_conversation(const char *name)
{
    char sql[1000];
    snprintf(sql, sizeof sql,
             "INSERT INTO conversations VALUES('%s', 'r', 'r', 't', 't', '2026-01-01T00:00:00',"
             " '2099-01-01T00:00:00');"
             "INSERT INTO messages(conversation_id, from_session, to_session, message, timestamp)"
             " VALUES('%s', 'a', 'b', '?', '2026-01-01T00:00:00')",
             name, name);
    file_run(&store_fixture.place, sql);
    return store_number("SELECT max(id) FROM messages");
}

static enum store_outcome answer_of(const char *conversation, int64_t id)
{
    struct store_reply reply = store_reply_to(id, "x");
    enum store_outcome outcome = STORE_DROPPED;
    reply.conversation_id = span_str(conversation);
    assert_int_equal(store_reply(store_fixture.store, &reply, &outcome), BRIDGE_OK);
    return outcome;
}

static void a_conversation_that_lived_in_one_group_is_looked_up_in_the_next(void **state)
{
    (void)state;
    store_given(4);
    begin();
    assert_int_equal(store_put(1, "x"), STORE_COMMITTED);
    assert_int_equal(store_put(2, "x"), STORE_COMMITTED);
    commit();
    file_run(&store_fixture.place, "UPDATE conversations SET expires_at = '2020-01-01T00:00:00'");
    begin();
    assert_int_equal(store_put(3, "x"), STORE_EXPIRED);
    assert_int_equal(store_put(4, "x"), STORE_EXPIRED);
    commit();
}

static void a_conversation_ends_with_the_time_of_the_group(void **state)
{
    int64_t id;
    (void)state;
    id = open_conversation("brief");
    begin();
    assert_int_equal(answer_of("brief", id), STORE_COMMITTED);
    commit();
    file_run(&store_fixture.place, "UPDATE messages SET read = 0");
    assert_int_equal(store_begin(store_fixture.store, LATER), BRIDGE_OK);
    assert_int_equal(answer_of("brief", id), STORE_EXPIRED);
    commit();
}

static void conversations_whose_names_end_alike_are_told_apart(void **state)
{
    int64_t lives, over, after;
    (void)state;
    lives = open_conversation("one-of-the-same-end");
    over = open_conversation("two-of-the-same-end");
    after = open_conversation("e-end"); /* shorter than what names are placed by */
    file_run(&store_fixture.place, "UPDATE conversations SET expires_at = '2020-01-01T00:00:00'"
                                   " WHERE id LIKE 'two%'");
    begin();
    assert_int_equal(answer_of("one-of-the-same-end", lives), STORE_COMMITTED);
    assert_int_equal(answer_of("two-of-the-same-end", over), STORE_EXPIRED);
    assert_int_equal(answer_of("e-end", after), STORE_COMMITTED);
    /* a row of another conversation than is said, which lives */
    assert_int_equal(answer_of("one-of-the-same-end", after), STORE_DELETED);
    commit();
}

static void a_conversation_with_a_long_name_is_looked_up_each_time(void **state)
{
    char name[200];
    int64_t first, second;
    (void)state;
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    first = open_conversation(name);
    file_run(&store_fixture.place, "INSERT INTO messages(conversation_id, from_session, to_session,"
                                   " message, timestamp) SELECT conversation_id, 'a', 'b', '?',"
                                   " timestamp FROM messages ORDER BY id DESC LIMIT 1");
    second = store_number("SELECT max(id) FROM messages");
    begin();
    assert_int_equal(answer_of(name, first), STORE_COMMITTED);
    assert_int_equal(answer_of(name, second), STORE_COMMITTED);
    commit();
    assert_int_equal(store_number(REPLIES), 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, store_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(groups_of_every_size_leave_one_row_of_each_for_a_reply),
        TEST(a_reply_of_a_large_group_runs_two_statements_of_its_own),
        TEST(a_group_that_is_undone_leaves_nothing_for_the_next_one),
        TEST(the_audit_log_keeps_the_order_of_the_jobs),
        TEST(a_refused_audit_row_refuses_the_group),
        TEST(a_conversation_that_lived_in_one_group_is_looked_up_in_the_next),
        TEST(a_conversation_ends_with_the_time_of_the_group),
        TEST(conversations_whose_names_end_alike_are_told_apart),
        TEST(a_conversation_with_a_long_name_is_looked_up_each_time),
    };
    if (token_init() != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
