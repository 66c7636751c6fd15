/* adapters/bridge/store: a query that its client has taken back. */
#include "adapters/bridge/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/adapter/ask_fixture.h"

static char conversation[100];

/* A request with all that can stand beside one; CONVERSATION is its own. */
static struct store_reply ask_one(void)
{
    struct store_ask ask = ask_of("q");
    ask.blob = span_str("frames");
    ask.ticket = span_str(TICKET_1);
    int64_t id = ask_expect(&ask, STORE_ASKED);
    char *text = file_text(&store_fixture.place, "SELECT conversation_id FROM messages");
    snprintf(conversation, sizeof conversation, "%s", text);
    free(text);
    return (struct store_reply){.message_id = id,
                                .conversation_id = span_str(conversation),
                                .from_session = span_str("b"),
                                .to_session = span_str("a"),
                                .parked = true};
}

static enum store_outcome drop(const struct store_reply *query)
{
    enum store_outcome outcome = STORE_COMMITTED;
    assert_int_equal(store_begin(store_fixture.store, STORE_TIME), BRIDGE_OK);
    assert_int_equal(store_drop(store_fixture.store, query, &outcome), BRIDGE_OK);
    assert_int_equal(store_commit(store_fixture.store), BRIDGE_OK);
    assert_true(db_is_quiet(store_fixture.db));
    return outcome;
}

static void what_is_dropped_is_read_without_a_reply_and_leaves_nothing_of_ours(void **state)
{
    (void)state;
    const struct store_reply query = ask_one();
    file_run(&store_fixture.place, "INSERT INTO tailgate_parked VALUES(1), (2)");
    struct store_delivery delivery = store_delivery_of(1);
    delivery.conversation_id = query.conversation_id;
    delivery.reason = span_str("slow");
    delivery.failed = 1;
    store_commit_failure(&delivery);
    assert_int_equal(drop(&query), STORE_DROPPED);
    assert_string_equal(store_outcome_name(STORE_DROPPED), "dropped");
    assert_int_equal(store_number("SELECT read FROM messages"), 1);
    assert_int_equal(store_number(REPLIES), 0);
    store_expect_text("SELECT session_id || details || a.timestamp FROM audit_log a"
                      " JOIN messages USING (conversation_id) WHERE action = 'query_dropped'",
                      "b{\"message_id\": 1}" STORE_TIME_TEXT);
    assert_int_equal(store_number("SELECT count(*) FROM tailgate_request"), 0);
    assert_int_equal(store_number(BLOBS), 0);
    assert_int_equal(store_number(DELIVERIES), 0);
    assert_int_equal(store_number("SELECT message_id FROM tailgate_parked"), 2);
    assert_int_equal(store_number("SELECT message_id FROM tailgate_ended"), 1);
    assert_int_equal(store_number(TICKETS), 1); /* whoever still has one hears that it ended */
}

static void the_same_request_is_asked_again_after_a_drop(void **state)
{
    (void)state;
    const struct store_reply query = ask_one();
    assert_int_equal(drop(&query), STORE_DROPPED);
    const struct store_ask ask = ask_of("q");
    assert_int_equal(ask_expect(&ask, STORE_ASKED), 2);
}

static void a_claimed_query_is_dropped_too(void **state)
{
    (void)state;
    struct store_reply query = ask_one();
    struct store_delivery delivery = store_delivery_of(1);
    delivery.conversation_id = query.conversation_id;
    delivery.claim = true;
    assert_int_equal(store_commit_lease(&delivery), STORE_COMMITTED);
    query.claimed = true;
    assert_int_equal(drop(&query), STORE_DROPPED);
    assert_int_equal(store_number("SELECT read FROM messages"), 1);
    assert_int_equal(store_number(DELIVERIES), 0);
    assert_int_equal(store_number(AUDIT("query_dropped")), 1);
    assert_int_equal(drop(&query), STORE_SUPERSEDED); /* once */
    assert_int_equal(store_number(AUDIT("query_dropped")), 1);
    assert_int_equal(store_number(AUDIT("query_superseded")), 0); /* its end is recorded */
}

static void what_has_ended_already_is_told_as_it_ended(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        enum store_outcome end;
    } ends[] = {
        {"UPDATE messages SET read = 1", STORE_SUPERSEDED},
        {"UPDATE messages SET read = 0; UPDATE conversations SET expires_at = ''", STORE_EXPIRED},
        {"DELETE FROM messages", STORE_DELETED},
    };
    const struct store_reply query = ask_one();
    for (size_t i = 0; i < 3; i++) {
        file_run(&store_fixture.place, ends[i].sql);
        assert_int_equal(drop(&query), ends[i].end);
    }
    assert_int_equal(store_number(AUDIT("query_superseded")), 1); /* the first end of it */
    assert_int_equal(store_number(AUDIT("query_dropped")), 0);
}

static void a_drop_that_is_rolled_back_never_was(void **state)
{
    (void)state;
    const struct store_reply query = ask_one();
    enum store_outcome outcome;
    file_run(&store_fixture.place, "CREATE TRIGGER no BEFORE DELETE ON tailgate_request"
                                   " BEGIN SELECT raise(ABORT, 'no'); END");
    assert_int_equal(store_begin(store_fixture.store, STORE_TIME), BRIDGE_OK);
    assert_int_equal(store_drop(store_fixture.store, &query, &outcome), BRIDGE_REFUSED);
    store_rollback(store_fixture.store);
    assert_int_equal(store_number(UNREAD), 1);
    assert_int_equal(store_number(AUDIT("query_dropped")), 0);
    assert_int_equal(store_number(BLOBS), 1);
}

static void a_name_that_is_not_clean_is_refused(void **state)
{
    (void)state;
    struct store_reply query = ask_one();
    enum store_outcome outcome;
    query.from_session = span_str("\xff");
    assert_int_equal(store_begin(store_fixture.store, STORE_TIME), BRIDGE_OK);
    assert_int_equal(store_drop(store_fixture.store, &query, &outcome), BRIDGE_REFUSED);
    store_rollback(store_fixture.store);
    assert_int_equal(store_number(UNREAD), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, store_set_up, store_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_is_dropped_is_read_without_a_reply_and_leaves_nothing_of_ours),
        TEST(the_same_request_is_asked_again_after_a_drop),
        TEST(a_claimed_query_is_dropped_too),
        TEST(what_has_ended_already_is_told_as_it_ended),
        TEST(a_drop_that_is_rolled_back_never_was),
        TEST(a_name_that_is_not_clean_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
