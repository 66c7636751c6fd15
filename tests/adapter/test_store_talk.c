/* adapters/bridge/store: in which conversation a client asks, and for how long that lives. */
#include "adapters/bridge/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/adapter/ask_fixture.h"

#define TOKEN_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* peer.py */
#define TOKEN_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define CONVERSATIONS "SELECT count(DISTINCT conversation_id) FROM messages"
/* Ends of our conversations, as both tables have them. */
#define ENDS                                                                                       \
    "SELECT group_concat(e) FROM (SELECT c.expires_at || CASE WHEN t.expires_at = c.expires_at"    \
    " THEN '' ELSE '!' END AS e FROM tailgate_made t JOIN conversations c"                         \
    " ON c.id = t.conversation_id ORDER BY c.created_at)"

static int64_t ask_at(const struct store_ask *ask, int64_t seconds)
{
    int64_t id = -1;
    assert_int_equal(ask_commit_at(ask, STORE_TIME + seconds * SECOND_US, &id), STORE_ASKED);
    return id;
}

static void a_principal_has_one_conversation_for_a_service(void **state)
{
    (void)state;
    struct store_ask ask = ask_of("q");
    ask.fresh = true;
    ask_at(&ask, 0);
    ask_at(&ask, 1);
    assert_int_equal(store_number(CONVERSATIONS), 1);
    ask.service = span_str("medicine");
    ask_at(&ask, 1);
    assert_int_equal(store_number(CONVERSATIONS), 2);
    ask.principal = span_str("tcp");
    ask_at(&ask, 1);
    assert_int_equal(store_number(CONVERSATIONS), 3);
    ask = ask_of("q");
    ask.fresh = true;
    ask_at(&ask, 2);
    assert_int_equal(store_number(CONVERSATIONS), 3);
    assert_int_equal(store_number("SELECT count(*) FROM tailgate_made"), 3);
    assert_int_equal(store_number(AUDIT("create_conversation")), 3);
}

static void a_conversation_is_turned_over(void **state)
{
    (void)state;
    struct store_ask ask = ask_of("q");
    ask.fresh = true;
    ask_at(&ask, 0);
    ask_at(&ask, HOUR_S - 1);
    assert_int_equal(store_number(CONVERSATIONS), 1);
    ask_at(&ask, HOUR_S);
    assert_int_equal(store_number(CONVERSATIONS), 2);
    ask_at(&ask, HOUR_S + 1);
    assert_int_equal(store_number(CONVERSATIONS), 2);
    assert_int_equal(store_number("SELECT count(*) FROM messages GROUP BY conversation_id"
                                  " ORDER BY min(id) LIMIT 1"),
                     2);
}

/* It is made for so long that no question in it has to put its end off. */
static void a_question_in_time_changes_no_end(void **state)
{
    (void)state;
    struct store_ask ask = ask_of("q");
    ask.fresh = true;
    ask_at(&ask, 0);
    store_expect_text(ENDS, "2026-11-21T04:00:00");
    ask_at(&ask, HOUR_S - 1);
    store_expect_text(ENDS, "2026-11-21T04:00:00");
    ask.live_s = 4 * HOUR_S; /* the settings have changed meanwhile */
    ask_at(&ask, 10);
    store_expect_text(ENDS, "2026-11-21T05:00:10");
}

static void a_tickets_conversation_lives_as_long_as_the_ticket(void **state)
{
    (void)state;
    struct store_ask ask = ask_of("q");
    ask.fresh = true;
    ask_at(&ask, 0);
    ask.ticket = span_str(TICKET_1);
    ask_at(&ask, 10);
    store_expect_text(ENDS, "2026-11-28T01:00:10"); /* a week, and an hour for the next ones */
    assert_int_equal(store_number(CONVERSATIONS), 1);
    ask.ticket = span_str(TICKET_2);
    ask_at(&ask, HOUR_S - 1);
    store_expect_text(ENDS, "2026-11-28T01:00:10");
    store_expect_text("SELECT max(expires_at) FROM tailgate_ticket", "2026-11-28T00:59:59");
}

static void what_a_ticket_attaches_to_lives_as_long_too(void **state)
{
    (void)state;
    struct store_ask ask = ask_of("q");
    int64_t id = ask_at(&ask, 0), same = -1;
    ask.ticket = span_str(TICKET_1);
    assert_int_equal(ask_commit_at(&ask, STORE_TIME, &same), STORE_ATTACHED);
    assert_int_equal(same, id);
    store_expect_text(ENDS, "2026-11-28T01:00:00");
}

static void what_somebody_has_changed_is_not_used_any_more(void **state)
{
    (void)state;
    static const char *const changes[] = {
        "UPDATE conversations SET expires_at = '2027-01-01T00:00:00'",
        "UPDATE conversations SET expires_at = '2026-11-20T00:00:00'",
        "DELETE FROM conversations",
        "UPDATE tailgate_made SET last_id = 1",
    };
    struct store_ask ask = ask_of("q");
    ask.fresh = true;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        ask_at(&ask, (int64_t)i);
        assert_int_equal(store_number(CONVERSATIONS), i + 1);
        file_run(&store_fixture.place, changes[i]);
    }
    store_expect_text("SELECT group_concat(last_id) FROM tailgate_made", "1,1,1,1");
}

static void a_conversation_from_a_clock_that_was_ahead_is_not_used(void **state)
{
    (void)state;
    struct store_ask ask = ask_of("q");
    ask.fresh = true;
    ask_at(&ask, 1000 * DAY_S);
    ask_at(&ask, 0);
    assert_int_equal(store_number(CONVERSATIONS), 2);
    ask_at(&ask, HOUR_S);
    assert_int_equal(store_number(CONVERSATIONS), 3);
}

static struct store_ask named(const char *conversation, const char *token)
{
    struct store_ask ask = ask_of("q");
    ask.conversation_id = span_str(conversation);
    ask.session_token = span_str(token);
    return ask;
}

static void expect_none(const struct store_ask *ask)
{
    int64_t before = store_number("SELECT count(*) FROM audit_log"), id = -1;
    assert_int_equal(ask_commit_at(ask, STORE_TIME, &id), STORE_NO_CONVERSATION);
    assert_int_equal(id, -1);
    assert_int_equal(store_number("SELECT count(*) FROM audit_log"), before);
    assert_int_equal(store_number(TICKETS), 0);
}

static void who_has_the_token_asks_in_the_conversation_it_names(void **state)
{
    (void)state;
    struct store_ask ask = named(CONVERSATION, TOKEN_A);
    ask.ticket = span_str(TICKET_1);
    char *end = file_text(&store_fixture.place, "SELECT expires_at FROM conversations");
    ask_expect(&ask, STORE_ASKED);
    store_expect_text("SELECT conversation_id FROM messages", CONVERSATION);
    store_expect_text("SELECT expires_at FROM conversations",
                      end); /* which is not ours to change */
    assert_int_equal(store_number(CLIENTS), 0);
    assert_int_equal(store_number("SELECT count(*) FROM tailgate_made"), 0);
    free(end);
}

static void a_wrong_token_is_refused(void **state)
{
    (void)state;
    char longer[] = TOKEN_A "a", last[] = TOKEN_A;
    last[63] = 'b';
    const char *const wrong[] = {"", "a", TOKEN_B, longer, last, "\xff"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct store_ask ask = named(CONVERSATION, wrong[i]);
        ask.ticket = span_str(TICKET_1);
        expect_none(&ask);
        ask.session_token.size = i == 3 ? 63 : ask.session_token.size;
        expect_none(&ask);
    }
    assert_int_equal(store_number(REQUESTS), 0);
    file_run(&store_fixture.place, "UPDATE conversations SET session_a_token = ''");
    const struct store_ask ask = named(CONVERSATION, "");
    expect_none(&ask);
}

static void what_is_not_there_or_over_is_refused(void **state)
{
    (void)state;
    struct store_ask ask = named("conv_none", TOKEN_A);
    expect_none(&ask);
    char longest[1000];
    memset(longest, 'c', sizeof longest);
    ask.conversation_id = span_of(longest, sizeof longest);
    expect_none(&ask);
    file_run(&store_fixture.place, "UPDATE conversations SET expires_at = '" STORE_TIME_TEXT "'");
    ask = named(CONVERSATION, TOKEN_A);
    expect_none(&ask);
}

static void ones_own_conversation_needs_no_token_and_nobody_elses_will_do(void **state)
{
    (void)state;
    struct store_ask ask = ask_of("q");
    ask_expect(&ask, STORE_ASKED);
    char *own = file_text(&store_fixture.place, "SELECT conversation_id FROM tailgate_client");
    ask = named(own, "");
    ask.fresh = true;
    ask_expect(&ask, STORE_ASKED);
    assert_int_equal(store_number(CONVERSATIONS), 1);
    ask.principal = span_str("uid:1001");
    expect_none(&ask);
    ask.principal = span_str("uid:1000");
    ask.session_token = span_str(TOKEN_A); /* who gives one has to give the right one */
    expect_none(&ask);
    /* one that `ask` has made is nobody's */
    file_run(&store_fixture.place, "DELETE FROM tailgate_client");
    ask.session_token = span_str("");
    expect_none(&ask);
    free(own);
}

/* A digest alone opens nothing. */
static void the_same_request_in_somebody_elses_conversation_is_not_attached_to(void **state)
{
    (void)state;
    struct store_ask ask = named(CONVERSATION, TOKEN_A);
    int64_t id = ask_expect(&ask, STORE_ASKED);
    ask.session_token = span_str(TOKEN_B);
    expect_none(&ask);
    ask.session_token = span_str(TOKEN_A);
    assert_int_equal(ask_expect(&ask, STORE_ATTACHED), id);
    /* nor is one in another conversation than the one that is named */
    struct store_ask other = ask_of("q");
    other.fresh = true;
    int64_t newest = ask_expect(&other, STORE_ASKED);
    assert_true(newest > id);
    assert_int_equal(ask_expect(&ask, STORE_ATTACHED), id);
}

static void tokens_are_read_by_their_check_and_by_nothing_else(void **state)
{
    (void)state;
    const char *const reads[] = {
        "SELECT session_a_token FROM conversations",
        "SELECT session_b_token FROM conversations",
        "SELECT * FROM conversations",
        "CREATE TEMP VIEW v AS SELECT session_a_token AS t FROM conversations; SELECT t FROM v",
    };
    for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++)
        assert_int_not_equal(db_run(store_fixture.db, reads[i]), BRIDGE_OK);
    const struct store_ask ask = named(CONVERSATION, TOKEN_A);
    ask_expect(&ask, STORE_ASKED);
    /* after a change of the schema, too, when all statements are prepared anew */
    file_run(&store_fixture.place, "CREATE TABLE theirs (x)");
    ask_expect(&ask, STORE_ATTACHED);
    assert_int_not_equal(db_run(store_fixture.db, reads[0]), BRIDGE_OK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, store_set_up, store_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_principal_has_one_conversation_for_a_service),
        TEST(a_conversation_is_turned_over),
        TEST(a_question_in_time_changes_no_end),
        TEST(a_tickets_conversation_lives_as_long_as_the_ticket),
        TEST(what_a_ticket_attaches_to_lives_as_long_too),
        TEST(what_somebody_has_changed_is_not_used_any_more),
        TEST(a_conversation_from_a_clock_that_was_ahead_is_not_used),
        TEST(who_has_the_token_asks_in_the_conversation_it_names),
        TEST(a_wrong_token_is_refused),
        TEST(what_is_not_there_or_over_is_refused),
        TEST(ones_own_conversation_needs_no_token_and_nobody_elses_will_do),
        TEST(the_same_request_in_somebody_elses_conversation_is_not_attached_to),
        TEST(tokens_are_read_by_their_check_and_by_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
