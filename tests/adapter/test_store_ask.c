/* adapters/bridge/store: what a client asks is a row as any other, and the same request is one. */
#include "adapters/bridge/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/adapter/ask_fixture.h"

static void a_request_is_what_the_bridges_own_send_would_have_written(void **state)
{
    (void)state;
    const struct store_ask ask = ask_of("was gilt?");
    assert_int_equal(ask_expect(&ask, STORE_ASKED), 1);
    store_expect_text(
        "SELECT from_session || to_session || message || metadata || timestamp || read"
        " FROM messages",
        "abwas gilt?{\"action_type\":\"question\"}" STORE_TIME_TEXT "0");
    store_expect_text("SELECT session_a_role || session_b_role || created_at || expires_at"
                      " FROM conversations c JOIN messages m ON m.conversation_id = c.id",
                      "somebodylaw" STORE_TIME_TEXT "2026-11-21T04:00:00");
    store_expect_text("SELECT group_concat(a.action || coalesce(a.session_id, '-') || a.details ||"
                      " a.timestamp, ';') FROM audit_log a JOIN messages m"
                      " ON m.conversation_id = a.conversation_id",
                      "create_conversation-{\"roles\": [\"somebody\", \"law\"]}" STORE_TIME_TEXT
                      ";send_messagea{\"to\": \"b\", \"message_length\": 9, \"redacted\": "
                      "false}" STORE_TIME_TEXT);
    store_expect_text("SELECT message_id || asked_at || length(digest) FROM tailgate_request",
                      "1" STORE_TIME_TEXT "16");
    store_expect_text("SELECT group_concat(length(session_a_token) || length(session_b_token))"
                      " FROM conversations WHERE id <> '" CONVERSATION "'",
                      "6464");
}

static void the_bridges_own_program_can_fetch_it(void **state)
{
    (void)state;
    const struct store_ask ask = ask_of("a \"text\"\nwith ümlauts");
    ask_expect(&ask, STORE_ASKED);
    char *conversation = file_text(&store_fixture.place, "SELECT conversation_id FROM messages");
    struct peer_process peer = peer_start("fetch", store_fixture.place.db, conversation, "b", NULL);
    char line[300];
    assert_true(peer_line(&peer, line, sizeof line));
    assert_string_equal(line, "[{\"from\": \"a\", \"message\": \"a \\\"text\\\"\\nwith "
                              "\\u00fcmlauts\", \"metadata\": {\"action_type\": \"question\"},"
                              " \"at\": \"" STORE_TIME_TEXT "\"}]");
    assert_int_equal(peer_wait(&peer), 0);
    free(conversation);
}

static void the_same_request_attaches_to_its_unanswered_row(void **state)
{
    (void)state;
    const struct store_ask ask = ask_of("q");
    int64_t id = ask_expect(&ask, STORE_ASKED);
    int64_t audits = store_number("SELECT count(*) FROM audit_log");
    assert_int_equal(ask_expect(&ask, STORE_ATTACHED), id);
    assert_int_equal(store_number(REQUESTS), 1);
    assert_int_equal(store_number("SELECT count(*) FROM audit_log"), audits);
    ask_answer(id, store_reply_to(id, "x"));
    assert_true(ask_expect(&ask, STORE_ASKED) > id);
}

static void another_digest_is_another_request(void **state)
{
    (void)state;
    struct store_ask ask = ask_of("q");
    int64_t id = ask_expect(&ask, STORE_ASKED);
    ask = ask_of("r");
    assert_int_not_equal(ask_expect(&ask, STORE_ASKED), id);
}

static void a_fresh_request_is_made_and_others_attach_to_it(void **state)
{
    (void)state;
    struct store_ask ask = ask_of("q");
    int64_t first = ask_expect(&ask, STORE_ASKED);
    ask.fresh = true;
    int64_t second = ask_expect(&ask, STORE_ASKED);
    assert_true(second > first);
    ask.fresh = false;
    assert_int_equal(ask_expect(&ask, STORE_ATTACHED), second); /* the newest */
    ask_answer(second, store_reply_to(second, "x"));
    assert_int_equal(ask_expect(&ask, STORE_ATTACHED), first);
}

static void a_request_attaches_for_its_time_only(void **state)
{
    (void)state;
    const struct store_ask ask = ask_of("q");
    int64_t id = ask_expect(&ask, STORE_ASKED), other = -1;
    assert_int_equal(ask_commit_at(&ask, STORE_TIME + 600 * SECOND_US, &other), STORE_ATTACHED);
    assert_int_equal(other, id);
    assert_int_equal(ask_commit_at(&ask, STORE_TIME + 600 * SECOND_US + 1, &other), STORE_ASKED);
    assert_int_not_equal(other, id);
}

static void what_has_ended_without_an_answer_is_asked_again(void **state)
{
    (void)state;
    static const char *const ends[] = {
        "UPDATE messages SET read = 1",
        "DELETE FROM messages",
        "UPDATE conversations SET expires_at = '2026-11-20T00:00:00'",
        "DELETE FROM conversations",
    };
    const struct store_ask ask = ask_of("q");
    int64_t last = 0;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        int64_t id = ask_expect(&ask, STORE_ASKED);
        assert_true(id > last);
        last = id;
        file_run(&store_fixture.place, ends[i]);
    }
}

/* Claim dispatch sets the read flag before there is an answer. */
static void a_claimed_request_is_unanswered_until_it_is_dead(void **state)
{
    (void)state;
    const struct store_ask ask = ask_of("q");
    int64_t id = ask_expect(&ask, STORE_ASKED);
    file_run(&store_fixture.place,
             "UPDATE messages SET read = 1;"
             "INSERT INTO tailgate_delivery(message_id, conversation_id, service, state, claimed,"
             " attempt, failed, updated_at)"
             " SELECT id, conversation_id, 's', 'waiting', 1, 1, 1, '' FROM messages");
    assert_int_equal(ask_expect(&ask, STORE_ATTACHED), id);
    file_run(&store_fixture.place, "UPDATE tailgate_delivery SET state = 'dead'");
    assert_int_not_equal(ask_expect(&ask, STORE_ASKED), id);
}

/* What was answered since does not hide what waits behind it, nor cost without end. */
static void only_so_many_of_the_same_are_looked_at(void **state)
{
    (void)state;
    struct store_ask ask = ask_of("q");
    int64_t id = ask_expect(&ask, STORE_ASKED);
    ask.fresh = true;
    for (int i = 0; i < 15; i++) {
        int64_t other = ask_expect(&ask, STORE_ASKED);
        ask_answer(other, store_reply_to(other, "x"));
    }
    ask.fresh = false;
    assert_int_equal(ask_expect(&ask, STORE_ATTACHED), id);
    ask.fresh = true;
    int64_t other = ask_expect(&ask, STORE_ASKED);
    ask_answer(other, store_reply_to(other, "x"));
    ask.fresh = false;
    assert_int_not_equal(ask_expect(&ask, STORE_ASKED), id);
}

static void what_the_bridge_could_not_read_is_refused(void **state)
{
    (void)state;
    const struct span dirty[] = {span_str("\xff"), span_of("a\0b", 3)};
    for (size_t i = 0; i < 2; i++) {
        for (int field = 0; field < 8; field++) {
            struct store_ask ask = ask_of("q");
            struct span *const fields[] = {&ask.principal, &ask.role,           &ask.service,
                                           &ask.session,   &ask.text,           &ask.metadata,
                                           &ask.ticket,    &ask.conversation_id};
            enum store_asked asked = STORE_ATTACHED;
            int64_t id = -1;
            *fields[field] = dirty[i];
            assert_int_equal(store_begin(store_fixture.store, STORE_TIME), BRIDGE_OK);
            assert_int_equal(store_ask(store_fixture.store, &ask, &asked, &id), BRIDGE_REFUSED);
            store_rollback(store_fixture.store);
            assert_int_equal(id, -1);
            assert_int_equal(asked, STORE_ATTACHED);
        }
    }
    assert_int_equal(store_number(REQUESTS), 0);
}

static void times_that_cannot_be_are_refused(void **state)
{
    (void)state;
    for (int field = 0; field < 8; field++) {
        struct store_ask ask = ask_of("q");
        int64_t *const fields[] = {&ask.coalesce_s, &ask.live_s, &ask.turn_s, &ask.ticket_s};
        enum store_asked asked;
        int64_t id;
        *fields[field % 4] = field < 4 ? -1 : INT64_MAX;
        if (field == 4)
            continue; /* any time ago */
        assert_int_equal(store_begin(store_fixture.store, STORE_TIME), BRIDGE_OK);
        assert_int_equal(store_ask(store_fixture.store, &ask, &asked, &id), BRIDGE_REFUSED);
        store_rollback(store_fixture.store);
    }
    struct store_ask ask = ask_of("q");
    ask.coalesce_s = INT64_MAX;
    int64_t id = ask_expect(&ask, STORE_ASKED);
    assert_int_equal(ask_expect(&ask, STORE_ATTACHED), id);
}

/* Each of theirs and ours that a request writes into, refused by a trigger: nothing of it stays. */
static void a_request_that_is_refused_leaves_nothing(void **state)
{
    (void)state;
    static const char *const tables[] = {
        "conversations", "audit_log",        "tailgate_made", "tailgate_client",
        "messages",      "tailgate_request", "tailgate_blob", "tailgate_ticket",
    };
    static const char *const what[] = {"ABORT, 'no'", "FAIL, 'no'", "ROLLBACK, 'no'"};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        for (size_t j = 0; j < 3; j++) {
            struct store_ask ask = ask_of("q");
            enum store_asked asked;
            int64_t id;
            char sql[300];
            ask.ticket = span_str(TICKET_1);
            ask.blob = span_str("frames");
            snprintf(sql, sizeof sql,
                     "CREATE TRIGGER no BEFORE INSERT ON %s BEGIN SELECT raise(%s); END", tables[i],
                     what[j]);
            file_run(&store_fixture.place, sql);
            assert_int_equal(store_begin(store_fixture.store, STORE_TIME), BRIDGE_OK);
            assert_int_equal(store_ask(store_fixture.store, &ask, &asked, &id), BRIDGE_REFUSED);
            store_rollback(store_fixture.store);
            file_run(&store_fixture.place, "DROP TRIGGER no");
        }
    }
    assert_int_equal(store_number("SELECT (SELECT count(*) FROM messages) +"
                                  " (SELECT count(*) FROM conversations) +"
                                  " (SELECT count(*) FROM audit_log) +"
                                  " (SELECT count(*) FROM tailgate_made) +"
                                  " (SELECT count(*) FROM tailgate_client) +"
                                  " (SELECT count(*) FROM tailgate_request) +"
                                  " (SELECT count(*) FROM tailgate_blob) +"
                                  " (SELECT count(*) FROM tailgate_ticket)"),
                     1); /* the bridge's conversation */
}

static void a_row_that_a_trigger_ignores_is_refused(void **state)
{
    (void)state;
    static const char *const tables[] = {"messages", "conversations"};
    for (size_t i = 0; i < 2; i++) {
        const struct store_ask ask = ask_of("q");
        enum store_asked asked;
        int64_t id;
        char sql[300];
        snprintf(sql, sizeof sql,
                 "CREATE TRIGGER no BEFORE INSERT ON %s BEGIN SELECT raise(IGNORE); END",
                 tables[i]);
        file_run(&store_fixture.place, sql);
        assert_int_equal(store_begin(store_fixture.store, STORE_TIME), BRIDGE_OK);
        assert_int_equal(store_ask(store_fixture.store, &ask, &asked, &id), BRIDGE_REFUSED);
        store_rollback(store_fixture.store);
        file_run(&store_fixture.place, "DROP TRIGGER no");
    }
    assert_int_equal(store_number("SELECT count(*) FROM tailgate_request"), 0);
}

static void what_is_rolled_back_is_not_attached_to(void **state)
{
    (void)state;
    const struct store_ask ask = ask_of("q");
    enum store_asked asked;
    int64_t id;
    assert_int_equal(store_begin(store_fixture.store, STORE_TIME), BRIDGE_OK);
    assert_int_equal(store_ask(store_fixture.store, &ask, &asked, &id), BRIDGE_OK);
    assert_int_equal(asked, STORE_ASKED);
    assert_int_equal(store_ask(store_fixture.store, &ask, &asked, &id), BRIDGE_OK);
    assert_int_equal(asked, STORE_ATTACHED); /* in the same group */
    store_rollback(store_fixture.store);
    ask_expect(&ask, STORE_ASKED);
    assert_int_equal(store_number(REQUESTS), 1);
}

/* A line of a query plan that looks at every row of a table. (Requests that are over are removed by
 * a scan in the order of their ids, which a limit ends.) */
static bool is_scan(const char *line)
{
    static const char *const tables[] = {
        "messages",        "m", "conversations", "c", "audit_log",     "tailgate_ticket",
        "tailgate_client", "k", "tailgate_made", "t", "tailgate_blob", "tailgate_delivery",
        "session_status",  "d",
    };
    char name[100];
    if (sscanf(line, "SCAN %99s", name) != 1)
        return false;
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        if (strcmp(name, tables[i]) == 0)
            return true;
    }
    return false;
}

/* Returns how many lines the plan of SQL has. */
static size_t expect_no_scan(const char *text)
{
    char sql[2000];
    sqlite3_stmt *plan = NULL;
    size_t lines = 0;
    assert_true(snprintf(sql, sizeof sql, "EXPLAIN QUERY PLAN %s", text) < (int)sizeof sql);
    assert_int_equal(sqlite3_prepare_v2(store_fixture.db, sql, -1, &plan, NULL), SQLITE_OK);
    for (; sqlite3_step(plan) == SQLITE_ROW; lines++) {
        if (is_scan((const char *)sqlite3_column_text(plan, 3)))
            fail_msg("%s: %s", text, sqlite3_column_text(plan, 3));
    }
    sqlite3_finalize(plan);
    return lines;
}

/* I10: whatever stands in the tables, each statement looks at what it is about. */
static void no_statement_of_requests_scans_a_table(void **state)
{
    static const char *const about[] = {"tailgate_request", "tailgate_ticket", "tailgate_client",
                                        "tailgate_blob"};
    size_t lines = 0;
    (void)state;
    for (sqlite3_stmt *each = sqlite3_next_stmt(store_fixture.db, NULL); each;
         each = sqlite3_next_stmt(store_fixture.db, each)) {
        bool ours = false;
        for (size_t i = 0; i < 4; i++)
            ours = ours || strstr(sqlite3_sql(each), about[i]);
        if (ours)
            lines += expect_no_scan(sqlite3_sql(each));
    }
    assert_true(lines > 20);
    assert_true(is_scan("SCAN messages"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, store_set_up, store_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_what_the_bridges_own_send_would_have_written),
        TEST(the_bridges_own_program_can_fetch_it),
        TEST(the_same_request_attaches_to_its_unanswered_row),
        TEST(another_digest_is_another_request),
        TEST(a_fresh_request_is_made_and_others_attach_to_it),
        TEST(a_request_attaches_for_its_time_only),
        TEST(what_has_ended_without_an_answer_is_asked_again),
        TEST(a_claimed_request_is_unanswered_until_it_is_dead),
        TEST(only_so_many_of_the_same_are_looked_at),
        TEST(what_the_bridge_could_not_read_is_refused),
        TEST(times_that_cannot_be_are_refused),
        TEST(a_request_that_is_refused_leaves_nothing),
        TEST(a_row_that_a_trigger_ignores_is_refused),
        TEST(what_is_rolled_back_is_not_attached_to),
        TEST(no_statement_of_requests_scans_a_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
