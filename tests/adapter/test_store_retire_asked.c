/* adapters/bridge/store: retention of what clients of the gate have left. */
#include "adapters/bridge/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/adapter/ask_fixture.h"

#define OLD "2026-11-01T00:00:00"
#define YOUNG "2026-11-19T00:00:00"
#define AHEAD "2031-01-01T00:00:00"
#define DAY_US (DAY_S * SECOND_US)
#define BODY_WORD "SELECT value FROM tailgate_meta WHERE key = 'retire.bodies'"

static const struct store_retention week = {7 * DAY_S, 7 * DAY_S, 7 * DAY_S, 600, DAY_S};

static bool more; /* what the last call said */

static size_t retire_at(int64_t now_us, size_t limit)
{
    size_t count = 0;
    assert_int_equal(store_begin(store_fixture.store, now_us), BRIDGE_OK);
    assert_int_equal(store_retire(store_fixture.store, &week, limit, &count, &more), BRIDGE_OK);
    assert_int_equal(store_commit(store_fixture.store), BRIDGE_OK);
    return count;
}

static size_t retire(size_t limit)
{
    return retire_at(STORE_TIME, limit);
}

static void fill(const char *sql)
{
    file_run(&store_fixture.place, sql);
}

#define TICKET(name, at)                                                                           \
    "INSERT INTO tailgate_ticket(ticket, message_id, expires_at) VALUES('" name "', 1, '" at "');"
#define REQUEST(id, at)                                                                            \
    "INSERT INTO tailgate_request(message_id, digest, asked_at) VALUES(" #id ", x'00', '" at "');"
#define SENDERS "SELECT count(*) FROM tailgate_sender"
#define SENDER(id, at)                                                                             \
    "INSERT INTO tailgate_sender(message_id, principal, made_at) VALUES(" #id ", 'uid:1', '" at    \
    "');"
#define BLOB(id, at)                                                                               \
    "INSERT INTO tailgate_blob(message_id, kept_at, data) VALUES(" #id ", '" at "', x'00');"

#define KEY(name, at)                                                                              \
    "INSERT INTO tailgate_idempotency VALUES('c', 'a', '" name "', x'00', 1, 'q', '" at "');"

static void keys_go_after_their_time(void **state)
{
    (void)state;
    fill(KEY("one", OLD) KEY("two", "2026-11-19T23:59:59") KEY("three", "2026-11-20T00:00:01")
             KEY("four", AHEAD));
    assert_int_equal(retire(1), 1);
    assert_true(more);
    assert_int_equal(retire(100), 1);
    assert_false(more);
    store_expect_text("SELECT group_concat(key) FROM (SELECT key FROM tailgate_idempotency"
                      " ORDER BY made_at)",
                      "three,four");
}

static void tickets_go_when_their_time_is_over(void **state)
{
    (void)state;
    fill(TICKET("one", OLD) TICKET("two", "2026-11-20T23:59:59.999999")
             TICKET("three", "2026-11-21T00:00:01") TICKET("four", AHEAD));
    assert_int_equal(retire(100), 2);
    store_expect_text("SELECT group_concat(ticket) FROM (SELECT ticket FROM tailgate_ticket"
                      " ORDER BY expires_at)",
                      "three,four");
}

static void requests_go_when_nobody_attaches_to_them_any_more(void **state)
{
    (void)state;
    fill(REQUEST(1, "2026-11-20T23:49:59") REQUEST(2, "2026-11-20T23:50:01")
             REQUEST(3, STORE_TIME_TEXT));
    assert_int_equal(retire(100), 1);
    assert_int_equal(retire(100), 0);
    assert_false(more);
    store_expect_text("SELECT group_concat(message_id) FROM tailgate_request", "2,3");
}

/* It would be in front of all others for years. */
static void a_request_from_a_clock_that_was_ahead_goes_too(void **state)
{
    (void)state;
    fill(REQUEST(1, AHEAD) REQUEST(2, AHEAD) REQUEST(3, OLD) REQUEST(4, STORE_TIME_TEXT));
    assert_int_equal(retire(2), 2);
    assert_true(more);
    assert_int_equal(retire(2), 1);
    store_expect_text("SELECT group_concat(message_id) FROM tailgate_request", "4");
}

/* As long as our audit rows; what a clock that was ahead has made is in front of no other. */
static void senders_go_when_they_are_old(void **state)
{
    (void)state;
    fill(SENDER(1, AHEAD) SENDER(2, OLD) SENDER(3, "2026-11-13T23:59:59")
             SENDER(4, "2026-11-14T00:00:01") SENDER(5, STORE_TIME_TEXT));
    assert_int_equal(retire(2), 2);
    assert_true(more);
    assert_int_equal(retire(2), 1);
    assert_int_equal(retire(2), 0);
    assert_false(more);
    store_expect_text("SELECT group_concat(message_id) FROM tailgate_sender", "4,5");
}

/* However many there were in a day, none is left when their time is over. */
static void senders_are_bounded_by_their_time(void **state)
{
    (void)state;
    for (int day = 0; day < 20; day++) {
        char sql[300];
        snprintf(sql, sizeof sql,
                 "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50)"
                 " INSERT INTO tailgate_sender(message_id, principal, made_at)"
                 " SELECT %d + i, 'uid:1', '2026-11-%02dT12:00:00' FROM n",
                 day * 50, day + 1);
        fill(sql);
        do
            retire_at(STORE_TIME - (20 - day) * DAY_US + DAY_US / 2, 10);
        while (more);
        assert_in_range(store_number(SENDERS), 1, 8 * 50);
    }
    assert_int_equal(store_number("SELECT min(message_id) FROM tailgate_sender"), 12 * 50 + 1);
}

static void a_body_stays_as_long_as_its_row(void **state)
{
    (void)state;
    store_given(3);
    fill(BLOB(1, OLD) BLOB(2, OLD) BLOB(3, OLD) BLOB(99, YOUNG));
    assert_int_equal(retire(100), 0);
    assert_int_equal(store_number(BLOBS), 4);
    fill("DELETE FROM messages WHERE id = 2"); /* the bridge's own cleanup */
    retire(100);                               /* the walk begins again */
    assert_int_equal(retire(100), 1);
    store_expect_text("SELECT group_concat(message_id) FROM tailgate_blob", "1,3,99");
    /* a young one without a row has its turn, too */
    retire_at(STORE_TIME + 10 * DAY_US, 100);
    assert_int_equal(retire_at(STORE_TIME + 10 * DAY_US, 100), 1);
    store_expect_text("SELECT group_concat(message_id) FROM tailgate_blob", "1,3");
}

static void bodies_are_looked_at_bit_by_bit(void **state)
{
    (void)state;
    store_given(1000);
    fill("INSERT INTO tailgate_blob SELECT id, '" OLD "', x'00' FROM messages");
    assert_int_equal(retire(10), 0);
    assert_int_equal(store_number(BODY_WORD), 10);
    assert_false(more); /* nothing that is over was found: the rest can wait */
    assert_int_equal(retire(10), 0);
    assert_int_equal(store_number(BODY_WORD), 20);
    fill("DELETE FROM messages WHERE id BETWEEN 21 AND 45");
    size_t gone = 0;
    for (int i = 0; i < 4; i++) {
        gone += retire(10);
        assert_int_equal(more, i < 3);
    }
    assert_int_equal(gone, 25);
    fill("DELETE FROM messages WHERE id > 60");
    for (int i = 0; i < 95; i++)
        retire(10);
    assert_int_equal(store_number("SELECT max(message_id) FROM tailgate_blob"), 60);
    assert_int_equal(store_number(BLOBS), 60 - 25);
}

static void a_batch_keeps_to_its_limit(void **state)
{
    (void)state;
    for (int i = 1; i <= 25; i++) {
        char sql[500];
        snprintf(sql, sizeof sql,
                 "INSERT INTO tailgate_ticket(ticket, message_id, expires_at) VALUES(%d, 1, '" OLD
                 "');" REQUEST(% d, OLD) BLOB(% d, OLD),
                 i, i, i);
        fill(sql);
    }
    for (int i = 0; i < 7; i++) {
        assert_int_equal(retire(10), 10);
        assert_true(more);
    }
    assert_int_equal(retire(10), 5);
}

static void a_clients_conversation_goes_with_all_that_is_beside_it(void **state)
{
    (void)state;
    struct store_ask ask = ask_of("q");
    ask.blob = span_str("frames");
    ask.sender = (struct store_sender){span_str("uid:1000"), span_of(NULL, 0)};
    int64_t id = ask_expect(&ask, STORE_ASKED);
    struct store_reply reply = store_reply_to(id, "{}");
    reply.sender = (struct store_sender){span_str("key:00"), span_str("w1")};
    reply.blob = span_str("other frames");
    ask_answer(id, reply);
    fill(BLOB(99, "2026-11-27T00:00:00") SENDER(99, "2026-11-27T00:00:00"));
    assert_int_equal(store_number(SENDERS), 3);
    /* four hours, and a week more */
    assert_int_equal(retire_at(STORE_TIME + 7 * DAY_US, 100), 1); /* the request */
    assert_int_equal(store_number(BLOBS), 3);
    assert_int_equal(retire_at(STORE_TIME + 7 * DAY_US + 5 * HOUR_S * SECOND_US, 100), 3);
    store_expect_text("SELECT group_concat(message_id) FROM tailgate_blob", "99");
    store_expect_text("SELECT group_concat(message_id) FROM tailgate_sender", "99");
    assert_int_equal(store_number("SELECT count(*) FROM messages"), 0);
    assert_int_equal(store_number(CLIENTS), 0);
    assert_int_equal(store_number("SELECT count(*) FROM tailgate_made"), 0);
    store_expect_text("SELECT group_concat(id) FROM conversations", CONVERSATION);
}

static void a_clients_conversation_whose_time_somebody_changed_is_theirs(void **state)
{
    (void)state;
    struct store_ask ask = ask_of("q");
    ask.blob = span_str("frames");
    ask_expect(&ask, STORE_ASKED);
    fill("UPDATE conversations SET expires_at = '2027-01-01T00:00:00'");
    retire_at(STORE_TIME + 8 * DAY_US, 100);
    assert_int_equal(store_number(CLIENTS), 0);
    assert_int_equal(store_number("SELECT count(*) FROM tailgate_made"), 0);
    assert_int_equal(store_number(REQUESTS), 1);
    retire_at(STORE_TIME + 8 * DAY_US, 100);
    assert_int_equal(store_number(BLOBS), 1); /* with its row */
}

static void what_a_ticket_put_off_is_kept_until_then(void **state)
{
    (void)state;
    struct store_ask ask = ask_of("q");
    ask_expect(&ask, STORE_ASKED);
    ask.ticket = span_str(TICKET_1);
    ask_expect(&ask, STORE_ATTACHED);
    retire_at(STORE_TIME + 14 * DAY_US, 100);
    assert_int_equal(store_number(REQUESTS), 1);
    retire_at(STORE_TIME + 14 * DAY_US + 2 * HOUR_S * SECOND_US, 100);
    assert_int_equal(store_number(REQUESTS), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, store_set_up, store_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(keys_go_after_their_time),
        TEST(tickets_go_when_their_time_is_over),
        TEST(requests_go_when_nobody_attaches_to_them_any_more),
        TEST(a_request_from_a_clock_that_was_ahead_goes_too),
        TEST(senders_go_when_they_are_old),
        TEST(senders_are_bounded_by_their_time),
        TEST(a_body_stays_as_long_as_its_row),
        TEST(bodies_are_looked_at_bit_by_bit),
        TEST(a_batch_keeps_to_its_limit),
        TEST(a_clients_conversation_goes_with_all_that_is_beside_it),
        TEST(a_clients_conversation_whose_time_somebody_changed_is_theirs),
        TEST(what_a_ticket_put_off_is_kept_until_then),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
