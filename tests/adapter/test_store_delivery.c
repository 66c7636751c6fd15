/* adapters/bridge/store: the delivery row, from the first late lease to the answer or the death. */
#include "adapters/bridge/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "adapters/host/clock.h"
#include "proto/jtext.h"
#include "tests/adapter/store_fixture.h"

static struct store_reply recorded_reply(int64_t id, const char *text)
{
    struct store_reply reply = store_reply_to(id, text);
    reply.recorded = true;
    reply.worker = span_str("worker-1");
    reply.service = span_str("default");
    reply.attempt = 1;
    return reply;
}

static void a_lease_is_one_row_that_says_who_has_the_query(void **state)
{
    (void)state;
    store_given(1);
    const struct store_delivery delivery = store_delivery_of(1);
    assert_int_equal(store_commit_lease(&delivery), STORE_COMMITTED);
    store_expect_text("SELECT message_id || conversation_id || service || state || claimed ||"
                      " attempt || failed || worker || pid || leased_at || due_at || history ||"
                      " (reason IS NULL) || updated_at FROM tailgate_delivery",
                      "1" CONVERSATION "defaultleased010worker-14711" STORE_TIME_TEXT
                      "2026-11-21T00:01:00[]1" STORE_TIME_TEXT);
    assert_int_equal(store_number(UNREAD), 1);
    assert_int_equal(store_number("SELECT count(*) FROM audit_log"), 0);
}

static void a_fast_reply_writes_no_delivery_row(void **state)
{
    (void)state;
    store_given(100);
    const int64_t before = store_number("SELECT count(*) FROM messages");
    for (int64_t id = 1; id <= 100; id++)
        assert_int_equal(store_commit_one(id, "x"), STORE_COMMITTED);
    assert_int_equal(store_number("SELECT count(*) FROM messages"), before + 100);
    assert_int_equal(store_number(DELIVERIES), 0);
    assert_int_equal(store_number(KEPT), 0);
    assert_int_equal(store_number(PARKED), 0);
    assert_int_equal(store_number("SELECT count(*) FROM session_status"), 0);
    assert_int_equal(store_number("SELECT count(*) FROM audit_log"), 100);
}

static void an_answer_takes_its_delivery_row_away_in_the_same_commit(void **state)
{
    (void)state;
    store_given(2);
    const struct store_delivery delivery = store_delivery_of(1), other = store_delivery_of(2);
    store_commit_lease(&delivery);
    store_commit_lease(&other);
    const struct store_reply reply = recorded_reply(1, "x");
    enum store_outcome outcome = STORE_DELETED;
    assert_int_equal(store_begin(store_fixture.store, clock_utc_us()), BRIDGE_OK);
    assert_int_equal(store_reply(store_fixture.store, &reply, &outcome), BRIDGE_OK);
    assert_int_equal(outcome, STORE_COMMITTED);
    assert_int_equal(store_number(DELIVERIES), 2); /* as others see it until the commit */
    assert_int_equal(store_number(REPLIES), 0);
    assert_int_equal(store_commit(store_fixture.store), BRIDGE_OK);
    assert_int_equal(store_number("SELECT message_id FROM tailgate_delivery"), 2);
    assert_int_equal(store_number(DELIVERIES), 1);
    assert_int_equal(store_number(REPLIES), 1);
}

static void each_failure_is_one_item_of_history(void **state)
{
    (void)state;
    store_given(1);
    struct store_delivery delivery = store_delivery_of(1);
    delivery.failed = 1;
    delivery.pid = 0;
    delivery.reason = span_str("it said \"no\"\n");
    store_commit_failure(&delivery); /* no lease row was there: fast failures are persisted, too */
    store_expect_text("SELECT state || attempt || failed || reason || due_at || (pid IS NULL)"
                      " FROM tailgate_delivery",
                      "waiting11it said \"no\"\n2026-11-21T00:01:001");
    store_expect_text("SELECT history FROM tailgate_delivery",
                      "[{\"attempt\":1,\"worker\":\"worker-1\",\"reason\":\"it said \\\"no\\\"\\n\""
                      ",\"at\":\"" STORE_TIME_TEXT "\"}]");
    delivery.attempt = delivery.failed = 2;
    delivery.worker = span_str("");
    store_commit_failure(&delivery);
    assert_int_equal(store_number("SELECT json_array_length(history) FROM tailgate_delivery"), 2);
    store_expect_text("SELECT worker || json_extract(history, '$[1].worker') ||"
                      " json_extract(history, '$[1].attempt') FROM tailgate_delivery",
                      "worker-12");
}

static void history_survives_many_failures(void **state)
{
    (void)state;
    store_given(1);
    for (uint32_t i = 1; i <= 30; i++) {
        struct store_delivery delivery = store_delivery_of(1);
        delivery.attempt = i;
        delivery.failed = i - 1;
        assert_int_equal(store_commit_lease(&delivery), STORE_COMMITTED);
        delivery.failed = i;
        delivery.reason = span_str("] it ends \"} with [brackets]");
        store_commit_failure(&delivery);
    }
    const char *const each = "SELECT group_concat(json_extract(value, '$.attempt'), ' ')"
                             " FROM tailgate_delivery, json_each(history)";
    store_expect_text(each, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26"
                            " 27 28 29 30");
    assert_int_equal(store_number("SELECT failed FROM tailgate_delivery"), 30);
}

static void a_history_is_bounded_and_stays_json(void **state)
{
    (void)state;
    store_given(1);
    char reason[1001];
    memset(reason, '\\', 1000);
    reason[1000] = '\0';
    for (uint32_t i = 1; i <= 100; i++) {
        struct store_delivery delivery = store_delivery_of(1);
        delivery.attempt = delivery.failed = i;
        delivery.reason = span_str(reason);
        store_commit_failure(&delivery);
    }
    assert_in_range(store_number("SELECT length(history) FROM tailgate_delivery"), 60000, 70000);
    assert_int_equal(store_number("SELECT json_valid(history) FROM tailgate_delivery"), 1);
    assert_int_equal(store_number("SELECT failed FROM tailgate_delivery"), 100);
}

static void a_history_that_somebody_spoiled_stops_nothing(void **state)
{
    (void)state;
    store_given(1);
    struct store_delivery delivery = store_delivery_of(1);
    store_commit_lease(&delivery);
    file_run(&store_fixture.place, "UPDATE tailgate_delivery SET history = 'not json'");
    delivery.failed = 1;
    delivery.reason = span_str("slow");
    store_commit_failure(&delivery);
    store_expect_text("SELECT json_extract(history, '$[0].reason') FROM tailgate_delivery", "slow");
}

static void what_was_given_back_has_not_failed(void **state)
{
    (void)state;
    store_given(2);
    struct store_delivery delivery = store_delivery_of(1);
    delivery.failed = 1;
    delivery.reason = span_str("slow");
    store_commit_failure(&delivery);
    delivery.attempt = 2;
    store_commit_lease(&delivery);
    delivery.reason = span_str("");
    store_commit_failure(&delivery);
    store_expect_text("SELECT state || attempt || failed || reason || json_array_length(history)"
                      " FROM tailgate_delivery",
                      "waiting21slow1");
    delivery.message_id = 2; /* one that no row tells of needs none */
    store_commit_failure(&delivery);
    assert_int_equal(store_number(DELIVERIES), 1);
}

static struct store_reply death(int64_t id, uint32_t attempt, uint32_t failed)
{
    struct store_reply reply = recorded_reply(id, "{\"type\":\"error\"}");
    reply.dead = true;
    reply.reason = span_str("it never ends");
    reply.attempt = attempt;
    reply.failed = failed;
    return reply;
}

static void a_dead_query_keeps_its_reason_and_history(void **state)
{
    (void)state;
    store_given(1);
    for (uint32_t i = 1; i <= 3; i++) {
        struct store_delivery delivery = store_delivery_of(1);
        delivery.attempt = delivery.failed = i;
        delivery.reason = span_str("slow");
        store_commit_failure(&delivery);
    }
    const struct store_reply last = death(1, 4, 4);
    assert_int_equal(store_commit_reply(&last), STORE_COMMITTED);
    store_expect_text("SELECT state || claimed || attempt || failed || reason || worker || service"
                      " || (pid IS NULL) || (due_at IS NULL) FROM tailgate_delivery",
                      "dead044it never endsworker-1default11");
    store_expect_text("SELECT group_concat(json_extract(value, '$.reason'))"
                      " FROM tailgate_delivery, json_each(history)",
                      "slow,slow,slow,it never ends");
    assert_int_equal(store_number(REPLIES), 1);
    assert_int_equal(store_number(AUDIT("query_dead")), 1);
}

static void a_failure_that_is_in_the_history_is_not_told_twice(void **state)
{
    (void)state;
    store_given(1);
    struct store_delivery delivery = store_delivery_of(1);
    delivery.failed = 1;
    delivery.reason = span_str("slow");
    store_commit_failure(&delivery);
    const struct store_reply last = death(1, 1, 1);
    assert_int_equal(store_commit_reply(&last), STORE_COMMITTED);
    assert_int_equal(store_number("SELECT json_array_length(history) FROM tailgate_delivery"), 1);
}

static void a_query_that_dies_at_once_has_its_row_too(void **state)
{
    (void)state;
    store_given(2);
    struct store_reply reply = death(1, 1, 1);
    reply.recorded = false;
    assert_int_equal(store_commit_reply(&reply), STORE_COMMITTED);
    store_expect_text("SELECT state || attempt || failed || reason || json_array_length(history)"
                      " FROM tailgate_delivery",
                      "dead11it never ends1");
    reply = death(2, 0, 0); /* never given to anybody */
    assert_int_equal(store_commit_reply(&reply), STORE_COMMITTED);
    store_expect_text("SELECT history FROM tailgate_delivery WHERE message_id = 2", "[]");
}

static void nothing_that_comes_late_wakes_the_dead(void **state)
{
    (void)state;
    store_given(1);
    const struct store_reply last = death(1, 1, 1);
    store_commit_reply(&last);
    struct store_delivery late = store_delivery_of(1);
    store_commit_failure(&late); /* given back */
    late.reason = span_str("late");
    store_commit_failure(&late);
    const struct store_reply answer = recorded_reply(1, "late");
    assert_int_equal(store_commit_reply(&answer), STORE_SUPERSEDED);
    store_expect_text("SELECT state || reason FROM tailgate_delivery", "deadit never ends");
    assert_int_equal(store_number(REPLIES), 1);
    assert_int_equal(store_number(KEPT), 1);
}

static void who_is_asked_again_by_hand_lives_again(void **state)
{
    (void)state;
    store_given(1);
    const struct store_reply last = death(1, 1, 1);
    store_commit_reply(&last);
    file_run(&store_fixture.place, "UPDATE messages SET read = 0 WHERE id = 1");
    struct store_delivery delivery = store_delivery_of(1);
    store_commit_lease(&delivery);
    const struct store_reply answer = recorded_reply(1, "after all");
    assert_int_equal(store_commit_reply(&answer), STORE_COMMITTED);
    assert_int_equal(store_number(DELIVERIES), 0);
}

/* However fast its attempts fail, and whether or not a lease was ever recorded. */
static void a_failure_of_who_is_asked_again_by_hand_is_recorded(void **state)
{
    (void)state;
    store_given(1);
    const struct store_reply last = death(1, 5, 5);
    store_commit_reply(&last);
    file_run(&store_fixture.place, "UPDATE tailgate_delivery SET redriven = 9;"
                                   "UPDATE messages SET read = NULL WHERE id = 1");
    struct store_delivery delivery = store_delivery_of(1);
    delivery.attempt = 6;
    delivery.failed = 1;
    delivery.reason = span_str("slow");
    store_commit_failure(&delivery);
    store_expect_text("SELECT state || attempt || failed || reason || (redriven IS NULL) ||"
                      " json_array_length(history) FROM tailgate_delivery",
                      "waiting61slow12");
    const struct store_reply again = death(1, 6, 1);
    assert_int_equal(store_commit_reply(&again), STORE_COMMITTED);
    store_commit_failure(&delivery); /* late */
    store_expect_text("SELECT state || attempt || failed FROM tailgate_delivery", "dead61");
}

static void the_unread_message_of_another_conversation_wakes_nobody(void **state)
{
    (void)state;
    store_given(1);
    const struct store_reply last = death(1, 1, 1);
    store_commit_reply(&last);
    file_run(&store_fixture.place,
             "UPDATE messages SET read = 0, conversation_id = 'conv_other' WHERE id = 1");
    struct store_delivery delivery = store_delivery_of(1);
    delivery.failed = 1;
    delivery.reason = span_str("slow");
    store_commit_failure(&delivery);
    store_expect_text("SELECT state FROM tailgate_delivery", "dead");
}

static void a_rolled_back_group_leaves_nothing_of_any_of_it(void **state)
{
    (void)state;
    store_given(6);
    const int64_t ids[] = {4, 5};
    struct store_delivery delivery = store_delivery_of(1);
    struct store_reply reply = death(3, 1, 1), cut = recorded_reply(6, "cut");
    enum store_outcome outcome;
    cut.whole = span_str("whole");
    cut.present = true;
    struct store *store = store_fixture.store;
    assert_int_equal(store_begin(store, STORE_TIME), BRIDGE_OK);
    delivery.claim = true;
    assert_int_equal(store_lease(store, &delivery, &outcome), BRIDGE_OK);
    delivery.message_id = 2;
    delivery.reason = span_str("slow");
    assert_int_equal(store_fail(store, &delivery), BRIDGE_OK);
    assert_int_equal(store_reply(store, &reply, &outcome), BRIDGE_OK);
    assert_int_equal(store_reply(store, &cut, &outcome), BRIDGE_OK);
    assert_int_equal(store_mark(store, 5, ids, 2), BRIDGE_OK);
    assert_int_equal(store_note(store, "rules", span_str("x")), BRIDGE_OK);
    assert_int_equal(store_keep(store, &cut, "refused"), BRIDGE_OK);
    assert_int_equal(store_present_all(store), BRIDGE_OK);
    store_rollback(store);
    assert_int_equal(store_number(UNREAD), 6);
    assert_int_equal(store_number("SELECT count(*) FROM messages"), 6);
    assert_int_equal(store_number("SELECT count(*) FROM audit_log"), 0);
    assert_int_equal(store_number("SELECT count(*) FROM session_status"), 0);
    assert_int_equal(store_number(DELIVERIES), 0);
    assert_int_equal(store_number(KEPT), 0);
    assert_int_equal(store_number(PARKED), 0);
    assert_int_equal(store_number("SELECT count(*) FROM tailgate_meta"), 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, store_set_up, store_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_lease_is_one_row_that_says_who_has_the_query),
        TEST(a_fast_reply_writes_no_delivery_row),
        TEST(an_answer_takes_its_delivery_row_away_in_the_same_commit),
        TEST(each_failure_is_one_item_of_history),
        TEST(history_survives_many_failures),
        TEST(a_history_is_bounded_and_stays_json),
        TEST(a_history_that_somebody_spoiled_stops_nothing),
        TEST(what_was_given_back_has_not_failed),
        TEST(a_dead_query_keeps_its_reason_and_history),
        TEST(a_failure_that_is_in_the_history_is_not_told_twice),
        TEST(a_query_that_dies_at_once_has_its_row_too),
        TEST(nothing_that_comes_late_wakes_the_dead),
        TEST(who_is_asked_again_by_hand_lives_again),
        TEST(a_failure_of_who_is_asked_again_by_hand_is_recorded),
        TEST(the_unread_message_of_another_conversation_wakes_nobody),
        TEST(a_rolled_back_group_leaves_nothing_of_any_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
