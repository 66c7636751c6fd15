/* adapters/bridge/store: what clients of the gate have written through it, and whose token may. */
#include "adapters/bridge/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "adapters/bridge/session.h"
#include "tests/adapter/store_fixture.h"

#define MESSAGES "SELECT count(*) FROM messages"
#define DAY_US 86400000000LL

static struct conversation talk;

static int set_up(void **state)
{
    const struct store_converse want = {span_str("web"), span_str("law"), 3600};
    if (store_set_up(state) != 0)
        return -1;
    assert_int_equal(store_begin(store_fixture.store, STORE_TIME), BRIDGE_OK);
    assert_int_equal(store_converse(store_fixture.store, &want, &talk), BRIDGE_OK);
    assert_int_equal(store_commit(store_fixture.store), BRIDGE_OK);
    return 0;
}

static struct store_submit submit_of(const char *key)
{
    return (struct store_submit){
        .conversation_id = span_str(talk.id),
        .session_token = span_str(talk.token_a),
        .text = span_str("{\"type\":\"query\"}"),
        .query_id = span_str("q_1"),
        .key = span_str(key),
        .digest = span_str("digest of 16 b.."),
        .keep_s = 86400,
    };
}

static int put_at(const struct store_submit *submit, int64_t now_us, struct store_receipt *receipt)
{
    assert_int_equal(store_begin(store_fixture.store, now_us), BRIDGE_OK);
    int error = store_submit(store_fixture.store, submit, receipt);
    if (error == BRIDGE_OK)
        assert_int_equal(store_commit(store_fixture.store), BRIDGE_OK);
    else
        store_rollback(store_fixture.store);
    return error;
}

static enum store_submitted expect(const struct store_submit *submit)
{
    struct store_receipt receipt;
    assert_int_equal(put_at(submit, STORE_TIME, &receipt), BRIDGE_OK);
    return receipt.submitted;
}

static void a_conversation_is_what_the_bridge_would_have_made_and_is_ours(void **state)
{
    (void)state;
    store_expect_text("SELECT session_a_role || session_b_role || created_at || expires_at"
                      " FROM conversations WHERE session_a_role = 'web'",
                      "weblaw" STORE_TIME_TEXT "2026-11-21T01:00:00");
    store_expect_text("SELECT details FROM audit_log WHERE action = 'create_conversation'"
                      " ORDER BY id DESC LIMIT 1",
                      "{\"roles\": [\"web\", \"law\"]}");
    assert_int_equal(store_number("SELECT count(*) FROM tailgate_made"), 1);
    assert_int_equal(strlen(talk.token_a), 64);
    assert_string_not_equal(talk.token_a, talk.token_b);
}

static void a_query_comes_from_the_session_that_has_the_token(void **state)
{
    (void)state;
    struct store_submit submit = submit_of("");
    assert_int_equal(expect(&submit), STORE_SUBMITTED);
    submit.session_token = span_str(talk.token_b);
    assert_int_equal(expect(&submit), STORE_SUBMITTED);
    store_expect_text("SELECT group_concat(from_session || to_session || read) FROM messages",
                      "ab0,ba0");
}

static void a_wrong_token_and_a_wrong_conversation_write_nothing(void **state)
{
    (void)state;
    struct store_submit submit = submit_of("k");
    const char *const wrong[] = {"", "x", CONVERSATION, talk.id};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        submit.session_token = span_str(wrong[i]);
        assert_int_equal(expect(&submit), STORE_NO_TOKEN);
    }
    submit.session_token = span_of(talk.token_a, 63);
    assert_int_equal(expect(&submit), STORE_NO_TOKEN);
    submit.session_token = span_str(talk.token_a);
    submit.conversation_id = span_str(CONVERSATION);
    assert_int_equal(expect(&submit), STORE_NO_TOKEN);
    submit.conversation_id = span_str("conv_x");
    assert_int_equal(expect(&submit), STORE_NOWHERE);
    assert_int_equal(store_number(MESSAGES), 0);
    assert_int_equal(store_number("SELECT count(*) FROM tailgate_idempotency"), 0);
}

static void a_key_makes_one_row_for_as_long_as_it_is_known(void **state)
{
    (void)state;
    struct store_submit submit = submit_of("k");
    struct store_receipt first, again;
    assert_int_equal(put_at(&submit, STORE_TIME, &first), BRIDGE_OK);
    submit.query_id = span_str("q_2"); /* that was not submitted: it is made for each try */
    assert_int_equal(put_at(&submit, STORE_TIME + 1, &again), BRIDGE_OK);
    assert_int_equal(again.submitted, STORE_DUPLICATE);
    assert_int_equal(again.message_id, first.message_id);
    assert_string_equal(again.query_id, "q_1");
    assert_string_equal(again.made_at, STORE_TIME_TEXT);
    submit.digest = span_str("another digest..");
    assert_int_equal(expect(&submit), STORE_CONFLICT);
    assert_int_equal(store_number(MESSAGES), 1);
    file_run(&store_fixture.place, "UPDATE conversations SET expires_at = '9999'");
    assert_int_equal(put_at(&submit, STORE_TIME + DAY_US, &again), BRIDGE_OK);
    assert_int_equal(again.submitted, STORE_SUBMITTED);
    assert_int_equal(store_number(MESSAGES), 2);
    assert_int_equal(store_number("SELECT count(*) FROM tailgate_idempotency"), 1);
}

static void a_row_and_its_key_are_one_transaction(void **state)
{
    (void)state;
    struct store_submit submit = submit_of("k");
    struct store_receipt receipt;
    assert_int_equal(store_begin(store_fixture.store, STORE_TIME), BRIDGE_OK);
    assert_int_equal(store_submit(store_fixture.store, &submit, &receipt), BRIDGE_OK);
    store_rollback(store_fixture.store);
    assert_int_equal(store_number(MESSAGES), 0);
    file_run(&store_fixture.place, "CREATE TRIGGER t BEFORE INSERT ON tailgate_idempotency"
                                   " BEGIN SELECT RAISE(ABORT, 'no'); END");
    assert_int_equal(put_at(&submit, STORE_TIME, &receipt), BRIDGE_REFUSED);
    assert_int_equal(store_number(MESSAGES), 0);
}

static void a_conversation_whose_time_is_over_takes_nothing_new(void **state)
{
    (void)state;
    struct store_submit submit = submit_of("k");
    struct store_receipt receipt;
    assert_int_equal(expect(&submit), STORE_SUBMITTED);
    assert_int_equal(put_at(&submit, STORE_TIME + 3600000000LL, &receipt), BRIDGE_OK);
    assert_int_equal(receipt.submitted, STORE_DUPLICATE);
    submit.key = span_str("");
    assert_int_equal(put_at(&submit, STORE_TIME + 3600000000LL, &receipt), BRIDGE_OK);
    assert_int_equal(receipt.submitted, STORE_NO_TIME);
    assert_int_equal(store_number(MESSAGES), 1);
}

static void a_text_that_the_bridge_could_not_read_is_refused(void **state)
{
    (void)state;
    struct store_submit submit = submit_of("");
    struct store_receipt receipt;
    submit.text = span_of("a\0b", 3);
    assert_int_equal(put_at(&submit, STORE_TIME, &receipt), BRIDGE_REFUSED);
    submit.text = span_str("\xff");
    assert_int_equal(put_at(&submit, STORE_TIME, &receipt), BRIDGE_REFUSED);
    assert_int_equal(store_number(MESSAGES), 0);
}

/* The tail's connection reads tokens for a check, and in no other way. */
static void a_reader_checks_tokens_and_reads_none(void **state)
{
    (void)state;
    struct session session;
    sqlite3 *db = NULL;
    assert_int_equal(db_open(&store_fixture.place, DB_READER, 0, &db), BRIDGE_OK);
    assert_int_equal(session_ready(db), BRIDGE_OK);
    assert_int_equal(
        session_check(db, span_str(talk.id), span_str(talk.token_b), STORE_TIME, &session),
        BRIDGE_OK);
    assert_int_equal(session.state, SESSION_LIVE);
    assert_string_equal(session.name, "b");
    assert_string_equal(session.role, "web");
    assert_int_equal(
        session_check(db, span_str(talk.id), span_str(talk.token_b), STORE_TIME + DAY_US, &session),
        BRIDGE_OK);
    assert_int_equal(session.state, SESSION_OVER);
    assert_int_equal(db_run(db, "SELECT session_a_token FROM conversations"), BRIDGE_OTHER);
    assert_int_equal(db_run(db, "DELETE FROM messages"), BRIDGE_READ_ONLY);
    assert_true(db_is_quiet(db));
    db_close(&db);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, store_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_conversation_is_what_the_bridge_would_have_made_and_is_ours),
        TEST(a_query_comes_from_the_session_that_has_the_token),
        TEST(a_wrong_token_and_a_wrong_conversation_write_nothing),
        TEST(a_key_makes_one_row_for_as_long_as_it_is_known),
        TEST(a_row_and_its_key_are_one_transaction),
        TEST(a_conversation_whose_time_is_over_takes_nothing_new),
        TEST(a_text_that_the_bridge_could_not_read_is_refused),
        TEST(a_reader_checks_tokens_and_reads_none),
    };
    if (token_init() != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
