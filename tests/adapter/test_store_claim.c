/* adapters/bridge/store: claimed queries, and what becomes of answers that come too late. */
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

#define EXPIRE "UPDATE conversations SET expires_at = '2020-01-01T00:00:00'"

static enum store_outcome claim(int64_t id)
{
    struct store_delivery delivery = store_delivery_of(id);
    delivery.claim = true;
    return store_commit_lease(&delivery);
}

static struct store_reply answer_to(int64_t id, bool claimed)
{
    struct store_reply reply = store_reply_to(id, "paid for");
    reply.claimed = claimed;
    reply.recorded = true;
    reply.worker = span_str("worker-1");
    reply.attempt = 3;
    return reply;
}

/* An answer that comes after the end WANT: nothing in the bridge, the answer is kept. */
static void expect_kept(const struct store_reply *reply, enum store_outcome want)
{
    char why[100];
    assert_int_equal(store_commit_reply(reply), want);
    snprintf(why, sizeof why, "1" CONVERSATION "%sworker-13paid for{\"in_reply_to\":1}%s",
             store_outcome_name(want), STORE_TIME_TEXT);
    store_expect_text("SELECT message_id || conversation_id || why || worker || attempt || answer"
                      " || metadata || kept_at FROM tailgate_answer",
                      why);
    assert_int_equal(store_number(KEPT), 1);
    assert_int_equal(store_number(REPLIES), 0);
    assert_int_equal(store_number(DELIVERIES), 0);
    assert_int_equal(store_number("SELECT count(*) FROM audit_log"), 1);
}

static void a_claim_takes_the_read_flag_together_with_its_row(void **state)
{
    (void)state;
    store_given(2);
    assert_int_equal(claim(1), STORE_COMMITTED);
    assert_int_equal(store_number("SELECT group_concat(read) = '1,0' FROM messages"), 1);
    store_expect_text("SELECT message_id || state || claimed FROM tailgate_delivery", "1leased1");
    assert_int_equal(store_number("SELECT count(*) FROM audit_log"), 0);
}

static void a_claim_loses_to_somebody_elses_read(void **state)
{
    (void)state;
    store_given(1);
    file_run(&store_fixture.place, "UPDATE messages SET timestamp = '" STORE_TIME_TEXT "'");
    peer_run("fetch", store_fixture.place.db, CONVERSATION, "b", NULL);
    file_run(&store_fixture.place, "INSERT INTO tailgate_parked VALUES(1)");
    assert_int_equal(claim(1), STORE_SUPERSEDED);
    assert_int_equal(store_number(DELIVERIES), 0);
    assert_int_equal(store_number(PARKED), 0);
    assert_int_equal(store_number(AUDIT("query_superseded")), 1);
}

static void what_is_claimed_is_not_taken_again(void **state)
{
    (void)state;
    store_given(1);
    assert_int_equal(claim(1), STORE_COMMITTED);
    struct store_delivery delivery = store_delivery_of(1);
    delivery.failed = 1;
    delivery.reason = span_str("slow");
    store_commit_failure(&delivery); /* keeps the claim */
    assert_int_equal(claim(1), STORE_COMMITTED);
    delivery.attempt = 2;
    assert_int_equal(store_commit_lease(&delivery), STORE_COMMITTED); /* as does a lease without */
    store_expect_text("SELECT state || claimed || attempt || json_array_length(history)"
                      " FROM tailgate_delivery",
                      "leased121");
    assert_int_equal(store_number("SELECT count(*) FROM audit_log"), 0);
}

static void a_claimed_query_is_answered_under_our_own_row(void **state)
{
    (void)state;
    store_given(1);
    claim(1);
    const struct store_reply reply = answer_to(1, true);
    assert_int_equal(store_commit_reply(&reply), STORE_COMMITTED);
    assert_int_equal(store_commit_reply(&reply), STORE_SUPERSEDED);
    assert_int_equal(store_number(REPLIES), 1);
    assert_int_equal(store_number(DELIVERIES), 0);
    assert_int_equal(store_number(AUDIT("send_message")), 1);
}

static void a_claimed_query_that_was_set_unread_by_hand_is_read_when_it_is_answered(void **state)
{
    (void)state;
    store_given(1);
    claim(1);
    file_run(&store_fixture.place, "UPDATE messages SET read = 0");
    const struct store_reply reply = answer_to(1, true);
    assert_int_equal(store_commit_reply(&reply), STORE_COMMITTED);
    assert_int_equal(store_number(UNREAD), 0);
}

static void a_claimed_query_whose_row_was_dropped_is_superseded(void **state)
{
    (void)state;
    store_given(1);
    claim(1);
    file_run(&store_fixture.place, "DELETE FROM tailgate_delivery");
    const struct store_reply reply = answer_to(1, true);
    assert_int_equal(store_commit_reply(&reply), STORE_SUPERSEDED);
    assert_int_equal(store_number(REPLIES), 0);
    assert_int_equal(store_number(AUDIT("query_superseded")), 1);
}

static void a_claimed_query_whose_time_is_over_is_expired_though_its_row_was_dropped(void **state)
{
    (void)state;
    store_given(1);
    claim(1);
    file_run(&store_fixture.place, "DELETE FROM tailgate_delivery; " EXPIRE);
    const struct store_reply reply = answer_to(1, true);
    expect_kept(&reply, STORE_EXPIRED);
}

static void a_query_that_was_never_claimed_does_not_pass_for_claimed(void **state)
{
    (void)state;
    store_given(1);
    const struct store_delivery delivery = store_delivery_of(1);
    store_commit_lease(&delivery);
    const struct store_reply reply = answer_to(1, true);
    assert_int_equal(store_commit_reply(&reply), STORE_SUPERSEDED);
    assert_int_equal(store_number(REPLIES), 0);
}

static void a_claimed_query_that_dies_stays_read_and_its_claim_is_used_up(void **state)
{
    (void)state;
    store_given(1);
    claim(1);
    struct store_reply reply = answer_to(1, true);
    reply.dead = true;
    assert_int_equal(store_commit_reply(&reply), STORE_COMMITTED);
    store_expect_text("SELECT state || claimed FROM tailgate_delivery", "dead0");
    assert_int_equal(store_number(UNREAD), 0);
    assert_int_equal(store_commit_reply(&reply), STORE_SUPERSEDED);
    assert_int_equal(store_number(REPLIES), 1);
}

static void a_claimed_query_that_has_not_ended_is_not_recorded_as_ended(void **state)
{
    (void)state;
    store_given(1);
    claim(1);
    const struct store_reply end = answer_to(1, true);
    enum store_outcome outcome = STORE_COMMITTED;
    assert_int_equal(store_begin(store_fixture.store, clock_utc_us()), BRIDGE_OK);
    assert_int_equal(store_end(store_fixture.store, &end, &outcome), BRIDGE_REFUSED);
    store_rollback(store_fixture.store);
    assert_int_equal(store_number(DELIVERIES), 1);
}

static void a_claimed_query_that_expires_stays_read_and_its_answer_is_kept(void **state)
{
    (void)state;
    store_given(1);
    claim(1);
    file_run(&store_fixture.place, EXPIRE);
    const struct store_reply reply = answer_to(1, true);
    expect_kept(&reply, STORE_EXPIRED);
    assert_int_equal(store_number(UNREAD), 0);
}

static void a_claimed_query_that_is_deleted_has_its_answer_kept(void **state)
{
    (void)state;
    store_given(1);
    claim(1);
    file_run(&store_fixture.place, "DELETE FROM messages");
    const struct store_reply reply = answer_to(1, true);
    expect_kept(&reply, STORE_DELETED);
}

static void a_conversation_that_is_deleted_while_in_flight_leaves_the_answer_kept(void **state)
{
    (void)state;
    store_given(1);
    const struct store_delivery delivery = store_delivery_of(1);
    store_commit_lease(&delivery);
    file_run(&store_fixture.place, "DELETE FROM messages; DELETE FROM conversations");
    const struct store_reply reply = answer_to(1, false);
    expect_kept(&reply, STORE_DELETED);
}

static void a_conversation_that_expires_while_in_flight_leaves_the_answer_kept(void **state)
{
    (void)state;
    store_given(1);
    const struct store_delivery delivery = store_delivery_of(1);
    store_commit_lease(&delivery);
    file_run(&store_fixture.place, EXPIRE);
    const struct store_reply reply = answer_to(1, false);
    expect_kept(&reply, STORE_EXPIRED);
    assert_int_equal(store_number(UNREAD), 1);
}

static void an_answer_that_somebody_was_faster_than_is_kept(void **state)
{
    (void)state;
    store_given(1);
    const struct store_delivery delivery = store_delivery_of(1);
    store_commit_lease(&delivery);
    file_run(&store_fixture.place, "UPDATE messages SET read = 1");
    const struct store_reply reply = answer_to(1, false);
    expect_kept(&reply, STORE_SUPERSEDED);
}

static void an_error_reply_that_comes_too_late_is_not_kept(void **state)
{
    (void)state;
    store_given(1);
    file_run(&store_fixture.place, "UPDATE messages SET read = 1");
    struct store_reply reply = answer_to(1, false);
    reply.dead = true;
    assert_int_equal(store_commit_reply(&reply), STORE_SUPERSEDED);
    assert_int_equal(store_number(KEPT), 0);
    assert_int_equal(store_number(DELIVERIES), 0);
}

static void an_answer_that_was_cut_is_kept_whole(void **state)
{
    (void)state;
    store_given(2);
    struct store_reply reply = answer_to(1, false);
    reply.whole = span_str("paid for, all of it");
    assert_int_equal(store_commit_reply(&reply), STORE_COMMITTED);
    store_expect_text("SELECT message_id || why || answer FROM tailgate_answer",
                      "1cutpaid for, all of it");
    store_expect_text("SELECT message FROM messages WHERE from_session = 'b'", "paid for");
    file_run(&store_fixture.place, "UPDATE messages SET read = 1");
    reply.message_id = 2;
    assert_int_equal(store_commit_reply(&reply), STORE_SUPERSEDED);
    store_expect_text("SELECT why || answer FROM tailgate_answer WHERE message_id = 2",
                      "supersededpaid for, all of it");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, store_set_up, store_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_claim_takes_the_read_flag_together_with_its_row),
        TEST(a_claim_loses_to_somebody_elses_read),
        TEST(what_is_claimed_is_not_taken_again),
        TEST(a_claimed_query_is_answered_under_our_own_row),
        TEST(a_claimed_query_that_was_set_unread_by_hand_is_read_when_it_is_answered),
        TEST(a_claimed_query_whose_row_was_dropped_is_superseded),
        TEST(a_claimed_query_whose_time_is_over_is_expired_though_its_row_was_dropped),
        TEST(a_query_that_was_never_claimed_does_not_pass_for_claimed),
        TEST(a_claimed_query_that_dies_stays_read_and_its_claim_is_used_up),
        TEST(a_claimed_query_that_has_not_ended_is_not_recorded_as_ended),
        TEST(a_claimed_query_that_expires_stays_read_and_its_answer_is_kept),
        TEST(a_claimed_query_that_is_deleted_has_its_answer_kept),
        TEST(a_conversation_that_is_deleted_while_in_flight_leaves_the_answer_kept),
        TEST(a_conversation_that_expires_while_in_flight_leaves_the_answer_kept),
        TEST(an_answer_that_somebody_was_faster_than_is_kept),
        TEST(an_error_reply_that_comes_too_late_is_not_kept),
        TEST(an_answer_that_was_cut_is_kept_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
