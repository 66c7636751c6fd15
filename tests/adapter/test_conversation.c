/* adapters/bridge/conversation: what `init` and `ask` write is what the bridge's own programs
 * write. */
#include "adapters/bridge/conversation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "adapters/bridge/schema.h"
#include "adapters/host/clock.h"
#include "tests/adapter/support.h"

#define NOW_US 1795222800000000 /* 2026-11-21T01:00:00 */

struct fixture {
    char folder[PATH_MAX];
    struct place place;
    sqlite3 *db;
};
static struct fixture fixture;

static int set_up(void **state)
{
    (void)state;
    support_mkdir(fixture.folder);
    fixture.place = support_bridge(fixture.folder);
    return db_open(&fixture.place, DB_MAKER, 5000, &fixture.db);
}

static int tear_down(void **state)
{
    (void)state;
    db_close(&fixture.db);
    support_rmdir(fixture.folder);
    return 0;
}

static void expect_text(const char *sql, const char *want)
{
    char *text = file_text(&fixture.place, sql);
    assert_non_null(text);
    assert_string_equal(text, want);
    free(text);
}

static bool is_hex(const char *text, size_t size)
{
    return strlen(text) == size && strspn(text, "0123456789abcdef") == size;
}

static void a_conversation_has_random_tokens_an_end_and_an_audit_row(void **state)
{
    (void)state;
    struct conversation one, two;
    assert_int_equal(conversation_make(fixture.db, "a\"sker", "default", 10800, NOW_US, &one),
                     BRIDGE_OK);
    assert_int_equal(conversation_make(fixture.db, "asker", "default", 1, NOW_US + 5, &two),
                     BRIDGE_OK);
    assert_memory_equal(one.id, "conv_", 5);
    assert_true(is_hex(one.id + 5, 16));
    assert_true(is_hex(one.token_a, 64) && is_hex(one.token_b, 64));
    assert_string_not_equal(one.token_a, one.token_b);
    assert_string_not_equal(one.token_a, two.token_a);
    assert_string_not_equal(one.id, two.id);
    assert_string_equal(one.created_at, "2026-11-21T01:00:00");
    assert_string_equal(one.expires_at, "2026-11-21T04:00:00");
    assert_string_equal(two.expires_at, "2026-11-21T01:00:01.000005");
    expect_text("SELECT action || details || timestamp || (session_id IS NULL) FROM audit_log",
                "create_conversation{\"roles\": [\"a\\\"sker\", \"default\"]}2026-11-21T01:00:001");
    expect_text("SELECT count(*) FROM conversations c JOIN audit_log a ON a.conversation_id = c.id",
                "2");
}

static void roles_and_times_that_cannot_be_are_refused(void **state)
{
    (void)state;
    struct conversation made;
    assert_int_equal(conversation_make(fixture.db, "\xff", "b", 1, NOW_US, &made), BRIDGE_REFUSED);
    assert_int_equal(conversation_make(fixture.db, "a", "b", -1, NOW_US, &made), BRIDGE_REFUSED);
    assert_int_equal(conversation_make(fixture.db, "a", "b", INT64_MAX, NOW_US, &made),
                     BRIDGE_REFUSED);
    expect_text("SELECT count(*) FROM conversations", "1");
}

static void a_conversation_is_live_expired_or_absent(void **state)
{
    (void)state;
    struct conversation made;
    enum conversation_state found = CONVERSATION_ABSENT;
    assert_int_equal(conversation_make(fixture.db, "a", "b", 10, NOW_US, &made), BRIDGE_OK);
    struct span id = span_str(made.id);
    assert_int_equal(conversation_look(fixture.db, id, NOW_US + 9999999, &found), BRIDGE_OK);
    assert_int_equal(found, CONVERSATION_LIVE);
    assert_int_equal(conversation_look(fixture.db, id, NOW_US + 10000000, &found), BRIDGE_OK);
    assert_int_equal(found, CONVERSATION_EXPIRED);
    assert_int_equal(conversation_look(fixture.db, span_str("conv_no"), NOW_US, &found), BRIDGE_OK);
    assert_int_equal(found, CONVERSATION_ABSENT);
}

static void one_of_ours_is_recorded_for_its_end_where_there_is_a_place_for_it(void **state)
{
    (void)state;
    struct conversation made;
    assert_int_equal(conversation_make_ours(fixture.db, "a", "b", 10, NOW_US, &made), BRIDGE_OK);
    expect_text("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'tailgate%'", "0");
    assert_int_equal(schema_make_ours(fixture.db), BRIDGE_OK);
    assert_int_equal(conversation_make_ours(fixture.db, "a", "b", 10, NOW_US, &made), BRIDGE_OK);
    assert_int_equal(conversation_make(fixture.db, "a", "b", 10, NOW_US, &made), BRIDGE_OK);
    expect_text("SELECT count(*) FROM tailgate_made WHERE last_id IS NULL", "1");
    expect_text("SELECT count(*) FROM tailgate_made t JOIN conversations c"
                " ON c.id = t.conversation_id AND c.expires_at = t.expires_at",
                "1");
    file_run(&fixture.place, "UPDATE tailgate_meta SET value = 99 WHERE key = 'schema_version'");
    assert_int_equal(conversation_make_ours(fixture.db, "a", "b", 10, NOW_US, &made), BRIDGE_OK);
    expect_text("SELECT count(*) FROM tailgate_made", "1");
}

static void one_of_ours_that_cannot_be_recorded_is_not_made(void **state)
{
    (void)state;
    struct conversation made;
    assert_int_equal(schema_make_ours(fixture.db), BRIDGE_OK);
    file_run(&fixture.place, "CREATE TRIGGER no BEFORE INSERT ON tailgate_made"
                             " BEGIN SELECT RAISE(ABORT, 'no'); END");
    assert_int_equal(conversation_make_ours(fixture.db, "a", "b", 10, NOW_US, &made),
                     BRIDGE_REFUSED);
    expect_text("SELECT count(*) FROM conversations", "1");
    expect_text("SELECT count(*) FROM audit_log", "0");
}

static void a_message_is_sent_as_the_bridge_sends(void **state)
{
    (void)state;
    int64_t id = 0;
    assert_int_equal(conversation_send(fixture.db, span_str(CONVERSATION), "a", "b",
                                       span_str("Wie heißt 東?"), span_str("{\"x\": 1}"), NOW_US,
                                       &id),
                     BRIDGE_OK);
    assert_int_equal(id, 1);
    expect_text("SELECT from_session || to_session || message || metadata || timestamp || read"
                " FROM messages WHERE id = 1",
                "abWie heißt 東?{\"x\": 1}2026-11-21T01:00:000");
    expect_text("SELECT session_id || action || details FROM audit_log",
                "asend_message{\"to\": \"b\", \"message_length\": 12, \"redacted\": false}");
    assert_int_equal(conversation_send(fixture.db, span_str(CONVERSATION), "a", "b", span_str("x"),
                                       span_str(""), NOW_US, &id),
                     BRIDGE_OK);
    expect_text("SELECT metadata IS NULL FROM messages WHERE id = 2", "1");

    struct peer_process peer = peer_start("fetch", fixture.place.db, CONVERSATION, "b", NULL);
    char line[1000];
    assert_true(peer_line(&peer, line, sizeof line));
    assert_int_equal(peer_wait(&peer), 0);
    assert_non_null(strstr(line, "\"metadata\": {\"x\": 1}"));
}

static void a_message_to_nowhere_or_of_broken_text_is_refused(void **state)
{
    (void)state;
    int64_t id = 77;
    assert_int_equal(conversation_send(fixture.db, span_str("conv_no"), "a", "b", span_str("x"),
                                       span_str(""), NOW_US, &id),
                     BRIDGE_ABSENT);
    assert_int_equal(conversation_send(fixture.db, span_str(CONVERSATION), "a", "b",
                                       span_str("\xff"), span_str(""), NOW_US, &id),
                     BRIDGE_REFUSED);
    assert_int_equal(id, 77);
    expect_text("SELECT count(*) FROM messages", "0");
    expect_text("SELECT count(*) FROM audit_log", "0");
}

static void a_fetch_marks_once_and_leaves_its_audit_row(void **state)
{
    (void)state;
    peer_run("send", fixture.place.db, CONVERSATION, "b", "answer", NULL);
    for (int i = 0; i < 2; i++)
        assert_int_equal(conversation_fetch(fixture.db, 1, NOW_US), BRIDGE_OK);
    assert_int_equal(conversation_fetch(fixture.db, 99, NOW_US), BRIDGE_OK);
    expect_text("SELECT read FROM messages", "1");
    expect_text("SELECT count(*) FROM audit_log WHERE action = 'get_messages'", "1");
    expect_text("SELECT conversation_id || session_id || details FROM audit_log"
                " WHERE action = 'get_messages'",
                CONVERSATION "a{\"count\": 1}");
}

static void a_locked_database_is_busy_and_no_transaction_stays_open(void **state)
{
    (void)state;
    sqlite3 *db = NULL;
    int64_t id = 0;
    struct peer_process peer = peer_start("lock", fixture.place.db, NULL);
    char line[32];
    assert_true(peer_line(&peer, line, sizeof line));
    assert_int_equal(db_open(&fixture.place, DB_WRITER, 50, &db), BRIDGE_OK);
    assert_int_equal(conversation_send(db, span_str(CONVERSATION), "a", "b", span_str("x"),
                                       span_str(""), NOW_US, &id),
                     BRIDGE_BUSY);
    assert_true(sqlite3_get_autocommit(db));
    assert_int_equal(peer_wait(&peer), 0);
    assert_int_equal(conversation_send(db, span_str(CONVERSATION), "a", "b", span_str("x"),
                                       span_str(""), NOW_US, &id),
                     BRIDGE_OK);
    db_close(&db);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_conversation_has_random_tokens_an_end_and_an_audit_row),
        TEST(roles_and_times_that_cannot_be_are_refused),
        TEST(a_conversation_is_live_expired_or_absent),
        TEST(one_of_ours_is_recorded_for_its_end_where_there_is_a_place_for_it),
        TEST(one_of_ours_that_cannot_be_recorded_is_not_made),
        TEST(a_message_is_sent_as_the_bridge_sends),
        TEST(a_message_to_nowhere_or_of_broken_text_is_refused),
        TEST(a_fetch_marks_once_and_leaves_its_audit_row),
        TEST(a_locked_database_is_busy_and_no_transaction_stays_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
