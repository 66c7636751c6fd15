/* adapters/bridge/store: the low-water mark, parked rows, words, and texts that are refused. */
#include "adapters/bridge/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "adapters/bridge/records.h"
#include "adapters/host/clock.h"
#include "tests/adapter/store_fixture.h"

#define MARK "SELECT value FROM tailgate_meta WHERE key = 'low_water'"

static void mark(int64_t at, const int64_t *id, size_t count)
{
    assert_int_equal(store_begin(store_fixture.store, STORE_TIME), BRIDGE_OK);
    assert_int_equal(store_mark(store_fixture.store, at, id, count), BRIDGE_OK);
    assert_int_equal(store_commit(store_fixture.store), BRIDGE_OK);
}

static void note(const char *key, const char *text)
{
    assert_int_equal(store_begin(store_fixture.store, STORE_TIME), BRIDGE_OK);
    assert_int_equal(store_note(store_fixture.store, key, span_str(text)), BRIDGE_OK);
    assert_int_equal(store_commit(store_fixture.store), BRIDGE_OK);
}

static void a_mark_parks_what_is_unread_or_claimed_and_nothing_else(void **state)
{
    (void)state;
    store_given(7);
    struct store_delivery delivery = store_delivery_of(3);
    delivery.claim = true;
    store_commit_lease(&delivery); /* 3 is read, and ours */
    assert_int_equal(store_commit_one(2, "x"), STORE_COMMITTED);
    file_run(
        &store_fixture.place,
        "UPDATE messages SET read = 1 WHERE id = 4; DELETE FROM messages WHERE id = 5;"
        "UPDATE messages SET read = NULL WHERE id = 6;"
        "INSERT INTO conversations SELECT 'conv_over', session_a_role, session_b_role,"
        " session_a_token, session_b_token, created_at, '2001-01-01T00:00:00' FROM conversations"
        " LIMIT 1; UPDATE messages SET conversation_id = 'conv_over' WHERE id = 7");
    const int64_t ids[] = {1, 2, 3, 4, 5, 6, 7};
    mark(6, ids, 7);
    store_expect_text("SELECT group_concat(message_id) FROM tailgate_parked", "1,3,6");
    assert_int_equal(store_number(MARK), 6);
    mark(7, ids, 7); /* what is parked already does no harm */
    assert_int_equal(store_number(PARKED), 3);
    assert_int_equal(store_number(MARK), 7);
}

static void a_parked_query_is_parked_until_it_ends(void **state)
{
    (void)state;
    store_given(4);
    const int64_t ids[] = {1, 2, 3, 4};
    mark(4, ids, 4);
    assert_int_equal(store_number(PARKED), 4);
    struct store_reply reply = store_reply_to(1, "x");
    reply.parked = true;
    assert_int_equal(store_commit_reply(&reply), STORE_COMMITTED);
    store_expect_text("SELECT group_concat(message_id) FROM tailgate_parked", "2,3,4");
    reply.message_id = 2;
    file_run(&store_fixture.place, "UPDATE messages SET read = 1 WHERE id = 2");
    assert_int_equal(store_commit_reply(&reply), STORE_SUPERSEDED);
    store_expect_text("SELECT group_concat(message_id) FROM tailgate_parked", "3,4");
    reply.message_id = 3;
    reply.dead = true;
    assert_int_equal(store_commit_reply(&reply), STORE_COMMITTED);
    assert_int_equal(store_begin(store_fixture.store, STORE_TIME), BRIDGE_OK);
    assert_int_equal(store_unpark(store_fixture.store, 4), BRIDGE_OK);
    assert_int_equal(store_unpark(store_fixture.store, 4), BRIDGE_OK);
    assert_int_equal(store_commit(store_fixture.store), BRIDGE_OK);
    assert_int_equal(store_number(PARKED), 0);
}

static void a_word_is_written_over_and_removed(void **state)
{
    (void)state;
    note("rules", "first");
    note("rules", "second");
    store_expect_text("SELECT value FROM tailgate_meta WHERE key = 'rules'", "second");
    note("rules", "");
    note("rules", "");
    assert_int_equal(store_number("SELECT count(*) FROM tailgate_meta WHERE key = 'rules'"), 0);
}

/* What the bridge could not read must not be written, in whatever field it comes. */
static void text_that_is_not_clean_is_refused_in_every_field(void **state)
{
    static const struct span dirty[] = {{"bad \xff", 5}, {"a\0b", 3}};
    struct store *store = store_fixture.store;
    enum store_outcome outcome;

    (void)state;
    store_given(1);
    assert_int_equal(store_begin(store, STORE_TIME), BRIDGE_OK);
    for (size_t i = 0; i < 2; i++) {
        for (size_t field = 0; field < 9; field++) {
            struct store_reply reply = store_reply_to(1, "x");
            struct span *const fields[] = {
                &reply.conversation_id, &reply.from_session, &reply.to_session, &reply.text,
                &reply.metadata,        &reply.whole,        &reply.worker,     &reply.service,
                &reply.reason,
            };
            *fields[field] = dirty[i];
            assert_int_equal(store_reply(store, &reply, &outcome), BRIDGE_REFUSED);
        }
        for (size_t field = 0; field < 5; field++) {
            struct store_delivery delivery = store_delivery_of(1);
            struct span *const fields[] = {&delivery.conversation_id, &delivery.session,
                                           &delivery.service, &delivery.worker, &delivery.reason};
            *fields[field] = dirty[i];
            delivery.claim = true;
            assert_int_equal(store_lease(store, &delivery, &outcome), BRIDGE_REFUSED);
            assert_int_equal(store_fail(store, &delivery), BRIDGE_REFUSED);
        }
        struct store_reply reply = store_reply_to(1, "x");
        reply.text = dirty[i];
        assert_int_equal(store_keep(store, &reply, "refused"), BRIDGE_REFUSED);
        assert_int_equal(store_note(store, "rules", dirty[i]), BRIDGE_REFUSED);
        assert_int_equal(store_present(store, span_str(CONVERSATION), dirty[i]), BRIDGE_REFUSED);
    }
    assert_int_equal(store_commit(store), BRIDGE_OK);
    assert_int_equal(store_number(UNREAD), 1);
    assert_int_equal(store_number(DELIVERIES), 0);
    assert_int_equal(store_number(KEPT), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, store_set_up, store_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_mark_parks_what_is_unread_or_claimed_and_nothing_else),
        TEST(a_parked_query_is_parked_until_it_ends),
        TEST(a_word_is_written_over_and_removed),
        TEST(text_that_is_not_clean_is_refused_in_every_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
